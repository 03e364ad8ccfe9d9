"""Trains `fusion-attention`, writes the model folder and the table of its card.

    python -m training.fusion.train --tables runs/fusion --out models/fusion-attention

The joint distribution is real: EmotionTalk gives each utterance a label for its text, its sound, its
picture and all together. The pairing is sampled: of each modality a real, held-out output of our own
model on a row with that label is drawn. Groups of a table (dialogues; rows of sound and pictures) are
on one side only: training, development or test.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn

from training.fusion.draw import (
    SUBSETS,
    Events,
    draw,
    features,
    fused,
    split,
    subset_name,
    with_own_text,
)
from training.fusion.model import FEATURES, LABELS, MODALITIES, FusionAttention
from training.fusion.tables import Table, emotiontalk, load
from training.text.labels import EMOTIONS
from training.text.metrics import expected_calibration_error, report

#: Draws of the training events; each shows another subset of the modalities.
DRAWS = 6
EPOCHS = 12
NAMES = ("scores", "present", "joint")


def tensors(events: Events) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(part) for part in features(events)) + (
        torch.from_numpy(events.joint),
    )


def random_subsets(events: Events, random: np.random.Generator, whole: float) -> Events:
    """Modality dropout: a share `whole` keeps all modalities, the rest one of the other subsets."""
    chosen = np.where(
        random.random(len(events.joint)) < whole,
        len(SUBSETS) - 1,
        random.integers(0, len(SUBSETS) - 1, len(events.joint)),
    )
    return Events(events.scores, np.array(SUBSETS)[chosen], events.joint)


def train(
    data: tuple[torch.Tensor, ...], balance: float, seed: int = 1
) -> FusionAttention:
    """Cross-entropy on the joint label; a class of share s counts s^−`balance`."""
    torch.manual_seed(seed)
    *inputs, joint = data
    frequency = torch.bincount(joint, minlength=LABELS) / len(joint)
    weight = frequency.clamp(min=1e-4) ** -balance
    loss = nn.CrossEntropyLoss(weight=weight / (weight * frequency).sum())
    model = FusionAttention()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    steps = EPOCHS * -(-len(joint) // 512)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(joint)).split(512):
            logits, _ = model(*(part[batch] for part in inputs))
            optimiser.zero_grad()
            loss(logits, joint[batch]).backward()
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def probabilities(model: FusionAttention, data: tuple[torch.Tensor, ...]) -> np.ndarray:
    logits, _ = model(*data[:3])
    return torch.softmax(logits, 1).double().numpy()


def subset_of(present: torch.Tensor) -> torch.Tensor:
    """Number of the subset that is present: text 1, audio 2, video 4."""
    return (present @ torch.tensor([1.0, 2.0, 4.0])).round().long()


def calibrate(model: FusionAttention, data: tuple[torch.Tensor, ...]) -> None:
    """The temperature of each subset with which its development events have the least expected
    calibration error. Classes that are rare count more in the loss, so the likelihood would not do."""
    *inputs, joint = data
    with torch.inference_mode():
        logits, _ = model(*inputs)
    subset = subset_of(inputs[1])
    candidates = torch.logspace(-0.8, 0.8, 161)
    for number in range(1, 2 ** len(MODALITIES)):
        rows = subset == number
        right = (logits[rows].argmax(1) == joint[rows]).numpy()
        errors = [
            expected_calibration_error(
                torch.softmax(logits[rows] / t, 1).max(1).values.numpy(), right
            )
            for t in candidates
        ]
        with torch.no_grad():
            model.log_temperature[number - 1] += candidates[
                int(np.argmin(errors))
            ].log()


def pools(
    tables: dict[str, Table], random: np.random.Generator
) -> dict[str, dict[str, Table]]:
    """Tables of each side. Text of EmotionTalk's test dialogues is for the test; of the others one
    half of the dialogues is for training, one for development. Sound and pictures by row."""
    sides: dict[str, dict[str, Table]] = {"train": {}, "dev": {}, "test": {}}
    for modality, table in tables.items():
        if modality == "audio":
            parts = split(table, (0.4, 0.2, 0.4), random)
        else:
            is_test = np.char.startswith(table.group, "test/")
            parts = [
                *split(table.rows(~is_test), (0.6, 0.4), random),
                table.rows(is_test),
            ]
        for side, part in zip(sides, parts, strict=True):
            sides[side][modality] = part
    return sides


def accuracy_weights(tables: dict[str, Table]) -> dict[str, float]:
    """Log-odds against chance of each model's macro-F1, as the node's reliability vote has them."""
    weights = {}
    for modality, table in tables.items():
        f1 = report(table.scores, table.label)["macroF1"]
        weights[modality] = float(max(0.0, np.log(f1 * 6 / (1 - f1))))
    return weights


def export(model: FusionAttention, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = 2
    torch.onnx.export(
        model,
        (
            torch.zeros(batch, 3, FEATURES),
            torch.ones(batch, 3),
            torch.zeros(batch, 3, LABELS),
        ),
        str(path),
        input_names=["features", "present", "log_scores"],
        output_names=["logits", "weights"],
        dynamic_axes={
            name: {0: "batch"}
            for name in ("features", "present", "log_scores", "logits", "weights")
        },
        opset_version=17,
        dynamo=False,
    )


def write_manifest(folder: Path, metrics: list[dict], made_of: str) -> None:
    path = folder / "model.onnx"
    manifest = {
        "schema": 1,
        "id": folder.name,
        "version": "1.0.0",
        "title": {"en": "Attention fusion", "zh": "注意力融合"},
        "modality": "multimodal",
        "architecture": "attention-fusion",
        "labels": list(EMOTIONS),
        "files": {
            "default": "fp32",
            "fp32": {
                "path": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "bytes": path.stat().st_size,
            },
        },
        "inputs": {
            "features": {"type": "float32", "shape": ["batch", 3, FEATURES]},
            "present": {"type": "float32", "shape": ["batch", 3]},
            "log_scores": {"type": "float32", "shape": ["batch", 3, LABELS]},
        },
        "outputs": {
            "logits": {"kind": "logits", "shape": ["batch", LABELS]},
            "weights": {"kind": "modality-weights", "shape": ["batch", 3]},
        },
        "preprocessing": {"kind": "multimodal", "features": 1},
        # Divided inside the graph, by the number of modalities.
        "calibration": {"temperature": 1},
        "licence": {
            "weights": "research and non-commercial use, as the training data asks",
            "data": made_of,
        },
        "metrics": metrics,
    }
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def logistic_baseline(train_events: Events, events: Events) -> np.ndarray:
    """A plain logistic regression on the concatenated log scores, zeros for what is absent."""
    from sklearn.linear_model import LogisticRegression

    def matrix(e: Events) -> np.ndarray:
        logs = np.log(np.clip(np.nan_to_num(e.scores, nan=1.0), 1e-4, 1))
        flags = e.present.astype(float)
        return np.concatenate(
            [(logs * flags[..., None]).reshape(len(logs), -1), flags], axis=1
        )

    fitted = LogisticRegression(max_iter=300).fit(
        matrix(train_events), train_events.joint
    )
    out = np.zeros((len(events.joint), LABELS))
    out[:, fitted.classes_] = fitted.predict_proba(matrix(events))
    return out


def answered(model: FusionAttention, events: Events) -> np.ndarray:
    """Scores `[n, 7]` of a network that was not exported."""
    return probabilities(model, tensors(events))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    parser.add_argument("--tables", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--out", type=Path, default=Path("models/fusion-attention"))
    parser.add_argument(
        "--balance",
        type=float,
        nargs="+",
        default=[0.5, 0.8, 1.0],
        help="how much rare classes count; the one with the best development macro-F1 is kept",
    )
    parser.add_argument("--draws", type=int, default=5, help="draws of the test events")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    random = np.random.default_rng(1)
    tables = {m: load(arguments.tables / f"{m}.npz") for m in MODALITIES}
    sides = pools(tables, random)
    parts = {p: emotiontalk(arguments.data, p) for p in ("train", "val", "test")}

    drawn = [draw(parts["train"], sides["train"], random) for _ in range(DRAWS)]
    shown = [random_subsets(e, random, whole=0.3) for e in drawn]
    whole = Events(*(np.concatenate([getattr(e, n) for e in shown]) for n in NAMES))
    seen = tensors(whole)
    val_text = tables["text"].rows(np.char.startswith(tables["text"].group, "val/"))
    on_dev = np.isin(val_text.group, sides["dev"]["text"].group)
    dev_part, dev_text = parts["val"].rows(on_dev), val_text.rows(on_dev)
    dev = [
        with_own_text(draw(dev_part, sides["dev"], random), dev_text) for _ in range(6)
    ]
    dev_events = Events(
        np.concatenate([e.scores for e in dev for _ in SUBSETS]),
        np.concatenate([e.of(s).present for e in dev for s in SUBSETS]),
        np.concatenate([e.joint for e in dev for _ in SUBSETS]),
    )
    held = tensors(dev_events)
    model, balance, best_f1 = None, 0.0, -1.0
    for candidate in arguments.balance:
        trained = train(seen, candidate)
        f1 = report(probabilities(trained, held), dev_events.joint)["macroF1"]
        print(
            f"balance {candidate}: development macro-F1 {f1:.4f} over all subsets",
            flush=True,
        )
        if f1 > best_f1:
            model, balance, best_f1 = trained, candidate, f1
    calibrate(model, held)
    export(model, arguments.out / "model.onnx")
    write_manifest(arguments.out, [], "to be measured")

    own_text = sides["test"]["text"]
    tests = [
        with_own_text(draw(parts["test"], sides["test"], random), own_text)
        for _ in range(arguments.draws)
    ]
    weights = json.dumps(accuracy_weights(sides["train"]))
    lines, kept = [], {}
    for subset in SUBSETS:
        only = Events(
            *(
                np.concatenate([getattr(e.of(subset), n) for e in drawn[:4]])
                for n in NAMES
            )
        )
        alone = train(
            tensors(only),
            balance,
        )
        methods: dict[str, Callable[[Events], np.ndarray]] = {
            "attention": partial(
                fused, method="attention", argument=str(arguments.out)
            ),
            "trained for it": partial(answered, alone),
            "vote": partial(fused, method="vote"),
            "reliability vote": partial(fused, method="vote", argument=weights),
            "product": partial(fused, method="product"),
            "logistic": partial(logistic_baseline, drawn[0].of(subset)),
        }
        row = {}
        for name, answer in methods.items():
            scores = [report(answer(e.of(subset)), e.joint) for e in tests]
            row[name] = {
                k: float(np.mean([s[k] for s in scores]))
                for k in ("macroF1", "accuracy", "ece")
            }
        kept[subset_name(subset)] = row
        shown_row = " | ".join(f"{row[n]['macroF1']:.3f}" for n in methods)
        lines.append(
            f"| {subset_name(subset)} | {shown_row} | {row['attention']['ece']:.3f} |"
        )
        print(lines[-1], flush=True)
    majority = np.zeros((len(tests[0].joint), LABELS))
    majority[:, np.bincount(parts["train"].joint).argmax()] = 1
    kept["majority"] = report(majority, tests[0].joint)
    (arguments.tables / "report.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(f"majority: macro-F1 {kept['majority']['macroF1']:.3f}")
    best = kept["text + audio + video"]["attention"]
    protocol = (
        "EmotionTalk's test dialogues, joint label, 7 classes; text outputs real, sound and picture "
        f"drawn by label from held-out outputs, mean of {arguments.draws} draws"
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
    write_manifest(
        arguments.out,
        metrics,
        "EmotionTalk (CC BY-NC-SA 4.0) labels; outputs of text-zh-bert, speech-crnn and a face net on "
        "EmotionTalk, RAVDESS, nEMO, CASIA, EMO-DB and FER2013",
    )


if __name__ == "__main__":
    main()
