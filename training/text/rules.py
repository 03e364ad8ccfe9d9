"""What each lexicon rule does to a model on labelled sets: labels put right, labels spoilt.

    python -m training.text.rules models/text-bilstm smp-usual/dev smp-usual/test

Rows with one label, through the library that the nodes run, each rule alone at its usual weight
(`DEFAULT_RULES` in lib/text/rules.ts; one that is off there never shows). A rule that spoils more than
it puts right on a model's sets is switched off in that model's `model.yaml`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from training.text.evaluate import LabelledSet, answers, corpus_set
from training.text.labels import EMOTIONS, INDEX
from training.text.metrics import report


def effects(labelled: LabelledSet, records: list[dict]) -> dict[str, dict[str, float]]:
    """By rule: rows `changed`, labels put `right`, labels `spoilt`, change of `macroF1`.

    `records` are predict.mjs' answers with `ruled`, in the rows' order.
    """
    gold = labelled.target.argmax(1)
    allowed = [e not in labelled.absent for e in EMOTIONS]

    def matrix(scores: list[dict]) -> np.ndarray:
        out = np.zeros((len(scores), len(EMOTIONS)))
        for row, one in zip(out, scores, strict=True):
            for emotion, score in one.items():
                row[INDEX[emotion]] = score
        return np.where(allowed, out, 0)

    before = matrix([r["scores"] for r in records])
    hit = before.argmax(1) == gold
    found = {}
    for rule in sorted({rule for r in records for rule in r["ruled"]}):
        after = matrix([r["ruled"].get(rule, r["scores"]) for r in records])
        now = after.argmax(1) == gold
        found[rule] = {
            "changed": int(sum(rule in r["ruled"] for r in records)),
            "right": int((now & ~hit).sum()),
            "spoilt": int((hit & ~now).sum()),
            "macroF1": report(after, gold)["macroF1"] - report(before, gold)["macroF1"],
        }
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("sets", nargs="+", metavar="CORPUS/SPLIT")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    for name in arguments.sets:
        labelled = corpus_set(arguments.data, name).single()
        lines = answers(
            arguments.model, labelled.texts, labelled.language, ["--each-rule"]
        )
        records = [json.loads(line) for line in lines]
        records.sort(key=lambda r: r["id"])
        for rule, e in effects(labelled, records).items():
            print(
                f"{name} {rule}: {e['changed']} rows changed, {e['right']} put right, "
                f"{e['spoilt']} spoilt, macro-F1 {e['macroF1']:+.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
