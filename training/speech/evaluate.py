"""Scores of held-out speakers: `python -m training.speech.evaluate RECIPE [RECIPE …] [--predict]`

The runs of several recipes answer together, as what ships does.

Reads the predictions that the fold runs left (`test.npz`) and prints every number of the model
card: unweighted accuracy by corpus and protocol, robustness, calibration. One decision an utterance:
the mean of its windows' probabilities over the classes that its corpus has.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from training.speech.corpora import (
    CORPORA,
    FIVE,
    FOLDS,
    LABELS,
    Utterance,
    class_mask,
    read_corpora,
)
from training.speech.data import Sounds, load_sounds_of
from training.speech.prepare import ROOT, TESTS
from training.text.metrics import expected_calibration_error, masked_probabilities

Network = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
CHANNELS = TESTS
#: The fold on whose speakers nothing was chosen: the card also gives the table of it alone.
UNTOUCHED = 1
CALM = LABELS.index("calm")
NEUTRAL = LABELS.index("neutral")


def network_logits(
    model: torch.nn.Module,
    sounds: Sounds,
    indices: Sequence[int],
    copy: int = 0,
    batch: int = 256,
) -> np.ndarray:
    """Logits of the library's windows, float32 `[indices, windows, 8]`, NaN where there is no window."""
    model.eval()
    pieces = [sounds.library(i, copy) for i in indices]
    counts = [len(pictures) for pictures, _ in pieces]
    pictures = torch.from_numpy(np.concatenate([p for p, _ in pieces]))
    values = torch.from_numpy(np.concatenate([v for _, v in pieces]))
    with torch.inference_mode():
        logits = np.concatenate(
            [
                model(pictures[s : s + batch], values[s : s + batch])[0].float().numpy()
                for s in range(0, len(pictures), batch)
            ]
        )
    out = np.full((len(indices), max(counts), len(LABELS)), np.nan, np.float32)
    at = 0
    for row, count in enumerate(counts):
        out[row, :count] = logits[at : at + count]
        at += count
    return out


