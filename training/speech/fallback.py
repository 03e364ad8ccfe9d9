"""Logistic regression on utterance statistics: the model that answers when no network can.

    python -m training.speech.fallback --data DATA --runs RUNS            # folds: the card's numbers
    python -m training.speech.fallback … --out models/fallback-audio      # and the model, of everybody

Statistics come from `lib/audio/statistics.ts` (`prepare.py`). A class that a corpus does not have is
left out of the loss of its rows. The file is read by `lib/resilience/logistic-regression.ts`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.numpy import save_file

from training.speech.augment import level_columns
from training.speech.corpora import (
    CORPORA,
    FOLDS,
    LABELS,
    LANGUAGE,
    Utterance,
    class_mask,
    read_corpora,
)
from training.speech.data import statistics_names
from training.speech.evaluate import (
    CALM,
    CHANNELS,
    NEUTRAL,
    Predictions,
    calibration,
    table,
)
from training.speech.prepare import ROOT, load_features
from training.text.labels import EMOTIONS
from training.text.losses import NEVER, masked_cross_entropy

#: As in `lib/resilience/logistic-regression.ts`.
MOST_DEVIATIONS = 10
TITLE = {"ravdess": "RAVDESS", "casia": "CASIA", "nemo": "nEMO", "emodb": "EMO-DB"}
#: Other gains at which every row is seen, in decibels.
GAINS_DB = (-6.0, 0.0, 6.0)


def with_gain(values: np.ndarray, names: list[str], gain_db: float) -> np.ndarray:
    """The statistics of the same sounds, louder: levels shift, and the first coefficient with them."""
    return values + gain_db * level_columns(names)


class Logistic:
    """Standardised features times a matrix; what is not finite counts as the mean."""

    def __init__(
        self, mean: np.ndarray, std: np.ndarray, weight: np.ndarray, bias: np.ndarray
    ) -> None:
        self.mean, self.std, self.weight, self.bias = mean, std, weight, bias

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Statistics `[rows, names]` to logits `[rows, labels]`."""
        return standardised(values, self.mean, self.std) @ self.weight + self.bias


