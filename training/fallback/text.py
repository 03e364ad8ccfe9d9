"""Trains `fallback-text` and writes its model folder.

    python -m training.fallback.text training/fallback/recipes/fallback-text.yaml
    python -m training.fallback.text --evaluate models/fallback-text smp-usual/test goemotions/test

Both read the corpora of `EMOTION_DATA` (or `--data`), as `training/text` does. The second runs the
model as shipped, through the suite's own code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

from training.fallback.logistic import Quantised, class_shares, fit, quantise
from training.fallback.ngrams import hashed
from training.text.calibrate import SavedSet, fit_temperature
from training.text.corpora import CORPORA, Row
from training.text.dedup import without_duplicates
from training.text.evaluate import corpus_set
from training.text.frontend import ROOT
from training.text.labels import EMOTIONS
from training.text.metrics import report
from training.text.prepare import RUNS, all_evaluation_rows, load_rows
from training.text.publish import TITLES

PREDICT = Path(__file__).with_name("predict.mjs")
CACHE = RUNS / "features"


def training_rows(recipe: dict, data: Path) -> tuple[list[Row], list[Row], int]:
    """Rows with one label of the recipe's corpora that stand in no evaluation set of any corpus, the
    evaluation rows with one label, and how many training rows were dropped as duplicates."""
    evaluation = all_evaluation_rows(data, "characters")
    loaded = load_rows(data, list(recipe["corpora"]), "train", "characters")
    rows, dropped = without_duplicates([r for r in loaded if r.single], evaluation)
    return rows, [r for r in evaluation if r.single], dropped


def train(recipe: dict, rows: list[Row]) -> Quantised:
    """Fits on the rows as written: the n-grams have a normalisation of their own."""
    gold = np.array([r.target.argmax() for r in rows])
    corpus = np.array([r.corpus for r in rows])
    share = np.zeros(len(rows))
    for name, weight in recipe["corpora"].items():
        mine = corpus == name
        power = recipe["balance"].get(name, recipe["balance"]["default"])
        share[mine] = weight * class_shares(gold[mine], len(EMOTIONS), power)
    features = hashed([r.text for r in rows], recipe["blocks"], CACHE)
    allowed = np.stack([r.allowed for r in rows])
    return quantise(fit(features, gold, allowed, share, recipe["strength"]))


def temperatures(
    recipe: dict, model: Quantised, evaluation: list[Row]
) -> dict[str, float]:
    """One temperature a language, fitted on development sets."""
    found = {}
    for language, names in recipe["calibrate"].items():
        sets = []
        for name in names:
            rows = [r for r in evaluation if r.id.startswith(f"{name}/")]
            features = hashed([r.text for r in rows], recipe["blocks"], CACHE)
            gold = np.array([r.target.argmax() for r in rows])
            sets.append(
                SavedSet(
                    name,
                    model.logits(features),
                    gold,
                    np.stack([r.allowed for r in rows]),
                )
            )
        found[language] = fit_temperature(sets)
    return found


def write(
    folder: Path, recipe: dict, model: Quantised, temperature: dict[str, float]
) -> None:
    """`model.safetensors` as lib/resilience/logistic-regression.ts reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    specification = {
        "schema": 1,
        "id": recipe["name"],
        "modality": "text",
        "labels": list(EMOTIONS),
        "input": {"kind": "ngrams", "blocks": recipe["blocks"]},
        "temperature": temperature,
    }
    save_file(
        {"weight": model.weight, "scale": model.scale, "bias": model.bias},
        folder / "model.safetensors",
        metadata={"emotion": json.dumps(specification)},
    )
    write_manifest(folder, recipe["name"], [])


def write_manifest(folder: Path, name: str, metrics: list[dict]) -> None:
    path = folder / "model.safetensors"
    manifest = {
        "schema": 1,
        "id": name,
        "version": "1.0.0",
        "title": {
            "en": "Fallback for texts, Chinese and English",
            "zh": "文本后备模型（中英）",
        },
        "modality": "text",
        "architecture": "logistic-regression",
        "languages": ["zh", "en"],
        "labels": list(EMOTIONS),
        "weights": {
            "path": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        },
        "licence": {
            "weights": "research and non-commercial use only",
            "data": "SMP2020-EWECT, EmotionTalk (CC BY-NC-SA 4.0), OCEMOTION, GoEmotions (Apache-2.0), MELD, ISEAR",
        },
        "metrics": metrics,
    }
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    (folder / "model.yaml").write_text(text, encoding="utf-8")
    subprocess.run(
        [
            "npx",
            "prettier",
            "--log-level",
            "warn",
            "--write",
            str(folder / "model.yaml"),
        ],
        check=True,
        cwd=ROOT,
    )


