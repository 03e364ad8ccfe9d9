"""Held-out outputs of the models of single modalities: what they said, and what was right.

A table is an `.npz` file with `label` int `[n]` (index into the seven), `scores` float `[n, 7]`
(calibrated, sum 1), `known` bool `[n, 7]` (labels that the model has) and `group` str `[n]`: corpus
or part, a slash, and what must not be on both sides of a split. For text that is the dialogue. For
sound and pictures it is the row: the models that gave the outputs have never heard the speakers, nor
seen the pictures.

    python -m training.fusion.tables text --model models/text-zh-bert --out runs/fusion
    python -m training.fusion.tables audio --runs runs/speech --out runs/fusion
    python -m training.fusion.tables video --scores runs/face/fer2013-scores.npz --out runs/fusion
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.text.corpora import corpora_path, read_jsonl
from training.text.labels import ALIASES, EMOTIONS, INDEX

#: The parts of EmotionTalk whose text the text model was never trained on.
HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class Table:
    """Outputs of one model on rows that it never saw in training."""

    label: np.ndarray
    scores: np.ndarray
    known: np.ndarray
    group: np.ndarray

    def rows(self, chosen: np.ndarray) -> Table:
        return Table(
            self.label[chosen],
            self.scores[chosen],
            self.known[chosen],
            self.group[chosen],
        )

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **vars(self))


def load(path: Path) -> Table:
    """Raises FileNotFoundError with the command that makes the table."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: python -m training.fusion.tables {path.stem} --out {path.parent}"
        )
    with np.load(path, allow_pickle=False) as stored:
        return Table(
            **{name: stored[name] for name in ("label", "scores", "known", "group")}
        )


@dataclass(frozen=True)
class Utterances:
    """EmotionTalk: the four labels of each utterance, int `[n]` each, and its text."""

    id: list[str]
    text: list[str]
    labels: dict[str, np.ndarray]
    joint: np.ndarray

    def rows(self, chosen: np.ndarray) -> Utterances:
        index = np.flatnonzero(chosen)
        return Utterances(
            [self.id[i] for i in index],
            [self.text[i] for i in index],
            {name: label[index] for name, label in self.labels.items()},
            self.joint[index],
        )


def emotiontalk(data: Path, part: str) -> Utterances:
    """A part of EmotionTalk; rows that lack one of the four labels are left out."""
    rows = []
    for record in read_jsonl(corpora_path(data, f"emotiontalk/{part}")):
        names = [record[k] for k in ("label", "label_audio", "label_video", "label_mm")]
        four = [INDEX[ALIASES[n]] if n in ALIASES else -1 for n in names]
        if min(four) >= 0:
            rows.append((record["id"], record["text"], four))
    labels = np.array([four for _, _, four in rows])
    return Utterances(
        [i for i, _, _ in rows],
        [t for _, t, _ in rows],
        {"text": labels[:, 0], "audio": labels[:, 1], "video": labels[:, 2]},
        labels[:, 3],
    )


def dialogue(identifier: str) -> str:
    """The dialogue of an utterance: recording group and number."""
    return "_".join(identifier.split("_")[:2])


def text_table(data: Path, model: Path) -> Table:
    """The text model on the held-out parts of EmotionTalk, against the label of the text alone."""
    from training.text.evaluate import predict

    tables = []
    for part in HELD_OUT:
        found = emotiontalk(data, part)
        scores = predict(model, found.text, "zh", None)
        groups = np.array([f"{part}/{dialogue(i)}" for i in found.id])
        known = np.ones_like(scores, dtype=bool)
        tables.append(Table(found.labels["text"], scores, known, groups))
    return joined(tables)


def audio_table(data: Path, runs: Path, name: str) -> Table:
    """The speech model on the speakers that each of its folds held out, temperature fitted on the
    other folds; RAVDESS's calm counts as neutral."""
    from training.speech import evaluate as speech
    from training.speech.corpora import LABELS, class_mask, read_corpora

    utterances = read_corpora(data)
    folders = sorted(p.parent for p in runs.glob(f"{name}-fold*/test.npz"))
    by_fold: dict[str, list[Path]] = {}
    for folder in folders:
        by_fold.setdefault(folder.name.split("-seed")[0], []).append(folder)
    found = speech.collect(list(by_fold.values()), utterances)
    gold = np.array([u.label for u in found.utterances])
    folds = np.array([u.fold for u in found.utterances])
    corpora = np.array([u.corpus for u in found.utterances])
    allowed = np.stack([class_mask(u.corpus) for u in found.utterances])
    weights = np.array([1 / (corpora == c).sum() for c in corpora])
    logits = found.logits["clean"]
    scores = np.zeros((len(gold), len(EMOTIONS)))
    for fold in np.unique(folds):
        test = folds == fold
        rest = ~test if (~test).any() else test
        t = speech.fit_temperature(
            logits[rest], gold[rest], allowed[rest], weights[rest]
        )
        everything = np.ones_like(allowed[test])
        heard = speech.seven(
            speech.utterance_probabilities(logits[test], everything, t)
        )
        scores[test] = heard[:, : len(EMOTIONS)]
    label = np.where(gold == LABELS.index("calm"), LABELS.index("neutral"), gold)
    groups = np.array([f"{u.corpus}/{i}" for i, u in enumerate(found.utterances)])
    return Table(label, scores, np.ones_like(scores, dtype=bool), groups)


def video_table(path: Path) -> Table:
    """A face model on the validation and test parts of FER2013: `label`, `scores`, `part`."""
    with np.load(path, allow_pickle=False) as stored:
        scores, label, part = stored["scores"], stored["label"], stored["part"]
    groups = np.array([f"{p}/{i}" for i, p in enumerate(part)])
    return Table(label, scores, np.ones_like(scores, dtype=bool), groups)


def joined(tables: list[Table]) -> Table:
    return Table(
        *(
            np.concatenate([getattr(t, name) for t in tables])
            for name in ("label", "scores", "known", "group")
        )
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modality", choices=("text", "audio", "video"))
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    parser.add_argument("--model", type=Path, default=Path("models/text-zh-bert"))
    parser.add_argument("--runs", type=Path, default=Path("runs/speech"))
    parser.add_argument(
        "--name", default="speech-crnn", help="of the runs of the folds"
    )
    parser.add_argument(
        "--scores", type=Path, default=Path("runs/face/fer2013-scores.npz")
    )
    parser.add_argument("--out", type=Path, default=Path("runs/fusion"))
    arguments = parser.parse_args()
    if arguments.modality == "text":
        table = text_table(arguments.data, arguments.model)
    elif arguments.modality == "audio":
        table = audio_table(arguments.data, arguments.runs, arguments.name)
    else:
        table = video_table(arguments.scores)
    table.save(arguments.out / f"{arguments.modality}.npz")
    right = (table.scores.argmax(1) == table.label).mean()
    print(f"{arguments.modality}: {len(table.label)} rows, accuracy {right:.3f}")


if __name__ == "__main__":
    main()
