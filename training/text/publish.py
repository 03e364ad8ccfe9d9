"""Writes the metrics that `evaluate.py` measured into a model's `model.yaml`, and prints the table
of its card: python -m training.text.publish models/text-bilstm --headline smp-usual/test
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import yaml

from training.text.corpora import CORPORA
from training.text.frontend import ROOT
from training.text.labels import EMOTIONS

TITLES = {
    "smp-usual": "SMP2020-EWECT usual",
    "smp-virus": "SMP2020-EWECT virus",
    "emotiontalk": "EmotionTalk, text labels",
    "ocemotion": "OCEMOTION, without like",
    "xdailydialog-zh": "XDailyDialog Chinese",
    "goemotions": "GoEmotions Ekman",
    "meld": "MELD",
    "xdailydialog-en": "XDailyDialog English",
    "brighter-zh": "BRIGHTER Chinese",
    "brighter-en": "BRIGHTER English",
    "isear": "ISEAR",
}


def metric_entries(folder: Path, headline: str) -> list[dict]:
    """Manifest metrics of every evaluated set, the headline's macro-F1 first."""
    entries = []
    for path in sorted(folder.glob("*.json")):
        scores = json.loads(path.read_text())
        corpus, _, split = scores["set"].partition("/")
        if corpus not in CORPORA or split == "dev":
            continue
        classes = len(EMOTIONS) - len(CORPORA[corpus].absent)
        protocol = (
            f"{'official test' if split == 'test' else 'never trained on,'} rows with one label "
            f"({scores['rows']}), {classes} classes, whole text, no rules, as shipped; duplicates "
            "removed from training"
        )
        names = {"macroF1": "macro-F1", "weightedF1": "weighted-F1", "ece": "ECE"}
        for key, name in names.items():
            entry = {
                "name": name,
                "value": round(scores[key], 4),
                "dataset": TITLES[corpus],
                "split": split,
                "protocol": protocol,
            }
            if scores["set"] == headline and key == "macroF1":
                entry["headline"] = True
            entries.append(entry)
    return sorted(entries, key=lambda e: not e.get("headline", False))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--headline", required=True, metavar="CORPUS/SPLIT")
    arguments = parser.parse_args()
    folder = ROOT / "runs" / "evaluation" / arguments.model.name
    path = arguments.model / "model.yaml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    manifest["metrics"] = metric_entries(folder, arguments.headline)
    path.write_text(
        yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100),
        encoding="utf-8",
    )
    subprocess.run(["npx", "prettier", "--write", str(path)], check=True, cwd=ROOT)
    scores = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    print(score_table(scores))
    print(coverage_table(scores))


def score_table(scores: list[dict]) -> str:
    """The card's table of scores, one line a set, from `evaluate.py`'s files."""
    lines = [
        (
            "| set | rows | macro-F1 | weighted-F1 | accuracy | ECE | ECE by chance | "
            "macro-F1, open | ECE, open |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for s in scores:
        whole = [f"{s[k]:.3f}" if k in s else "—" for k in ("macroF1Open", "eceOpen")]
        lines.append(
            f"| {s['set']} | {s['rows']:,} | {s['macroF1']:.3f} | {s['weightedF1']:.3f} | "
            f"{s['accuracy']:.3f} | {s['ece']:.3f} | {s['eceNoise']:.3f} ({s['eceNoise95']:.3f}) | "
            f"{whole[0]} | {whole[1]} |"
        )
    return "\n".join(lines)


def coverage_table(scores: list[dict]) -> str:
    """The card's coverage-accuracy table: accuracy and the threshold that leaves this share answered."""
    shares = [c["coverage"] for c in scores[0]["coverage"]]
    lines = [
        f"| answered | {' | '.join(f'{100 * c:.0f} %' for c in shares)} |",
        "|---" * (len(shares) + 1) + "|",
    ]
    for s in scores:
        cells = [f"{c['accuracy']:.3f} ({c['threshold']:.2f})" for c in s["coverage"]]
        lines.append(f"| {s['set']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
