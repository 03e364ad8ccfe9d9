"""The ablation runner: what it would run, and its table from finished runs."""

import json
from pathlib import Path

from training.text.ablation import (
    FLOOR,
    Plan,
    command,
    final_scores,
    read_plan,
    run_name,
    table,
)
from training.text.recipe import read_recipe

KIT = Path(__file__).parents[1] / "text"


def test_the_shipped_plan_changes_known_keys_of_its_recipe():
    plan = read_plan(KIT / "ablation.yaml")
    for changes in plan.variants.values():
        read_recipe(plan.recipe, changes)
    names = [run_name(v, s) for v in plan.variants for s in plan.seeds]
    assert len(set(names)) == len(names) >= 20


def test_a_variant_reaches_the_command_as_changes():
    plan = Plan(Path("r.yaml"), [3], {FLOOR: {}, "FGM, half": {"fgm": 0.5}})
    assert command(plan, "FGM, half", 3)[3:] == [
        "r.yaml",
        "--set=fgm=0.5",
        '--set=name="ablation-fgm-half-3"',
        "--set=seed=3",
    ]


def test_only_ended_runs_have_a_score_and_it_is_the_last(tmp_path: Path):
    lines = [json.dumps({"dev": {"a": score}}) for score in (0.9, 0.5)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert final_scores(tmp_path) is None
    (tmp_path / "ended").touch()
    assert final_scores(tmp_path) == {"a": 0.5}


def test_the_table_compares_seed_by_seed():
    found = table(
        {
            FLOOR: {1: {"a": 0.5}, 2: {"a": 0.6}},
            "FGM": {1: {"a": 0.52}, 2: {"a": 0.61}},
            "late": {2: {"a": 0.5}},
        }
    )
    assert "| floor | 2 | 0.5500 |" in found
    assert "| FGM | 2 | 0.5650 (+0.0150; +0.0100 … +0.0200) |" in found
    assert "| late | 1 | 0.5000 (-0.1000; -0.1000 … -0.1000) |" in found