def predict(folder: Path, texts: list[str], language: str) -> tuple[np.ndarray, float]:
    """Calibrated probabilities `[rows, 7]` from the suite's own code, and milliseconds a text."""
    lines = "".join(json.dumps({"text": t, "language": language}) + "\n" for t in texts)
    done = subprocess.run(
        ["node", str(PREDICT), str(folder)],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"predict.mjs failed: {done.stderr[-2000:]}")
    out = np.zeros((len(texts), len(EMOTIONS)))
    *answers, timing = done.stdout.splitlines()
    for row, answer in enumerate(answers):
        for emotion, score in (json.loads(answer) or {}).items():
            out[row, EMOTIONS.index(emotion)] = score
    return out, float(json.loads(timing)["msPerText"])


def evaluate(folder: Path, data: Path, names: list[str]) -> list[dict]:
    """Prints and returns the metrics of sets `<corpus>/<split>`; rows with one label, classes that
    the corpus does not know left out. The first one's macro-F1 is the headline."""
    metrics = []
    for name in names:
        labelled = corpus_set(data, name)
        single = (labelled.target > 0).sum(1) == 1
        texts = [t for t, one in zip(labelled.texts, single, strict=True) if one]
        gold = labelled.target[single].argmax(1)
        raw, ms = predict(folder, texts, labelled.language or "zh")
        allowed = np.array([e not in labelled.absent for e in EMOTIONS])
        masked = np.where(allowed, raw, 0)
        scores = report(
            masked / np.clip(masked.sum(1, keepdims=True), 1e-12, None), gold
        )
        print(
            f"{name}: {scores['rows']} rows, macro-F1 {scores['macroF1']:.4f}, weighted-F1 "
            f"{scores['weightedF1']:.4f}, accuracy {scores['accuracy']:.4f}, ECE {scores['ece']:.4f}, "
            f"{ms:.3f} ms a text",
            flush=True,
        )
        corpus, _, split = name.partition("/")
        protocol = (
            f"rows with one label ({scores['rows']}), {allowed.sum()} classes, as shipped; duplicates "
            "removed from training"
        )
        for key, title in (
            ("macroF1", "macro-F1"),
            ("weightedF1", "weighted-F1"),
            ("ece", "ECE"),
        ):
            metrics.append(
                {
                    "name": title,
                    "value": round(scores[key], 4),
                    "dataset": TITLES[corpus],
                    "split": split,
                    "protocol": protocol,
                }
            )
    metrics[0]["headline"] = True
    return metrics


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", type=Path)
    parser.add_argument("--evaluate", nargs="+", metavar=("MODEL", "CORPUS/SPLIT"))
    parser.add_argument("--out", type=Path, default=ROOT / "models")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    if arguments.evaluate:
        folder, *names = arguments.evaluate
        unknown = [n for n in names if n.partition("/")[0] not in CORPORA]
        if unknown or not names:
            parser.error(f"sets are <corpus>/<split> of {', '.join(CORPORA)}")
        metrics = evaluate(Path(folder), arguments.data, names)
        write_manifest(Path(folder), Path(folder).name, metrics)
        return
    if arguments.recipe is None:
        parser.error("a recipe, or --evaluate")
    recipe = yaml.safe_load(arguments.recipe.read_text(encoding="utf-8"))
    rows, evaluation, dropped = training_rows(recipe, arguments.data)
    print(f"{len(rows)} rows, {dropped} dropped as duplicates", flush=True)
    model = train(recipe, rows)
    temperature = temperatures(recipe, model, evaluation)
    print(f"temperatures {temperature}", flush=True)
    write(arguments.out / recipe["name"], recipe, model, temperature)


if __name__ == "__main__":
    main()
