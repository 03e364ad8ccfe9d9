"""Trains `fusion-attention` and calibrates every method of fusion.

    python -m training.fusion --speech-runs runs/speech --out models/fusion-attention

does this and `evaluate.py`. A run that was cut off goes on when the command is given again. The joint distribution is real: EmotionTalk gives each utterance a label for its text, its sound, its
picture and all together. The pairing is sampled: of each modality a real, held-out output of our own
model on a row with that label is drawn; on development and test dialogues the text's output is that of
the utterance's own text.

The protocol, which was written down before the test part was looked at with these outputs:

1. The test part: EmotionTalk's test dialogues; two fifths of the speakers of each corpus of speech;
   FER2013's test part. It is opened once, by what 2 and 3 have settled.
2. The rest (EmotionTalk's training and validation dialogues, the other speakers, FER2013's validation
   part) is dealt into three folds that share no dialogue, no speaker and no picture. The validation
   dialogues of a fold are answered by a network that was trained on the two others; `--own`, how often
   an utterance with its own text output is shown for each one with a drawn one, and `--balance`, how much
   rare labels count, are those with the best mean macro-F1 over the seven subsets of modalities.
3. Temperatures, of the network, of the votes and of the product, are fitted on those answers; what they
   read and how strongly they are held back was chosen by fitting on two folds and measuring on the third.
   Then the network is trained on all three folds.
4. The numbers, of `evaluate.py`: macro-F1, accuracy, and ECE (15 bins) on draws of the test events, the draws pooled,
   through the code that the node runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from training.fusion.calibrate import fit_coefficients, tempered
from training.fusion.draw import (
    SUBSETS,
    Events,
    draw,
    features,
    fused,
    in_every_subset,
    parts_of,
    subset_name,
    with_own_text,
)
from training.fusion.model import (
    COEFFICIENTS,
    FEATURES,
    LABELS,
    MODALITIES,
    FusionAttention,
)
from training.fusion.tables import (
    Sources,
    Table,
    Utterances,
    add_arguments,
    dialogue,
    emotiontalk,
    tables,
)
from training.text.labels import EMOTIONS
from training.text.metrics import report

VERSION = "1.4.0"
FOLDS = 3
#: Seed of what is dealt into folds and test.
SPLIT = (1, 0)
#: Share of the speakers of each corpus that is for the test.
TEST_SPEAKERS = 0.4
#: Draws of the training events, each of which shows another subset of the modalities.
DRAWS = 2
#: Draws of the development events, by which settings are chosen and temperatures fitted.
DEVELOPMENT_DRAWS = 4
#: Share of the training events that keep all modalities.
WHOLE = 0.3
EPOCHS = 12
#: Methods that the node computes without the network, by the name of their temperature.
POOLS = {"vote": ("vote", "reliability"), "product": ("product",)}

Tensors = tuple[torch.Tensor, ...]


def tensors(events: Events) -> Tensors:
    """The three inputs of the network and the joint labels."""
    inputs = tuple(torch.from_numpy(part) for part in features(events))
    return (*inputs, torch.from_numpy(events.joint))


def random_subsets(events: Events, random: np.random.Generator, whole: float) -> Events:
    """Modality dropout: a share `whole` keeps all modalities, the rest one of the other subsets."""
    chosen = np.where(
        random.random(len(events.joint)) < whole,
        len(SUBSETS) - 1,
        random.integers(0, len(SUBSETS) - 1, len(events.joint)),
    )
    return Events(events.scores, np.array(SUBSETS)[chosen], events.joint)


def train(data: Tensors, balance: float, seed: int = 1) -> FusionAttention:
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
            logits, _ = model.read(*(part[batch] for part in inputs))
            optimiser.zero_grad()
            loss(logits, joint[batch]).backward()
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def logits_of(model: FusionAttention, data: Tensors) -> torch.Tensor:
    """Logits `[n, 7]` before the temperature."""
    return model.read(*data[:3])[0]


@dataclass(frozen=True)
class Part:
    """What events are made of: utterances, outputs to draw from, and the utterances' own text outputs
    where the text model had not been trained on them (`own`, whose rows are `real`'s)."""

    drawn: Utterances
    real: Utterances
    own: Table
    pools: dict[str, Table]

    def with_drawn_text(self, random: np.random.Generator) -> Events:
        """One event for each utterance of `drawn`."""
        return draw(self.drawn, self.pools, random)

    def with_own_text(self, random: np.random.Generator) -> Events:
        """One event for each utterance of `real`, as it would be in use."""
        return with_own_text(draw(self.real, self.pools, random), self.own)


def parts(
    found: dict[str, Table], talk: dict[str, Utterances], random: np.random.Generator
) -> tuple[list[Part], Part]:
    """The three folds and the test part, see the protocol above."""
    own = {
        name: found["text"].rows(np.char.startswith(found["text"].group, f"{name}/"))
        for name in ("val", "test")
    }
    for name, table in own.items():
        if len(table.label) != len(talk[name].joint):
            raise ValueError(f"text: not every utterance of {name} was answered")
    audio, video = found["audio"], found["video"]
    is_test = parts_of(audio.group, (1 - TEST_SPEAKERS, TEST_SPEAKERS), random) == 1
    test = Part(
        talk["train"].rows(np.zeros(len(talk["train"].joint), dtype=bool)),
        talk["test"],
        own["test"],
        {
            "text": own["test"],
            "audio": audio.rows(is_test),
            "video": video.rows(np.char.startswith(video.group, "test/")),
        },
    )
    rest = {
        "text": own["val"],
        "audio": audio.rows(~is_test),
        "video": video.rows(np.char.startswith(video.group, "validation/")),
    }
    even = (1.0,) * FOLDS
    side = {m: parts_of(table.group, even, random) for m, table in rest.items()}
    shown = np.array([f"train/{dialogue(i)}" for i in talk["train"].id])
    side_of_shown = parts_of(shown, even, random)
    folds = [
        Part(
            talk["train"].rows(side_of_shown == k),
            talk["val"].rows(side["text"] == k),
            own["val"].rows(side["text"] == k),
            {m: table.rows(side[m] == k) for m, table in rest.items()},
        )
        for k in range(FOLDS)
    ]
    return folds, test


def joined(folds: Sequence[Part]) -> Part:
    """Several folds as one."""

    def tables_of(several: Sequence[Table]) -> Table:
        names = ("label", "scores", "known", "group")
        return Table(*(np.concatenate([getattr(t, n) for t in several]) for n in names))

    def utterances_of(several: Sequence[Utterances]) -> Utterances:
        return Utterances(
            [i for u in several for i in u.id],
            [t for u in several for t in u.text],
            {m: np.concatenate([u.labels[m] for u in several]) for m in MODALITIES},
            np.concatenate([u.joint for u in several]),
        )

    return Part(
        utterances_of([f.drawn for f in folds]),
        utterances_of([f.real for f in folds]),
        tables_of([f.own for f in folds]),
        {m: tables_of([f.pools[m] for f in folds]) for m in MODALITIES},
    )


@dataclass(frozen=True)
class Shown:
    """What a network is trained on: tensors of events with drawn and with their own text outputs, of the
    latter `own` times as many draws as there are to choose from."""

    drawn: Tensors
    own: list[Tensors]

    @staticmethod
    def of(part: Part, most: int, random: np.random.Generator) -> Shown:
        """Draws of a part, of each event a random subset of its modalities."""

        def some(events: list[Events]) -> Tensors:
            return tensors(
                Events.joined([random_subsets(e, random, WHOLE) for e in events])
            )

        return Shown(
            some([part.with_drawn_text(random) for _ in range(DRAWS)]),
            [
                some([part.with_own_text(random) for _ in range(DRAWS)])
                for _ in range(most)
            ],
        )

    def times(self, own: int) -> Tensors:
        """Events with their own text `own` times."""
        several = [self.drawn, *self.own[:own]]
        return tuple(torch.cat(parts) for parts in zip(*several, strict=True))


def mean_macro_f1(scores: np.ndarray, events: Events) -> float:
    """Mean over the subsets of modalities."""
    number = events.present @ np.array([1, 2, 4])
    of_each = [
        report(scores[number == n], events.joint[number == n])["macroF1"]
        for n in np.unique(number)
    ]
    return float(np.mean(of_each))


@dataclass(frozen=True)
class Choice:
    """What was settled on the folds: the settings, what the fold networks with them said on development
    events (logits `[n, 7]`), what they saw, and the events."""

    own: int
    balance: float
    macro_f1: float
    logits: torch.Tensor
    inputs: Tensors
    events: Events
    #: Number of the fold of each row.
    fold: torch.Tensor


def cross_fitted(
    folds: Sequence[Part],
    owns: Sequence[int],
    balances: Sequence[float],
    random: np.random.Generator,
) -> Choice:
    """The settings with the best macro-F1 where every fold is answered by a network of the others."""
    held = [
        in_every_subset(
            Events.joined(
                [fold.with_own_text(random) for _ in range(DEVELOPMENT_DRAWS)]
            )
        )
        for fold in folds
    ]
    answered = [tensors(events) for events in held]
    shown = [
        Shown.of(joined([f for f in folds if f is not fold]), max(owns), random)
        for fold in folds
    ]
    events = Events.joined(held)
    inputs = tuple(torch.cat(several) for several in zip(*answered, strict=True))
    fold = torch.cat([torch.full((len(a[3]),), k) for k, a in enumerate(answered)])
    choices = []
    for own in owns:
        for balance in balances:
            logits = torch.cat(
                [
                    logits_of(train(others.times(own), balance), rest)
                    for others, rest in zip(shown, answered, strict=True)
                ]
            )
            f1 = mean_macro_f1(torch.softmax(logits, 1).numpy(), events)
            print(f"own {own}, balance {balance}: macro-F1 {f1:.4f}", flush=True)
            choices.append(Choice(own, balance, f1, logits, inputs, events, fold))
    return max(choices, key=lambda choice: choice.macro_f1)


def fit_pools(events: Events) -> dict[str, list[float]]:
    """Coefficients of the temperatures of the votes and of the product."""
    several = events.present.sum(1) > 1
    events = Events(
        events.scores[several], events.present[several], events.joint[several]
    )
    modalities = torch.from_numpy(np.nan_to_num(events.scores)).float()
    present = torch.from_numpy(events.present).float()
    joint = torch.from_numpy(events.joint)
    found = {}
    for name, methods in POOLS.items():
        logits = [
            torch.from_numpy(np.log(np.clip(fused(events, {"method": m}), 1e-9, 1)))
            for m in methods
        ]
        times = len(methods)
        coefficients = fit_coefficients(
            torch.cat(logits).float(),
            modalities.repeat(times, 1, 1),
            present.repeat(times, 1),
            joint.repeat(times),
        )
        found[name] = [round(float(c), 3) for c in coefficients]
    return found


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
        "version": VERSION,
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
        # Divided inside the graph, by a temperature that depends on the answer.
        "calibration": {"temperature": 1},
        "licence": {
            "weights": "research and non-commercial use, as the training data asks",
            "data": made_of,
        },
        "metrics": metrics,
    }
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Settled:
    """What the development events have settled."""

    own: int
    balance: float
    coefficients: list[float]
    pools: dict[str, list[float]]


