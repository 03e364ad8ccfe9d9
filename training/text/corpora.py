"""Corpora as labelled rows: where they lie, which classes they know, how labels become targets.

Nothing of a corpus is kept in the repository; `EMOTION_DATA` (or `--data`) names the folder that
holds `text/<corpus>/*.jsonl.gz`, laid out as `training/README.md` describes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.text.labels import ALIASES, EMOTIONS, GOEMOTIONS, INDEX


@dataclass(frozen=True)
class Corpus:
    """One source of labelled texts.

    `absent` are the emotions that its annotators could not give: they are masked in the loss and
    left out of the argmax when the corpus is evaluated. `drop` are labels without a place among
    the seven; rows that carry one are left out.
    """

    name: str
    language: str
    files: dict[str, str]
    absent: tuple[str, ...] = ()
    drop: frozenset[str] = frozenset()


@dataclass
class Row:
    """A text with its target.

    `target` is a distribution over the seven, float32 `[7]`; `allowed` says which classes the
    corpus knows, bool `[7]`; `fine` is a distribution over the 28 GoEmotions categories, or None.
    """

    id: str
    corpus: str
    language: str
    text: str
    target: np.ndarray
    allowed: np.ndarray
    single: bool
    labels: tuple[str, ...] = ()
    fine: np.ndarray | None = None
    duplicate: bool = False
    normalised: str = ""
    teacher: np.ndarray | None = field(default=None, repr=False)


LIKE = frozenset({"like"})

CORPORA: dict[str, Corpus] = {
    c.name: c
    for c in (
        Corpus(
            "smp-usual",
            "zh",
            {
                "train": "smp2020_ewect/usual_train",
                "dev": "smp2020_ewect/usual_eval",
                "test": "smp2020_ewect/usual_test",
            },
            absent=("disgust",),
        ),
        Corpus(
            "smp-virus",
            "zh",
            {
                "train": "smp2020_ewect/virus_train",
                "dev": "smp2020_ewect/virus_eval",
                "test": "smp2020_ewect/virus_test",
            },
            absent=("disgust",),
        ),
        Corpus(
            "emotiontalk",
            "zh",
            {
                "train": "emotiontalk/train",
                "dev": "emotiontalk/val",
                "test": "emotiontalk/test",
            },
        ),
        Corpus(
            "ocemotion",
            "zh",
            {
                "train": "ocemotion/train",
                "dev": "ocemotion/valid",
                "test": "ocemotion/test",
            },
            absent=("neutral",),
            drop=LIKE,
        ),
        Corpus(
            "nlpcc2014",
            "zh",
            {"train": "nlpcc2014_emotion/train_sentence_plus_none"},
            drop=LIKE,
        ),
        Corpus(
            "xdailydialog-zh",
            "zh",
            {
                "train": "xdailydialog/zh_1kpart",
                "dev": "xdailydialog/zh_dev",
                "test": "xdailydialog/zh_test",
            },
        ),
        Corpus(
            "brighter-zh",
            "zh",
            {"train": "brighter/chn_train", "dev": "brighter/chn_dev"},
        ),
        Corpus(
            "goemotions",
            "en",
            {
                "train": "goemotions/ekman_train",
                "dev": "goemotions/ekman_dev",
                "test": "goemotions/ekman_test",
            },
        ),
        Corpus(
            "meld",
            "en",
            {"train": "meld/train", "dev": "meld/dev", "test": "meld/test"},
        ),
        Corpus(
            "isear",
            "en",
            {"train": "isear/all"},
            absent=("neutral", "surprise"),
            drop=frozenset({"shame", "guilt"}),
        ),
        Corpus(
            "xed-en",
            "en",
            {"train": "xed/en_annotated"},
            absent=("neutral",),
            drop=frozenset({"anticipation", "trust"}),
        ),
        Corpus("xed-en-neutral", "en", {"train": "xed/en_neutral"}),
        Corpus(
            "xdailydialog-en",
            "en",
            {
                "train": "xdailydialog/en_1kpart",
                "dev": "xdailydialog/en_dev",
                "test": "xdailydialog/en_test",
            },
        ),
        Corpus(
            "brighter-en",
            "en",
            {"train": "brighter/eng_train", "dev": "brighter/eng_dev"},
            absent=("disgust",),
        ),
    )
}


def corpora_path(data: Path, stem: str) -> Path:
    """The file of a corpus under the data folder; `.jsonl.gz` or `.jsonl`."""
    for suffix in (".jsonl.gz", ".jsonl"):
        path = data / "text" / f"{stem}{suffix}"
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{data / 'text' / stem}.jsonl.gz is missing: set EMOTION_DATA to the folder that "
        "training/README.md describes"
    )


def read_jsonl(path: Path) -> Iterator[dict]:
    """The objects of a JSON-lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def allowed_classes(corpus: Corpus) -> np.ndarray:
    """Which of the seven a corpus can give, bool `[7]`."""
    return np.array([e not in corpus.absent for e in EMOTIONS], dtype=bool)


def soft_target(record: dict) -> np.ndarray | None:
    """The distribution over the seven that a record's labels stand for, float32 `[7]`.

    One label is a one-hot row. Several labels share the mass equally, or by their annotated
    intensity where the corpus has one. None where no label maps onto the seven.
    """
    target = np.zeros(len(EMOTIONS), dtype=np.float32)
    intensity = record.get("intensity") or {}
    names = record.get("labels") or [record.get("label")]
    for name in names:
        emotion = ALIASES.get(name or "")
        if emotion is not None:
            target[INDEX[emotion]] += float(intensity.get(name) or 1)
    total = target.sum()
    return target / total if total > 0 else None


def load_split(data: Path, name: str, split: str) -> list[Row]:
    """The rows of one split of one corpus, those without a usable label left out."""
    corpus = CORPORA[name]
    stem = corpus.files.get(split)
    if stem is None:
        return []
    fine = (
        _fine_targets(data, stem) if name == "goemotions" and split == "train" else {}
    )
    allowed = allowed_classes(corpus)
    rows = []
    for record in read_jsonl(corpora_path(data, stem)):
        names = tuple(record.get("labels") or [record.get("label")])
        if corpus.drop.intersection(names) or not record["text"].strip():
            continue
        target = soft_target(record)
        if target is None or (target > 0)[~allowed].any():
            continue
        rows.append(
            Row(
                id=f"{name}/{split}/{record['id']}",
                corpus=name,
                language=corpus.language,
                text=record["text"],
                target=target,
                allowed=allowed,
                single=int((target > 0).sum()) == 1,
                labels=names,
                fine=fine.get(record["id"]),
                duplicate=bool(record.get("dup_in_eval")),
            )
        )
    return rows


def _fine_targets(data: Path, stem: str) -> dict[str, np.ndarray]:
    index = {name: i for i, name in enumerate(GOEMOTIONS)}
    targets = {}
    for record in read_jsonl(corpora_path(data, stem.replace("ekman_", "original_"))):
        row = np.zeros(len(GOEMOTIONS), dtype=np.float32)
        for name in record["labels"]:
            row[index[name]] = 1.0
        targets[record["id"]] = row / row.sum()
    return targets
