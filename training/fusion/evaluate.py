"""Measures every method of fusion on the test part and fills the card: run once, after `train.py`;
`python -m training.fusion` runs both. Macro-F1, accuracy and ECE (15 bins) on draws of the test events, the draws pooled, through the code
that the node runs. The protocol stands in `train.py`. A run that was cut off goes on when the command
is given again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training.fusion.card import write_card, write_temperatures
from training.fusion.draw import SUBSETS, Events, fused, subset_name
from training.fusion.model import LABELS, MODALITIES, FusionAttention
from training.fusion.tables import (
    add_arguments,
    digest,
    emotiontalk,
    load,
    table_path,
)
from training.fusion.train import (
    DATA,
    DRAWS,
    SPLIT,
    Kept,
    Settled,
    joined,
    logits_of,
    parts,
    tensors,
    train,
    write_manifest,
)
from training.text.frontend import ROOT
from training.text.metrics import calibration_noise, report


def logistic_baseline(
    train_events: Events, balance: float, events: Events
) -> np.ndarray:
    """A plain logistic regression on the concatenated log scores, zeros for what is absent; a class of
    share s counts s^−`balance`, as it does for the network."""
    from sklearn.linear_model import LogisticRegression

    def matrix(e: Events) -> np.ndarray:
        logs = np.log(np.clip(np.nan_to_num(e.scores, nan=1.0), 1e-4, 1))
        flags = e.present.astype(float)
        return np.concatenate(
            [(logs * flags[..., None]).reshape(len(logs), -1), flags], axis=1
        )

    share = np.bincount(train_events.joint, minlength=LABELS) / len(train_events.joint)
    fitted = LogisticRegression(max_iter=100).fit(
        matrix(train_events),
        train_events.joint,
        sample_weight=share[train_events.joint] ** -balance,
    )
    out = np.zeros((len(events.joint), LABELS))
    out[:, fitted.classes_] = fitted.predict_proba(matrix(events))
    return out


def answered(model: FusionAttention, events: Events) -> np.ndarray:
    """Scores `[n, 7]` of a network that was not exported."""
    return torch.softmax(logits_of(model, tensors(events)), 1).double().numpy()


Row = dict[str, dict[str, float]]


def measure(
    test: Events,
    training: Sequence[Events],
    settled: Settled,
    out: Path,
    kept: Kept,
) -> dict[str, Row]:
    """Scores of every method on every subset. `training` are the draws for the networks of single
    subsets and for the logistic regression, all of them with all modalities."""

    def of(method: str, pool: str | None = None) -> partial[np.ndarray]:
        coefficients = {"coefficients": settled.pools[pool]} if pool else {}
        return partial(fused, settings={"method": method} | coefficients)

    def seen(subset: Sequence[bool]) -> Events:
        return Events.joined([e.of(subset) for e in training])

    def logistic(events: Events, subset: Sequence[bool]) -> np.ndarray:
        return logistic_baseline(seen(subset), settled.balance, events)

    def alone(events: Events, subset: Sequence[bool]) -> np.ndarray:
        return answered(train(tensors(seen(subset)), settled.balance), events)

    same: dict[str, Callable[[Events], np.ndarray]] = {
        "attention": partial(
            fused, settings={"method": "attention", "model": str(out)}
        ),
        "vote": of("vote", "vote"),
        "reliability": of("reliability", "vote"),
        "product": of("product", "product"),
        "vote, no temperature": of("vote"),
        "product, no temperature": of("product"),
    }
    found: dict[str, Row] = kept.read("subsets") or {
        subset_name(subset): {} for subset in SUBSETS
    }
    for name in (*same, "logistic", "trained for it"):
        for subset in SUBSETS:
            row = found[subset_name(subset)]
            if name in row:
                continue
            events = test.of(subset)
            if name in same:
                scores = same[name](events)
            else:
                scores = (logistic if name == "logistic" else alone)(events, subset)
            result = report(scores, events.joint)
            row[name] = {key: result[key] for key in ("macroF1", "accuracy", "ece")}
            print(name, subset_name(subset), row[name], flush=True)
            kept.write("subsets", found)
    return found


def chance(
    test: Events, draws: int, out: Path, kept: Kept
) -> dict[str, tuple[float, float]]:
    """Calibration error, mean and 95th percentile, that the network would show of each subset if its
    scores were perfectly calibrated. The draws share their utterances."""
    found: dict[str, tuple[float, float]] = kept.read("chance") or {}
    for subset in SUBSETS:
        name = subset_name(subset)
        if name in found:
            continue
        settings = {"method": "attention", "model": str(out)}
        leading = fused(test.of(subset), settings).max(1)
        found[name] = calibration_noise(leading, repeats=draws)
        kept.write("chance", found)
    return found


def add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.add_argument("--draws", type=int, default=4, help="of the test events")


def run(arguments: argparse.Namespace) -> None:
    """Measures what lies in the model's folder and writes its manifest and card."""
    torch.set_num_threads(arguments.threads)
    stated = json.loads((arguments.tables / "train.json").read_text())
    # The very outputs that the network was trained with, also where a model has changed since.
    made_of = stated["madeOf"]
    found = {m: load(table_path(arguments.tables, m, made_of[m])) for m in MODALITIES}
    talk = {p: emotiontalk(arguments.data, p) for p in ("train", "val", "test")}
    folds, test_part = parts(found, talk, np.random.default_rng(SPLIT))
    settled = Settled(**stated["settled"])
    graph = digest([arguments.out / "model.onnx"])
    key = json.dumps([stated["key"], graph, arguments.draws])
    kept = Kept(arguments.tables / "evaluate.json", key)

    random = np.random.default_rng((1, 3))
    draws = range(arguments.draws)
    test = Events.joined([test_part.with_own_text(random) for _ in draws])
    everything = joined(folds)
    training = [everything.with_drawn_text(random) for _ in range(DRAWS)]
    training += [everything.with_own_text(random) for _ in range(DRAWS * settled.own)]
    measured = measure(test, training, settled, arguments.out, kept)
    majority = np.zeros((len(test.joint), LABELS))
    majority[:, np.bincount(talk["train"].joint).argmax()] = 1
    result = {
        "own": settled.own,
        "balance": settled.balance,
        "draws": arguments.draws,
        "utterances": len(talk["test"].joint),
        "majority": report(majority, test.joint),
        "temperatures": settled.pools,
        "subsets": measured,
        "chance": chance(test, arguments.draws, arguments.out, kept),
    }
    (arguments.tables / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    best = measured["text + audio + video"]["attention"]
    protocol = (
        "EmotionTalk's test dialogues, joint label, 7 classes; text outputs real, sound and picture drawn "
        "by label from held-out outputs on other speakers and pictures than those of training and "
        f"calibration, {arguments.draws} draws pooled"
    )
    metrics = [
        {"name": "macro-F1", "value": round(best["macroF1"], 4), "headline": True},
        {"name": "accuracy", "value": round(best["accuracy"], 4)},
        {"name": "ECE", "value": round(best["ece"], 4)},
    ]
    for metric in metrics:
        metric |= {
            "dataset": "EmotionTalk, joint label",
            "split": "test",
            "protocol": protocol,
        }
    write_manifest(arguments.out, metrics, DATA)
    write_card(arguments.out / "README.md", result)
    write_temperatures(ROOT / "lib/fusion/pool-temperatures.ts", settled.pools)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    add_evaluation_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
