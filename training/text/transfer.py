"""Texts without labels for distillation, made from the training rows, with a teacher's answers.

    python -m training.text.transfer transfer-zh --teachers text-zh-bert-soup --copies 3

A small student sees too few texts to copy what a pre-trained teacher knows of the language; texts
that nobody has labelled cost only the teacher's time (Tang et al. 2019, arXiv:1903.12136). Each copy
is one of: words left out, a stretch of the text, or the first part of one text and the last part of
another of the same corpus. Writes runs/NAME/rows.jsonl and runs/NAME/teacher.npz; a recipe that
names it in `transfer` mixes the rows in. Copies that equal a development or test text are dropped
like any other training row.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from training.text.build import build_model
from training.text.corpora import CORPORA, Row
from training.text.dataset import Encoded
from training.text.dedup import without_duplicates
from training.text.predict import predict
from training.text.prepare import RUNS, all_evaluation_rows, load_rows, load_transfer
from training.text.recipe import read_recipe
from training.text.tokenizer import encode

#: Share of the words that a copy of the first kind leaves out.
LOST = 0.15


def vary(words: list[str], other: list[str], random: np.random.Generator) -> list[str]:
    """One copy of a text's words; `other` is another text of the same corpus.

    Each of the three kinds is as likely as the others. Never empty unless `words` is.
    """
    kind = random.integers(3)
    if kind == 0:
        kept = [w for w in words if random.random() >= LOST]
    elif kind == 1:
        length = max(1, round(len(words) * random.uniform(0.3, 0.8)))
        start = int(random.integers(len(words) - length + 1))
        kept = words[start : start + length]
    else:
        kept = words[: (len(words) + 1) // 2] + other[len(other) // 2 :]
    return kept or words


def copies(rows: list[Row], count: int, seed: int) -> list[tuple[str, str]]:
    """`count` copies of each row as `(corpus, text)`; `normalised` holds words between blanks."""
    random = np.random.default_rng(seed)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.corpus, []).append(row)
    made: dict[str, str] = {}
    for name, group in groups.items():
        joint = "" if CORPORA[name].language == "zh" else " "
        for row in group * count:
            other = group[int(random.integers(len(group)))]
            words = vary(row.normalised.split(), other.normalised.split(), random)
            made.setdefault(joint.join(words), name)
    return [(name, text) for text, name in made.items()]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--teachers", required=True, help="comma-separated runs")
    parser.add_argument("--corpora", default="smp-usual,smp-virus")
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    run = RUNS / arguments.name
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "rows.jsonl").exists():
        names = arguments.corpora.split(",")
        train = load_rows(arguments.data, names, "train", "words")
        kept, _ = without_duplicates(
            train, all_evaluation_rows(arguments.data, "words")
        )
        partial = run / "rows.partial"
        with partial.open("w", encoding="utf-8") as out:
            for corpus, text in copies(kept, arguments.copies, arguments.seed):
                language = CORPORA[corpus].language
                record = {"corpus": corpus, "language": language, "text": text}
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
        partial.rename(run / "rows.jsonl")
    answers = []
    for name in arguments.teachers.split(","):
        recipe = read_recipe(RUNS / name / "recipe.yaml", {"init": ""})
        torch.set_num_threads(recipe.threads)
        rows = load_transfer(arguments.name, recipe.segmentation)
        model = build_model(recipe, RUNS / name)
        model.load_state_dict(torch.load(RUNS / name / "best.pt", weights_only=True))
        tokenizer = Tokenizer.from_file(str(RUNS / name / "tokenizer.json"))
        ids = encode(tokenizer, [r.normalised for r in rows], recipe.max_tokens)
        encoded = [Encoded(r, i) for r, i in zip(rows, ids, strict=True)]
        answers.append(predict(model, encoded))
        print(f"{name}: {len(encoded)} rows", flush=True)
    np.savez(
        run / "teacher.npz",
        ids=np.array([r.id for r in rows]),
        logits=np.mean(answers, axis=0),
    )


if __name__ == "__main__":
    main()
