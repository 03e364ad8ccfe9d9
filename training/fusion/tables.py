"""Held-out outputs of the shipped models of single modalities: what they said, and what was right.

A table is an `.npz` file with `label` int `[n]` (index into the seven), `scores` float `[n, 7]`
(calibrated, sum 1), `known` bool `[n, 7]` (labels that the model has), `group` str `[n]`: corpus or
part, a slash, and what must not be on both sides of a split, and `made_of`: digests of the files that
gave the outputs. A digest of those is in the file's name, so that the outputs of every version of a
model stay at hand. The groups are dialogues of text, speakers of sound and single pictures.

    python -m training.fusion.tables --tables runs/fusion --speech-runs runs/speech
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from training.text.corpora import corpora_path, read_jsonl
from training.text.frontend import ROOT
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
    made_of: str = ""

    def rows(self, chosen: np.ndarray) -> Table:
        return Table(
            self.label[chosen],
            self.scores[chosen],
            self.known[chosen],
            self.group[chosen],
            self.made_of,
        )

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **vars(self))


def table_path(folder: Path, modality: str, made_of: str) -> Path:
    """Where the outputs of one version of a modality's model are kept."""
    return (
        folder / f"{modality}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.npz"
    )


def load(path: Path) -> Table:
    """Raises FileNotFoundError with the command that makes the table."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: python -m training.fusion.tables --tables {path.parent}"
        )
    with np.load(path, allow_pickle=False) as stored:
        arrays = [stored[name] for name in ("label", "scores", "known", "group")]
        return Table(*arrays, made_of=str(stored["made_of"]))


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

    label, scores, group = [], [], []
    for part in HELD_OUT:
        found = emotiontalk(data, part)
        scores.append(predict(model, found.text, "zh", None))
        label.append(found.labels["text"])
        group += [f"{part}/{dialogue(i)}" for i in found.id]
    return whole(np.concatenate(label), np.concatenate(scores), group)


@dataclass(frozen=True)
class SpeechRuns:
    """The runs of folds of the recipes that a package of `training/speech` was made of."""

    folder: Path
    recipes: tuple[str, ...]

    @staticmethod
    def of(package: Path, folder: Path) -> SpeechRuns:
        """Read from the package's recipe."""
        stated = yaml.safe_load(package.read_text(encoding="utf-8"))
        runs = [*stated["runs"], stated["reader"]]
        return SpeechRuns(folder, tuple(run.split("-fold")[0] for run in runs))

    def outputs(self) -> list[list[Path]]:
        """Runs of each fold, its members together."""
        by_fold: dict[str, list[Path]] = {}
        for recipe in self.recipes:
            runs = sorted(self.folder.glob(f"{recipe}-fold[1-9]-seed1/test.npz"))
            if not runs:
                raise FileNotFoundError(f"no {recipe}-fold*/test.npz in {self.folder}")
            for found in runs:
                fold = found.parent.name.removeprefix(recipe)
                by_fold.setdefault(fold, []).append(found.parent)
        return list(by_fold.values())


def audio_table(data: Path, runs: SpeechRuns) -> Table:
    """What of the speech model has not heard the speaker: the networks of the fold that held the
    speaker out, put together as the shipped file puts its members together. Temperature fitted on the
    other folds; RAVDESS's calm counts as neutral."""
    from training.speech import evaluate as speech
    from training.speech.corpora import LABELS, class_mask, read_corpora

    utterances = read_corpora(data)
    found = speech.collect(runs.outputs(), utterances)
    gold = np.array([u.label for u in found.utterances])
    folds = np.array([u.fold for u in found.utterances])
    allowed = np.stack([class_mask(u.corpus) for u in found.utterances])
    logits = found.logits["clean"]
    scores = np.zeros((len(gold), len(EMOTIONS)))
    for fold in np.unique(folds):
        test = folds == fold
        rest = ~test if (~test).any() else test
        alike = np.ones(int(rest.sum()))
        t = speech.fit_temperature(logits[rest], gold[rest], allowed[rest], alike)
        everything = np.ones_like(allowed[test])
        heard = speech.utterance_probabilities(logits[test], everything, t)
        scores[test] = speech.seven(heard)[:, : len(EMOTIONS)]
    label = np.where(gold == LABELS.index("calm"), LABELS.index("neutral"), gold)
    return whole(label, scores, [f"{u.corpus}/{u.speaker}" for u in found.utterances])


