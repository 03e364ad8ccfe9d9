"""Writes what `evaluate.py` measured into a model's `model.yaml`, and prints the tables of its card.

    python -m training.face.publish models/face-cnn-lstm
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import yaml

from .frontend import ROOT

# Set → data set, split, how it was measured.
PROTOCOLS = {
    "fer2013": (
        "FER2013", "test", ("{rows} pictures of the official test part, crops as they are, single network as shipped; "
        "training cleared of duplicates of the evaluation parts, selection and temperature on validation"),
    ),
    "sequences at 30 fps": (
        "CK+ sequences", "held-out subjects", ("19 whole sequences as MP4 at 30 fps → frames → face → crops → "
        "clip → label; five people whom training never saw"),
    ),
    "sequences at 10 fps": (
        "CK+ sequences", "held-out subjects", "the same at 10 fps, so that every frame is looked at",
    ),
    "ck48": (
        "CK+, last three frames", "all 96 subjects", ("807 single pictures, seven answers, no neutral among the "
        "labels; no picture of CK+ reached the weights that a single picture uses"),
    ),
    "motion": ("FER2013, synthesised motion", "validation", "a clip of 16 frames made out of each still"),
}  # fmt: skip


def metrics(results: dict) -> list[dict]:
    """Manifest entries; accuracy on FER2013's test part is the headline."""
    entries = []
    for name, (dataset, split, protocol) in PROTOCOLS.items():
        if name not in results:
            continue
        measured = {"accuracy": "accuracy", "ece": "ECE"} if name == "fer2013" else {"accuracy": "accuracy"}
        for key, title in measured.items():
            entry = {
                "name": title, "value": round(results[name][key], 4),
                "dataset": dataset, "split": split, "protocol": protocol.format(rows=results[name]["rows"]),
            }
            if name == "fer2013" and key == "accuracy":
                entry["headline"] = True
            entries.append(entry)
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model.resolve()
    results = json.loads((ROOT / "runs/face/evaluation" / f"{model.name}.json").read_text())
    path = model / "model.yaml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    manifest["metrics"] = metrics(results)
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False), encoding="utf-8")
    subprocess.run(["npx", "prettier", "--write", str(path)], check=True, cwd=ROOT)
    print("| set | rows | accuracy | unweighted recall | ECE |\n|---|---|---|---|---|")
    for name, r in results.items():
        print(
            f"| {name} | {r['rows']} | {r['accuracy']:.3f} | {r['unweighted_recall']:.3f} | {r['ece']:.3f} |"
        )


if __name__ == "__main__":
    main()
