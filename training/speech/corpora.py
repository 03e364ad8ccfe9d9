"""The four corpora: what was said by whom in which emotion, and who is held out in which fold.

Layout: `DATA/speech/<corpus>/manifest.csv` (path, emotion, speaker, gender, …) beside the sound
files, `DATA/speech/folds.json` with EmoBox's speaker-disjoint folds (Ma et al., Interspeech 2024).
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: The logits of the network. `calm` is RAVDESS's own; a listener of the seven hears it as neutral.
LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "calm")
#: The labels that the four corpora share.
FIVE = ("neutral", "happy", "sad", "angry", "fear")
FOLDS = 6

#: What a corpus can say. EMO-DB's boredom has no counterpart among the labels and is left out.
CLASSES: dict[str, tuple[str, ...]] = {
    "ravdess": LABELS,
    "casia": (*FIVE, "surprise"),
    "nemo": (*FIVE, "surprise"),
    "emodb": (*FIVE, "disgust"),
}
LANGUAGE = {"ravdess": "en", "casia": "zh", "nemo": "pl", "emodb": "de"}
CORPORA = tuple(CLASSES)


@dataclass(frozen=True)
class Utterance:
    """One file. `label` indexes `LABELS`; `fold` (1 to 6) is the run that holds its speaker out, 0 if none."""

    corpus: str
    path: str
    speaker: str
    gender: str
    label: int
    fold: int


def class_mask(corpus: str) -> np.ndarray:
    """Bool `[8]`: the labels that the corpus knows."""
    return np.array([label in CLASSES[corpus] for label in LABELS])


def speaker_folds(speakers: list[str], folds: int) -> dict[str, int]:
    """Speakers in the order of their names, dealt out one by one: name to fold, from 1."""
    return {name: i % folds + 1 for i, name in enumerate(sorted(set(speakers)))}


def read_corpora(data: Path, only: tuple[str, ...] = CORPORA) -> list[Utterance]:
    """All utterances with a label, corpus by corpus in the manifests' order.

    RAVDESS (6 folds) and CASIA (4, one speaker each) follow `folds.json`; the speakers of nEMO and
    EMO-DB are dealt out over six. Raises FileNotFoundError naming the manifest that is missing.
    """
    published = json.loads((data / "speech" / "folds.json").read_text(encoding="utf-8"))
    found: list[Utterance] = []
    for corpus in only:
        manifest = data / "speech" / corpus / "manifest.csv"
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if corpus in published:
            fold_of = {
                speaker: int(name.removeprefix("fold_"))
                for name, speakers in published[corpus].items()
                for speaker in speakers
            }
        else:
            fold_of = speaker_folds([row["speaker"] for row in rows], FOLDS)
        for row in rows:
            if row["emotion"] not in CLASSES[corpus]:
                continue
            found.append(
                Utterance(
                    corpus=corpus,
                    path=f"{corpus}/{row['path']}",
                    speaker=f"{corpus}/{row['speaker']}",
                    gender=row["gender"],
                    label=LABELS.index(row["emotion"]),
                    fold=fold_of[row["speaker"]],
                )
            )
    return found
