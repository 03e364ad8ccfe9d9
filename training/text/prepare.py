"""From a recipe to encoded rows: load, front end, duplicates out, tokenizer, ids."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from training.text import frontend
from training.text.corpora import CORPORA, Row, allowed_classes, load_split
from training.text.dataset import Encoded
from training.text.dedup import without_duplicates
from training.text.recipe import Recipe
from training.text.tokenizer import Built, encode, joint, pruned

RUNS = Path(os.environ.get("EMOTION_RUNS", frontend.ROOT / "runs"))


@dataclass
class Prepared:
    """What a run needs of the data; `evaluation` maps `<corpus>/<split>` to its rows."""

    train: list[Encoded]
    evaluation: dict[str, list[Encoded]]
    tokenizer: Tokenizer
    dropped: int


def base_folder(name: str) -> Path:
    """A pre-trained encoder's folder: a path, or a name under `EMOTION_BASE`."""
    path = Path(name)
    if not path.exists():
        path = Path(os.environ.get("EMOTION_BASE", "base")) / name
    if not (path / "model.safetensors").exists():
        raise FileNotFoundError(
            f"{path}/model.safetensors is missing: set EMOTION_BASE as training/README.md says"
        )
    return path


def load_rows(data: Path, names: list[str], split: str, segmentation: str) -> list[Row]:
    """Rows of several corpora with `normalised` filled in by the front end.

    One front-end call a file, so that its cache is shared by all recipes.
    """
    rows = []
    for name in names:
        part = load_split(data, name, split)
        texts = frontend.normalise(
            [(r.text, r.language) for r in part],
            segmentation,
            RUNS / "features",
        )
        for row, text in zip(part, texts, strict=True):
            row.normalised = text
        rows += [r for r in part if r.normalised]
    return rows


def load_transfer(name: str, segmentation: str) -> list[Row]:
    """The texts that `transfer.py` made, without labels (`target` all zero)."""
    with (RUNS / name / "rows.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    rows = [
        Row(
            id=f"{name}/{i}",
            corpus=name,
            language=record["language"],
            text=record["text"],
            target=np.zeros(7, dtype=np.float32),
            allowed=allowed_classes(CORPORA[record["corpus"]]),
            single=False,
        )
        for i, record in enumerate(records)
    ]
    texts = frontend.normalise(
        [(r.text, r.language) for r in rows], segmentation, RUNS / "features"
    )
    for row, text in zip(rows, texts, strict=True):
        row.normalised = text
    return rows


def all_evaluation_rows(data: Path, segmentation: str) -> list[Row]:
    """Every development and test row of every corpus, which training must not contain."""
    names = list(CORPORA)
    return [
        *load_rows(data, names, "dev", segmentation),
        *load_rows(data, names, "test", segmentation),
    ]


def prepare(recipe: Recipe, data: Path, run: Path) -> Prepared:
    """Loads, cleans and encodes; writes `tokenizer.json` and `embedding.npy` into the run once,
    or takes those of the run that `recipe.init` or `recipe.tokenizer_of` names."""
    evaluation = all_evaluation_rows(data, recipe.segmentation)
    loaded = load_rows(data, list(recipe.corpora), "train", recipe.segmentation)
    for name in recipe.transfer:
        loaded += load_transfer(name, recipe.segmentation)
    rows, dropped = without_duplicates(loaded, evaluation)
    if recipe.limit:
        random = np.random.default_rng(recipe.seed)
        rows = [rows[i] for i in random.permutation(len(rows))[: recipe.limit]]
    path = run / "tokenizer.json"
    source = recipe.init or recipe.tokenizer_of
    if source:
        for name in ("tokenizer.json", "embedding.npy"):
            shutil.copyfile(RUNS / source / name, run / name)
    elif not path.exists():
        built = _build(recipe, [r for r in rows if r.target.any()])
        np.save(run / "embedding.npy", built.embedding)
        path.write_text(
            json.dumps(built.tokenizer, ensure_ascii=False, separators=(",", ":"))
            + "\n",
            encoding="utf-8",
        )
    tokenizer = Tokenizer.from_file(str(path))

    def encoded(part: list[Row]) -> list[Encoded]:
        ids = encode(tokenizer, [r.normalised for r in part], recipe.max_tokens)
        return [Encoded(r, i) for r, i in zip(part, ids, strict=True)]

    languages = {CORPORA[name].language for name in recipe.corpora}
    sets: dict[str, list[Row]] = {}
    for row in evaluation:
        if row.language in languages:
            corpus, split, _ = row.id.split("/", 2)
            sets.setdefault(f"{corpus}/{split}", []).append(row)
    return Prepared(
        train=encoded(rows),
        evaluation={name: encoded(part) for name, part in sets.items()},
        tokenizer=tokenizer,
        dropped=dropped,
    )


def _build(recipe: Recipe, rows: list[Row]) -> Built:
    if recipe.tokenizer == "pruned":
        return pruned(base_folder(recipe.base), [r.normalised for r in rows])
    return joint(
        base_folder(recipe.base_zh),
        base_folder(recipe.base),
        [r.normalised for r in rows if r.language == "zh"],
        [r.normalised for r in rows if r.language == "en"],
        width=recipe.model.get("width", 256),
        words=recipe.tokenizer == "joint-words",
        **recipe.vocabulary,
    )