def video_table(data: Path, model: Path) -> Table:
    """The face model on single pictures: the validation and test parts of FER2013."""
    from training.face import fer2013
    from training.face.evaluate import stills

    label, scores, group = [], [], []
    for part in ("validation", "test"):
        rows = fer2013.read_zip(data / "face/fer2013" / f"{part}.zip")
        scores.append(stills(model, rows.images, None))
        label.append(rows.labels)
        group += [f"{part}/{i}" for i in range(len(rows.labels))]
    return whole(np.concatenate(label), np.concatenate(scores), group)


def whole(label: np.ndarray, scores: np.ndarray, group: list[str]) -> Table:
    """A table of a model that knows all labels; rows without an answer are left out."""
    known = np.ones_like(scores, dtype=bool)
    table = Table(label, scores, known, np.array(group))
    return table.rows(scores.sum(1) > 0)


def digest(files: list[Path]) -> str:
    """SHA-256 of the contents of files in their order."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def digest_of_model(model: Path) -> str:
    """Of what decides a model's answers: the file that is run by default, and how it is read."""
    manifest = yaml.safe_load((model / "model.yaml").read_text(encoding="utf-8"))
    files = manifest["files"]
    read = {
        k: v for k, v in manifest.items() if k not in ("metrics", "title", "version")
    }
    stated = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
    return f"{digest([model / files[files['default']]['path']])} {stated}"


@dataclass(frozen=True)
class Sources:
    """Where the outputs come from."""

    data: Path
    text: Path
    video: Path
    speech: SpeechRuns

    @staticmethod
    def of(arguments: argparse.Namespace) -> Sources:
        """As :func:`add_arguments` names them."""
        speech = SpeechRuns.of(arguments.speech_package, arguments.speech_runs)
        return Sources(
            arguments.data, arguments.text_model, arguments.video_model, speech
        )


def tables(sources: Sources, folder: Path) -> dict[str, Table]:
    """The tables of all modalities; those that were not made of these very files before are made."""
    outputs = [r / "test.npz" for fold in sources.speech.outputs() for r in fold]
    made_of = {
        "text": digest_of_model(sources.text),
        "audio": digest(outputs),
        "video": digest_of_model(sources.video),
    }
    makers = {
        "text": lambda: text_table(sources.data, sources.text),
        "audio": lambda: audio_table(sources.data, sources.speech),
        "video": lambda: video_table(sources.data, sources.video),
    }
    found = {}
    for modality, make in makers.items():
        path = table_path(folder, modality, made_of[modality])
        if not path.exists():
            dataclasses.replace(make(), made_of=made_of[modality]).save(path)
        kept = load(path)
        right = (kept.scores.argmax(1) == kept.label).mean()
        print(f"{modality}: {len(kept.label)} rows, accuracy {right:.3f}", flush=True)
        found[modality] = kept
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where things lie."""
    data = Path(os.environ.get("EMOTION_DATA", "data"))
    package = ROOT / "training/speech/packages/speech-crnn.yaml"
    for name, default in (
        ("--data", data),
        ("--tables", Path("runs/fusion")),
        ("--text-model", Path("models/text-zh-bert")),
        ("--video-model", Path("models/face-cnn-lstm")),
        ("--speech-runs", Path("runs/speech")),
        ("--speech-package", package),
    ):
        parser.add_argument(name, type=Path, default=default)
    parser.add_argument("--out", type=Path, default=Path("models/fusion-attention"))
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    arguments = parser.parse_args()
    tables(Sources.of(arguments), arguments.tables)


if __name__ == "__main__":
    main()