class Kept:
    """Results of a run, so that one that was cut off goes on; `key` says what they depend on."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        stored = json.loads(path.read_text()) if path.exists() else {}
        self._values = stored if stored.get("key") == key else {"key": key}

    def read(self, name: str) -> Any:
        """What was written under a name, or None."""
        return self._values.get(name)

    def write(self, name: str, value: Any) -> None:
        """Keeps a value that JSON can hold."""
        self._values[name] = value
        self._path.write_text(json.dumps(self._values))


def settle(
    folds: Sequence[Part], owns: Sequence[int], balances: Sequence[float]
) -> Settled:
    """Settings and temperatures, by cross-fitting on the folds; prints what they reach there."""
    choice = cross_fitted(folds, owns, balances, np.random.default_rng((1, 1)))
    development(choice)
    everything = torch.ones(len(choice.fold), dtype=torch.bool)
    return Settled(
        choice.own,
        choice.balance,
        temperature_of(choice, everything).tolist(),
        fit_pools(choice.events),
    )


def temperature_of(choice: Choice, rows: torch.Tensor) -> torch.Tensor:
    """Coefficients of the network's temperature, fitted on some of the development events."""
    features, present, _, joint = (part[rows] for part in choice.inputs)
    return fit_coefficients(
        choice.logits[rows], features[:, :, :LABELS], present, joint
    )