def standardised(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Deviations from the mean, within ten; 0 for what is not finite."""
    deviations = np.where(np.isfinite(values), (values - mean) / std, 0)
    return np.clip(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS)


def fit(
    values: np.ndarray,
    labels: np.ndarray,
    allowed: np.ndarray,
    weights: np.ndarray,
    penalty: float,
) -> Logistic:
    """Multinomial logistic regression over each row's allowed labels, by L-BFGS.

    `values` `[rows, names]` with NaN, `labels` `[rows]`, `allowed` bool `[rows, labels]`, `weights`
    `[rows]`; `penalty` times half the squared weights is added to the mean loss.
    """
    finite = np.where(np.isfinite(values), values, np.nan)
    mean = np.nanmean(finite, axis=0)
    std = np.maximum(np.nanstd(finite, axis=0), 1e-6)
    x = torch.from_numpy(standardised(values, mean, std)).float()
    count = allowed.shape[1]
    target = torch.nn.functional.one_hot(torch.from_numpy(labels), count).float()
    mask = torch.from_numpy(allowed)
    share = torch.from_numpy(weights / weights.sum()).float()
    weight = torch.zeros(x.shape[1], count, requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=200, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (share * masked_cross_entropy(x @ weight + bias, target, mask)).sum()
        loss = loss + 0.5 * penalty * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return Logistic(mean, std, weight.detach().numpy(), bias.detach().numpy())


def balanced(utterances: list[Utterance]) -> np.ndarray:
    """Every corpus counts alike, and within it every class. `[utterances]`"""
    keys = [(u.corpus, u.label) for u in utterances]
    classes = {c: len({k for k in keys if k[0] == c}) for c, _ in keys}
    counts = {key: keys.count(key) for key in set(keys)}
    return np.array([1 / (classes[c] * counts[c, label]) for c, label in keys])


def train(
    utterances: list[Utterance],
    copies: dict[str, np.ndarray],
    index: np.ndarray,
    names: list[str],
    penalty: float,
) -> Logistic:
    """Fits on the utterances of `index`: all copies, at several gains."""
    chosen = [utterances[i] for i in index]
    values = np.concatenate(
        [with_gain(v[index], names, gain) for v in copies.values() for gain in GAINS_DB]
    )
    turns = len(copies) * len(GAINS_DB)
    labels = np.tile([u.label for u in chosen], turns)
    allowed = np.stack([class_mask(u.corpus) for u in chosen])
    allowed[:, CALM] = False
    weights = np.tile(balanced(chosen), turns)
    model = fit(values, labels, np.tile(allowed, (turns, 1)), weights, penalty)
    model.bias[CALM] = NEVER
    return model


def held_out(
    utterances: list[Utterance],
    copies: dict[str, np.ndarray],
    names: list[str],
    penalty: float,
    splits: list[tuple[np.ndarray, np.ndarray]],
) -> Predictions:
    """Logits of the test part of each split `(training, test)`, in the shape of the network's."""
    rows: list[Utterance] = []
    parts: dict[str, list[np.ndarray]] = {copy: [] for copy in copies}
    for training, test in splits:
        model = train(utterances, copies, training, names, penalty)
        rows += [utterances[i] for i in test]
        for copy, values in copies.items():
            parts[copy].append(model.logits(values[test])[:, None])
    return Predictions(rows, {copy: np.concatenate(p) for copy, p in parts.items()})


def save(
    model: Logistic,
    temperature: float,
    names: list[str],
    metrics: list[dict],
    out: Path,
) -> None:
    """Writes OUT/model.safetensors and OUT/model.yaml: the columns of the seven."""
    order = [LABELS.index(emotion) for emotion in EMOTIONS]
    specification = {
        "schema": 1,
        "id": "fallback-audio",
        "modality": "audio",
        "labels": list(EMOTIONS),
        "input": {"kind": "dense", "features": names},
        "temperature": temperature,
    }
    tensors = {
        "weight": model.weight[:, order],
        "bias": model.bias[order],
        "mean": model.mean,
        "std": model.std,
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / "model.safetensors"
    save_file(
        {n: np.ascontiguousarray(v, dtype=np.float32) for n, v in tensors.items()},
        path,
        metadata={"emotion": json.dumps(specification)},
    )
    manifest = {
        "schema": 1,
        "id": "fallback-audio",
        "version": "1.0.0",
        "title": {
            "en": "Fallback for speech (logistic regression)",
            "zh": "语音备用模型（逻辑回归）",
        },
        "modality": "audio",
        "architecture": "logistic-regression",
        "languages": list(LANGUAGE.values()),
        "labels": list(EMOTIONS),
        "weights": {
            "path": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        },
        "licence": {
            "weights": "research and non-commercial use only",
            "data": "RAVDESS (CC BY-NC-SA 4.0), nEMO (CC BY-NC-SA 4.0), CASIA (research only), EMO-DB (CC0)",
        },
        "metrics": metrics,
    }
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    (out / "model.yaml").write_text(text, encoding="utf-8")
    subprocess.run(
        ["npx", "prettier", "--write", str(out / "model.yaml")], check=True, cwd=ROOT
    )


def metric_entries(result: dict[str, dict]) -> list[dict]:
    """Five-class unweighted accuracies and ECE for model.yaml; CASIA's is the headline."""
    protocol = "speaker-disjoint folds, models that never heard the test speakers"
    entries = [
        {
            "name": "unweighted accuracy",
            "value": round(result["table"][f"{corpus}, 5 classes"]["clean"], 4),
            "dataset": f"{TITLE[corpus]}, 5 classes",
            "split": "held-out speakers",
            "protocol": f"{protocol}, mean of the folds; files and answers of the five classes only",
            **({"headline": True} if corpus == "casia" else {}),
        }
        for corpus in CORPORA
    ]
    entries.append(
        {
            "name": "ECE",
            "value": round(result["calibration"]["ece"], 4),
            "dataset": "all four corpora",
            "split": "held-out speakers",
            "protocol": f"{protocol}, seven labels within the classes of each corpus, temperature fitted on the other folds",
        }
    )
    return sorted(entries, key=lambda e: not e.get("headline", False))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    parser.add_argument("--penalty", type=float, default=2e-3)
    parser.add_argument(
        "--without", action="store_true", help="leave-one-corpus-out numbers too"
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # A softmax over seven labels: calm is neutral from the beginning.
    utterances = [
        Utterance(**{**vars(u), "label": NEUTRAL if u.label == CALM else u.label})
        for u in read_corpora(arguments.data)
    ]
    names, version = statistics_names()
    print(f"{len(names)} statistics, version {version}")
    copies = {}
    for copy in CHANNELS:
        if (arguments.runs / "features" / copy / "counts.npy").exists():
            copies[copy] = load_features(arguments.runs, copy).statistics
    everybody = np.arange(len(utterances))
    fold = np.array([u.fold for u in utterances])
    splits = [(everybody[fold != f], everybody[fold == f]) for f in range(1, FOLDS + 1)]
    found = held_out(utterances, copies, names, arguments.penalty, splits)
    result = {
        "table": table(found),
        "calibration": calibration(found, corpora_alike=True),
    }
    if arguments.without:
        corpus = np.array([u.corpus for u in utterances])
        splits = [(everybody[corpus != c], everybody[corpus == c]) for c in CORPORA]
        away = held_out(utterances, copies, names, arguments.penalty, splits)
        result["without"] = table(away)
    for kind in ("table", "without"):
        # With calm as neutral there is no eighth class.
        result.get(kind, {}).pop("ravdess, 8 classes", None)
    for part in ("table", "without"):
        for name, line in result.get(part, {}).items():
            print(part, name, {k: round(v, 4) for k, v in line.items()})
    print({k: round(v, 4) for k, v in result["calibration"].items()})
    (arguments.runs / "fallback.json").write_text(json.dumps(result, indent=1))
    if arguments.out:
        model = train(utterances, copies, everybody, names, arguments.penalty)
        temperature = result["calibration"]["temperature"]
        save(model, temperature, names, metric_entries(result), arguments.out)


if __name__ == "__main__":
    main()
