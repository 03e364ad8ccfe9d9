"""Puts the measured numbers into the card of `fusion-attention` and the temperatures into the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

COLUMNS = ("attention", "trained for it", "vote", "reliability", "product", "logistic")
CALIBRATED = (
    "attention",
    "vote, no temperature",
    "vote",
    "reliability",
    "product, no temperature",
    "product",
)


def number(value: float) -> str:
    """Three places, without the zero before the point."""
    return f"{value:.3f}".removeprefix("0")


def cell(row: dict[str, Any], column: str, key: str) -> str:
    """A score of a method, or a dash where it was not measured."""
    return number(row[column][key]) if column in row else "–"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def score_tables(result: dict[str, Any]) -> dict[str, str]:
    """The tables of a result of `train.main`, by the name of their place in the card."""
    subsets = result["subsets"]
    macro_f1 = markdown_table(
        ["modalities", *COLUMNS],
        [
            [name, *(cell(row, column, "macroF1") for column in COLUMNS)]
            for name, row in subsets.items()
        ],
    )
    several = {name: row for name, row in subsets.items() if "+" in name}
    ece = markdown_table(
        ["modalities", CALIBRATED[0], "by chance", *CALIBRATED[1:]],
        [
            [
                name,
                cell(row, CALIBRATED[0], "ece"),
                " to ".join(number(value) for value in result["chance"][name]),
                *(cell(row, column, "ece") for column in CALIBRATED[1:]),
            ]
            for name, row in several.items()
        ],
    )
    single = ", ".join(
        f"{name} {number(row['attention']['ece'])} (chance to {number(result['chance'][name][1])})"
        for name, row in subsets.items()
        if name not in several
    )
    whole = subsets["text + audio + video"]
    accuracy = ", ".join(
        f"{column} {cell(whole, column, 'accuracy')}" for column in COLUMNS
    )
    best_single = max(
        row[column]["macroF1"]
        for name, row in subsets.items()
        if name not in several
        for column in ("attention", "vote")
    )
    attention = whole["attention"]["macroF1"]
    lost = [
        row["trained for it"]["macroF1"] - row["attention"]["macroF1"]
        for row in subsets.values()
        if "trained for it" in row
    ]
    dropping = (
        f"- Dropping modalities costs at most {100 * max(lost):.1f} points against a network trained for "
        "what is left."
        if len(lost) == len(subsets)
        else "- Networks trained for single subsets were not all measured for this version."
    )
    summary = "\n".join(
        [
            (
                f"- All three together: {number(attention)}, the best of them alone {number(best_single)} "
                f"({100 * (attention - best_single):+.1f} points), the vote {number(whole['vote']['macroF1'])}, by "
                f"reliability {number(whole['reliability']['macroF1'])}. Always the most frequent label: "
                f"{number(result['majority']['macroF1'])}."
            ),
            dropping,
            (
                f"- Accuracy with all three: {accuracy}; always the most frequent label "
                f"{number(result['majority']['accuracy'])}."
            ),
            f"- ECE of the network where one modality is alone: {single}.",
        ]
    )
    return {"macro-f1": macro_f1, "ece": ece, "summary": summary}


def fill(text: str, parts: dict[str, str]) -> str:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`.

    Raises ValueError when a place is missing.
    """
    for name, part in parts.items():
        place = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, times = place.subn(
            lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", text
        )
        if times != 1:
            raise ValueError(f"expected one place for {name!r}, found {times}")
    return text


def write_card(path: Path, result: dict[str, Any]) -> None:
    """Fills the places of a card."""
    text = path.read_text(encoding="utf-8")
    path.write_text(fill(text, score_tables(result)), encoding="utf-8")


def write_temperatures(path: Path, temperatures: dict[str, list[float]]) -> None:
    """Writes the coefficients of the votes and of the product to `lib/fusion/pool-temperatures.ts`."""
    text = path.read_text(encoding="utf-8")
    for name, coefficients in temperatures.items():
        numbers = ", ".join(f"{c:g}" for c in coefficients)
        text, times = re.subn(
            rf"(\b{name}: )\[[^\]]*\]", lambda m, n=numbers: f"{m[1]}[{n}]", text
        )
        if times != 1:
            raise ValueError(f"{path}: expected one list {name!r}, found {times}")
    path.write_text(text, encoding="utf-8")