def development(choice: Choice) -> None:
    """Prints macro-F1 and ECE on the development events, before and after a temperature that was fitted
    on the two other folds."""
    before = torch.softmax(choice.logits, 1)
    after = torch.empty_like(before)
    for k in range(FOLDS):
        rows = choice.fold == k
        after[rows] = tempered(
            choice.logits[rows],
            choice.inputs[0][rows][:, :, :LABELS],
            choice.inputs[1][rows],
            temperature_of(choice, ~rows),
        )
    number = choice.events.present @ np.array([1, 2, 4])
    for n, subset in enumerate(SUBSETS, 1):
        rows = number == n
        reports = [
            report(p.double().numpy()[rows], choice.events.joint[rows])
            for p in (before, after)
        ]
        errors = ", then ".join(f"{r['ece']:.3f}" for r in reports)
        f1 = reports[0]["macroF1"]
        print(f"development, {subset_name(subset)}: macro-F1 {f1:.3f}, ECE {errors}")


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """What the folds choose from."""
    parser.add_argument("--own", type=int, nargs="+", default=[4])
    parser.add_argument("--balance", type=float, nargs="+", default=[0.8])


def run(arguments: argparse.Namespace) -> None:
    """Trains and writes the model's folder."""
    torch.set_num_threads(arguments.threads)
    found = tables(Sources.of(arguments), arguments.tables)
    talk = {p: emotiontalk(arguments.data, p) for p in ("train", "val", "test")}
    folds, _ = parts(found, talk, np.random.default_rng(SPLIT))
    depends = [arguments.own, arguments.balance, COEFFICIENTS, DEVELOPMENT_DRAWS]
    kept = Kept(
        arguments.tables / "train.json",
        json.dumps([*(t.made_of for t in found.values()), *depends]),
    )
    kept.write("madeOf", {m: table.made_of for m, table in found.items()})

    if kept.read("settled") is None:
        settled = settle(folds, arguments.own, arguments.balance)
        kept.write("settled", dataclasses.asdict(settled))
    settled = Settled(**kept.read("settled"))
    random = np.random.default_rng((1, 2))
    everything = joined(folds)
    shown = Shown.of(everything, settled.own, random)
    model = train(shown.times(settled.own), settled.balance)
    model.coefficients.copy_(torch.tensor(settled.coefficients))
    export(model, arguments.out / "model.onnx")
    write_manifest(arguments.out, [], DATA)


DATA = (
    "EmotionTalk (CC BY-NC-SA 4.0) labels; outputs of text-zh-bert, speech-crnn and face-cnn-lstm on "
    "EmotionTalk, RAVDESS, nEMO, CASIA, EMO-DB and FER2013"
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    add_training_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
