"""A recipe: one YAML file that says all of one kind of training run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; an unknown key in the YAML is an error.

    `share` is how much of the rows each corpus gives; its classes count alike. `copies` maps the
    rendered copies to the probability that a row is taken from them, the clean one otherwise.
    Decibels: `gain`, `tilt`. `gap` is the longest mask in frames, `missing` the share of masked
    features, `jitter` the noise on standardised statistics. `heads` weigh the losses of the three
    heads, `average` is how much of the moving average of the weights stays at each step.
    """

    name: str
    share: dict[str, float]
    copies: dict[str, float]
    model: dict[str, Any] = field(default_factory=dict)
    steps: int = 3000
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.02
    warmup: float = 0.05
    clip: float = 2.0
    smoothing: float = 0.05
    mixup: float = 0.4
    average: float = 0.998
    stretch: float = 0.1
    warp: float = 0.1
    gain: float = 3.0
    tilt: float = 1.0
    gap: int = 12
    missing: float = 0.1
    jitter: float = 0.15
    heads: tuple[float, float, float] = (0.5, 0.5, 1.0)
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
    if "heads" in values:
        values["heads"] = tuple(values["heads"])
    return Recipe(**values)