def utterance_probabilities(
    logits: np.ndarray, allowed: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """Mean over windows of the softmax over allowed classes: logits `[rows, windows, 8]` to `[rows, 8]`.

    `allowed` bool `[rows, 8]`.
    """
    rows, windows, classes = logits.shape
    flat = logits.reshape(-1, classes)
    there = ~np.isnan(flat[:, 0])
    masks = np.repeat(allowed, windows, axis=0)
    p = np.zeros((rows * windows, classes))
    p[there] = masked_probabilities(flat[there], masks[there], temperature)
    count = there.reshape(rows, windows).sum(1)
    return p.reshape(rows, windows, classes).sum(1) / count[:, None]


def seven(probabilities: np.ndarray) -> np.ndarray:
    """Calm added to neutral and left at zero: `[rows, 8]` to `[rows, 8]`."""
    out = probabilities.copy()
    out[:, NEUTRAL] += out[:, CALM]
    out[:, CALM] = 0
    return out


def unweighted_accuracy(predicted: np.ndarray, gold: np.ndarray) -> float:
    """Mean of the classes' recalls, over the classes in `gold`."""
    return float(np.mean([(predicted[gold == c] == c).mean() for c in np.unique(gold)]))


@dataclass(frozen=True)
class Protocol:
    """Which rows of a corpus count, and which labels can be answered."""

    name: str
    corpus: str
    labels: tuple[str, ...]
    merge_calm: bool


def _five(corpus: str) -> Protocol:
    return Protocol(f"{corpus}, 5 classes", corpus, FIVE, merge_calm=False)


PROTOCOLS = (
    Protocol("ravdess, 8 classes", "ravdess", LABELS, merge_calm=False),
    Protocol("ravdess, 7 classes, calm is neutral", "ravdess", LABELS, merge_calm=True),
    Protocol("casia, 6 classes", "casia", (*FIVE, "surprise"), merge_calm=False),
    Protocol("nemo, 6 classes", "nemo", (*FIVE, "surprise"), merge_calm=False),
    Protocol("emodb, 6 classes", "emodb", (*FIVE, "disgust"), merge_calm=False),
    *(_five(corpus) for corpus in CORPORA),
)


def scores(
    protocol: Protocol,
    logits: np.ndarray,
    utterances: Sequence[Utterance],
    temperature: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities `[rows, 8]`, gold `[rows]` and the rows that count, under a protocol."""
    gold = np.array([u.label for u in utterances])
    allowed = np.array([label in protocol.labels for label in LABELS])
    rows = np.array([u.corpus == protocol.corpus for u in utterances]) & allowed[gold]
    rows &= ~np.isnan(logits[:, 0, 0])
    p = utterance_probabilities(
        logits[rows], np.tile(allowed, (rows.sum(), 1)), temperature
    )
    gold = gold[rows]
    if protocol.merge_calm:
        p = seven(p)
        gold = np.where(gold == CALM, NEUTRAL, gold)
    return p, gold, np.flatnonzero(rows)


def summary(
    logits: np.ndarray, utterances: Sequence[Utterance], indices: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Unweighted accuracy of each corpus over all its classes and over the five, for logs."""
    chosen = [utterances[i] for i in indices]
    found = {}
    for protocol in PROTOCOLS:
        if protocol.merge_calm or not any(u.corpus == protocol.corpus for u in chosen):
            continue
        p, gold, _ = scores(protocol, logits, chosen)
        if len(gold):
            found[protocol.name] = {
                "ua": round(unweighted_accuracy(p.argmax(1), gold), 4),
                "rows": len(gold),
            }
    return found


def fit_temperature(
    logits: np.ndarray, gold: np.ndarray, allowed: np.ndarray, weights: np.ndarray
) -> float:
    """The temperature with the least negative log-likelihood of the utterances' seven labels."""

    def cost(log_t: float) -> float:
        p = seven(utterance_probabilities(logits, allowed, float(np.exp(log_t))))
        picked = p[np.arange(len(gold)), np.where(gold == CALM, NEUTRAL, gold)]
        return float(
            -(weights * np.log(np.clip(picked, 1e-12, 1))).sum() / weights.sum()
        )

    found = minimize_scalar(cost, bounds=(np.log(0.2), np.log(5)), method="bounded")
    return round(float(np.exp(found.x)), 4)


@dataclass(frozen=True)
class Predictions:
    """Logits `[rows, windows, 8]` of held-out utterances by copy, and who they are."""

    utterances: list[Utterance]
    logits: dict[str, np.ndarray]


def predict(folders: list[Path], utterances: list[Utterance], runs: Path) -> None:
    """Logits of finished runs on their held-out speakers, every channel that was rendered: RUN/test.npz."""
    from training.speech.kernel import load_reader
    from training.speech.train import load_run

    models = {
        run: (load_reader if (run / "kernel.pt").exists() else load_run)(run)
        for run in folders
    }
    tests = {
        run: [i for i, u in enumerate(utterances) if is_held_out(u, run.name)]
        for run in folders
    }
    saved = {run: {"indices": np.array(tests[run])} for run in folders}
    for copy in TESTS:
        if not (runs / "features" / copy / "counts.npy").exists():
            continue
        sounds = load_sounds_of(runs, (copy,))
        for run in folders:
            there = np.array(tests[run]) < sounds.frames.shape[1]
            chosen = [i for i, known in zip(tests[run], there, strict=True) if known]
            if not chosen:
                continue
            found = network_logits(models[run], sounds, chosen)
            shape = (len(there), *found.shape[1:])
            saved[run][copy] = np.full(shape, np.nan, np.float32)
            saved[run][copy][there] = found
    for run in folders:
        np.savez(run / "test.npz", **saved[run])


def is_held_out(utterance: Utterance, run: str) -> bool:
    """Whether a run, by its name, has never heard the speaker."""
    if "-without-" in run:
        return f"-without-{utterance.corpus}-" in run
    return f"-fold{utterance.fold}-" in run


def collect(runs: list[list[Path]], utterances: list[Utterance]) -> Predictions:
    """Joins the folds; the members of a fold are averaged as normalised logits, which is what `Committee` does."""
    rows: list[Utterance] = []
    parts: dict[str, list[np.ndarray]] = {}
    for members in runs:
        loaded = [dict(np.load(run / "test.npz")) for run in members]
        indices = loaded[0]["indices"]
        rows += [utterances[i] for i in indices]
        missing = np.full((len(indices), 1, len(LABELS)), np.nan)
        for copy in CHANNELS:
            if not all(copy in saved for saved in loaded):
                parts.setdefault(copy, []).append(missing)
                continue
            normalised = []
            for saved in loaded:
                x = saved[copy].astype(np.float64)
                with np.errstate(invalid="ignore"):
                    normalised.append(
                        x - np.logaddexp.reduce(x, axis=-1, keepdims=True)
                    )
            parts.setdefault(copy, []).append(np.mean(normalised, axis=0))
    logits = {}
    for copy, arrays in parts.items():
        if all(np.isnan(a).all() for a in arrays):
            continue
        widest = max(a.shape[1] for a in arrays)
        pad = [
            np.pad(
                a, ((0, 0), (0, widest - a.shape[1]), (0, 0)), constant_values=np.nan
            )
            for a in arrays
        ]
        logits[copy] = np.concatenate(pad)
    return Predictions(rows, logits)


def part(found: Predictions, rows: np.ndarray) -> Predictions:
    """Some of the utterances."""
    utterances = [u for u, chosen in zip(found.utterances, rows, strict=True) if chosen]
    return Predictions(utterances, {c: x[rows] for c, x in found.logits.items()})


def calibration(found: Predictions, corpora_alike: bool = False) -> dict[str, float]:
    """Temperature on all held-out predictions, and ECE with temperatures fitted on the other folds.

    Each utterance, or each corpus, counts alike when a temperature is fitted. `ece` is over all utterances, each answered
    within its corpus' classes; `open` with all seven labels to choose from.
    """
    gold = np.array([u.label for u in found.utterances])
    folds = np.array([u.fold for u in found.utterances])
    corpora = np.array([u.corpus for u in found.utterances])
    allowed = np.stack([class_mask(u.corpus) for u in found.utterances])
    weights = np.ones(len(gold))
    if corpora_alike:
        weights = np.array([1 / (corpora == c).sum() for c in corpora])
    logits = found.logits["clean"]
    seven_gold = np.where(gold == CALM, NEUTRAL, gold)
    result = {"temperature": fit_temperature(logits, gold, allowed, weights)}
    crossed = np.zeros((len(gold), len(LABELS)))
    raw = seven(utterance_probabilities(logits, allowed))
    opened = np.zeros_like(crossed)
    for fold in np.unique(folds):
        test, rest = folds == fold, folds != fold
        if rest.any():
            t = fit_temperature(logits[rest], gold[rest], allowed[rest], weights[rest])
        else:
            t = result["temperature"]
        crossed[test] = seven(utterance_probabilities(logits[test], allowed[test], t))
        everything = np.ones_like(allowed[test])
        opened[test] = seven(utterance_probabilities(logits[test], everything, t))
    for name, p in (("ece before", raw), ("ece", crossed), ("ece open", opened)):
        result[name] = expected_calibration_error(p.max(1), p.argmax(1) == seven_gold)
    for corpus in CORPORA:
        of = corpora == corpus
        if of.any():
            right = crossed[of].argmax(1) == seven_gold[of]
            result[f"ece {corpus}"] = expected_calibration_error(
                crossed[of].max(1), right
            )
    result["accuracy open"] = float((opened.argmax(1) == seven_gold).mean())
    return result


def table(
    found: Predictions, copies: Sequence[str] = CHANNELS
) -> dict[str, dict[str, float]]:
    """By protocol: unweighted accuracy pooled over folds, their mean and deviation, each channel."""
    rows = {}
    for protocol in PROTOCOLS:
        if not any(u.corpus == protocol.corpus for u in found.utterances):
            continue
        line: dict[str, float] = {}
        for copy in copies:
            if copy not in found.logits:
                continue
            logits = found.logits[copy]
            p, gold, index = scores(protocol, logits, found.utterances)
            if not len(gold):
                continue
            predicted = p.argmax(1)
            folds = np.array([found.utterances[i].fold for i in index])
            by_fold = [
                unweighted_accuracy(predicted[folds == f], gold[folds == f])
                for f in np.unique(folds)
            ]
            line[copy] = float(np.mean(by_fold))
            if copy == "clean":
                line |= {
                    "deviation": float(np.std(by_fold)),
                    "pooled": unweighted_accuracy(predicted, gold),
                    "weighted": float((predicted == gold).mean()),
                    "rows": len(gold),
                }
        rows[protocol.name] = line
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--folds", type=int, nargs="+", default=list(range(1, FOLDS + 1))
    )
    parser.add_argument(
        "--without", action="store_true", help="leave-one-corpus-out runs instead"
    )
    parser.add_argument("--predict", action="store_true", help="run the networks first")
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    arguments = parser.parse_args()
    utterances = read_corpora(arguments.data)
    splits = (
        [f"without-{corpus}" for corpus in CORPORA]
        if arguments.without
        else [f"fold{fold}" for fold in arguments.folds]
    )
    runs = [
        [
            arguments.runs / f"{recipe}-{name}-seed{seed}"
            for recipe in arguments.recipes
            for seed in arguments.seeds
        ]
        for name in splits
    ]
    if arguments.predict:
        predict(
            [run for members in runs for run in members], utterances, arguments.runs
        )
    found = collect(runs, utterances)
    result: dict[str, Any] = {}
    result |= {"table": table(found), "calibration": calibration(found)}
    untouched = np.array([u.fold == UNTOUCHED for u in found.utterances])
    result["untouched"] = table(part(found, untouched))
    out = (
        arguments.runs
        / f"{'+'.join(arguments.recipes)}{'-without' if arguments.without else ''}.json"
    )
    out.write_text(json.dumps(result, indent=1))
    for kind in ("table", "untouched"):
        for name, line in result[kind].items():
            print(kind, name, {k: round(v, 4) for k, v in line.items()})
    print({k: round(v, 4) for k, v in result["calibration"].items()})


if __name__ == "__main__":
    main()
