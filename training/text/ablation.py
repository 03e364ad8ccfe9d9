"""What each step of the kit gives: runs a recipe and variants of it with several seeds, and prints a table.

    python -m training.text.ablation training/text/ablation.yaml

The file names a recipe, seeds, and variants as changes of the recipe's keys. Each run is one of
`train`, kept in runs/ablation-<variant>-<seed>; a run that has ended is not run again. Its score is
that of its last step, so nothing is chosen on the sets that the table shows; a variant is compared
with the unchanged recipe seed by seed, since both then saw the same rows (unless it changes the corpora).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from training.text.prepare import RUNS

FLOOR = "floor"


@dataclass(frozen=True)
class Plan:
    """A recipe's path, the seeds, and each variant's changes; the first variant is the floor."""

    recipe: Path
    seeds: list[int]
    variants: dict[str, dict]


def read_plan(path: Path) -> Plan:
    """Reads an ablation file; its recipe is looked for in `recipes/` beside it.

    Raises KeyError naming a missing key.
    """
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Plan(
        recipe=path.parent / "recipes" / values["recipe"],
        seeds=[int(seed) for seed in values["seeds"]],
        variants={FLOOR: {}} | values["variants"],
    )


def run_name(variant: str, seed: int) -> str:
    """The folder of a run: letters and digits of the variant, and the seed."""
    return f"ablation-{re.sub('[^a-z0-9]+', '-', variant.lower()).strip('-')}-{seed}"


def command(plan: Plan, variant: str, seed: int) -> list[str]:
    """The `train` command of one run."""
    changes = plan.variants[variant] | {"name": run_name(variant, seed), "seed": seed}
    sets = [f"--set={key}={json.dumps(value)}" for key, value in changes.items()]
    return [sys.executable, "-m", "training.text.train", str(plan.recipe), *sets]


def final_scores(run: Path) -> dict[str, float] | None:
    """Macro-F1 a development set at the end of a run; None when it has not ended."""
    log = run / "log.jsonl"
    if not log.exists() or not (run / "ended").exists():
        return None
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    return last["dev"]


def table(scores: dict[str, dict[int, dict[str, float]]]) -> str:
    """A Markdown table of `scores[variant][seed][set]`: the mean over the seeds, and, beside the
    floor, the mean difference and its range over the seeds that both have."""
    floor = scores[FLOOR]
    sets = list(next(iter(floor.values())))
    lines = [
        f"| step | seeds | {' | '.join(sets)} |",
        f"|---|---|{'---|' * len(sets)}",
    ]
    for variant, by_seed in scores.items():
        shared = [seed for seed in by_seed if seed in floor]
        cells = []
        for name in sets:
            mean = np.mean([s[name] for s in by_seed.values()])
            cell = f"{mean:.4f}"
            if variant != FLOOR and shared:
                gaps = [by_seed[s][name] - floor[s][name] for s in shared]
                cell += f" ({np.mean(gaps):+.4f}; {min(gaps):+.4f} … {max(gaps):+.4f})"
            cells.append(cell)
        lines.append(f"| {variant} | {len(by_seed)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--only", help="run the variants whose name holds this")
    parser.add_argument("--seeds", type=int, nargs="+", help="run these seeds alone")
    parser.add_argument("--table", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan)
    for seed in arguments.seeds or plan.seeds:
        for variant in plan.variants:
            run = RUNS / run_name(variant, seed)
            skipped = arguments.only and arguments.only not in variant
            if arguments.table or skipped or (run / "ended").exists():
                continue
            print(f"== {run.name}", flush=True)
            subprocess.run(command(plan, variant, seed), check=True)
            for checkpoint in ("last.pt", "best.pt"):
                (run / checkpoint).unlink(missing_ok=True)
            (run / "ended").touch()
    found = {
        variant: {
            seed: scores
            for seed in plan.seeds
            if (scores := final_scores(RUNS / run_name(variant, seed)))
        }
        for variant in plan.variants
    }
    print(table({variant: by_seed for variant, by_seed in found.items() if by_seed}))


if __name__ == "__main__":
    main()
