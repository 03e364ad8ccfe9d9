"""A recipe: one YAML file that says all of one kind of training run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; an unknown key in the YAML is an error.

    `share` is how much of an epoch's rows each corpus gives. `copies` maps the rendered copies to the
    probability that a row is taken from them, the clean one otherwise. `augment` holds the
    strengths of `augment.augmented`. `init` names a recipe whose run of the same fold this one goes on from.
    """

    name: str
    share: dict[str, float]
    copies: dict[str, float]
    augment: dict[str, float]
    model: dict[str, Any] = field(default_factory=dict)
    init: str = ""
    epochs: int = 30
    rows: int = 5000
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    clip: float = 2.0
    smoothing: float = 0.1
    mixup: float = 0.4
    average: float = 0.998
    bf16: bool = True
    seed: int = 1
    threads: int = 1


def read_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Reads a recipe; `changes` (from `--set key=value`) win over the file.

    Raises ValueError naming an unknown key.
    """
    values = {"name": path.stem} | yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in (changes or {}).items():
        outer, _, inner = key.partition(".")
        values[outer] = {**values.get(outer, {}), inner: value} if inner else value
    known = {f.name for f in fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(
            f"{path}: unknown key {', '.join(unknown)}; known: {sorted(known)}"
        )
    return Recipe(**values)
