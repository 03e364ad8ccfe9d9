"""Makes a model folder of a finished run: python -m training.text.export PACKAGE.yaml [OUT]

The package file names the run and what the manifest says of it. Writes model.int8.onnx,
tokenizer.json and model.yaml, fits the temperatures on the exported graph's own development
logits, and checks graph against PyTorch, padded against unpadded, INT8 against fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import yaml

from training.text.build import build_model
from training.text.calibrate import (
    SavedSet,
    TemperatureHead,
    as_in_training,
    choose_balance,
    fit_head,
    fit_kinds,
    fit_temperature,
)
from training.text.dataset import Encoded, collate, evaluation_batches
from training.text.export_bilstm import export_bilstm
from training.text.export_encoder import export_encoder
from training.text.frontend import ROOT
from training.text.labels import EMOTIONS
from training.text.metrics import masked_probabilities, report
from training.text.prepare import RUNS, Prepared, prepare
from training.text.recipe import read_recipe
from training.text.smooth import input_ranges

EXPORT = {"bilstm": export_bilstm, "encoder": export_encoder}

#: Training rows whose states tell how large the inputs of the INT8 products get.
RANGE_ROWS = 512
#: Weights of the temperature head's balance that cross-validation chooses from.
BALANCES = (0.0, 1.0, 10.0)


def session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


def run_graph(
    graph: onnxruntime.InferenceSession,
    rows: list[Encoded],
    size: int = 64,
    output: str = "logits",
) -> np.ndarray:
    """One output of all rows, float32 `[rows, …]` in the rows' order; by default the logits."""
    found: dict[int, np.ndarray] = {}
    for index in evaluation_batches(rows, size):
        batch = collate([rows[i] for i in index])
        feed = {"input_ids": batch.ids.numpy(), "attention_mask": batch.mask.numpy()}
        found |= zip(index, graph.run([output], feed)[0], strict=True)
    return np.stack([found[i] for i in range(len(rows))])


def padding_difference(
    graph: onnxruntime.InferenceSession, rows: list[Encoded]
) -> float:
    """Largest change of a logit or weight between a row alone and in a padded batch."""
    rows = sorted(rows[:64], key=lambda r: len(r.ids))[::8]
    batch = collate(rows)
    logits, weights = graph.run(
        ["logits", "attention"],
        {"input_ids": batch.ids.numpy(), "attention_mask": batch.mask.numpy()},
    )
    worst = 0.0
    for i, row in enumerate(rows):
        one = collate([row])
        alone, alone_weights = graph.run(
            ["logits", "attention"],
            {"input_ids": one.ids.numpy(), "attention_mask": one.mask.numpy()},
        )
        worst = max(worst, float(np.abs(alone[0] - logits[i]).max()))
        inside = weights[i, : len(row.ids)]
        worst = max(worst, float(np.abs(alone_weights[0] - inside).max()))
        worst = max(worst, abs(float(weights[i].sum()) - 1))
    return worst


def file_entry(path: Path) -> dict[str, Any]:
    """Path, SHA-256 and size as a manifest states them."""
    content = path.read_bytes()
    return {
        "path": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def development_sets(
    graph: onnxruntime.InferenceSession,
    evaluation: dict[str, list[Encoded]],
    names: list[str],
    features: bool = False,
) -> list[SavedSet]:
    """Logits, and features if wanted, of the exported graph on the single-label rows of some
    development sets."""
    sets = []
    for name in names:
        rows = [r for r in evaluation[f"{name}/dev"] if r.row.single]
        saved = SavedSet(
            name=name,
            logits=run_graph(graph, rows),
            gold=np.array([r.row.target.argmax() for r in rows]),
            allowed=np.stack([r.row.allowed for r in rows]),
            features=run_graph(graph, rows, output="features") if features else None,
        )
        sets.append(saved)
    return sets


def fitted_head(
    graph: onnxruntime.InferenceSession,
    data: Prepared,
    names: list[str],
    kind_rows: int,
) -> TemperatureHead:
    """The temperature head for an exported graph that gives its features out, fitted on development
    sets; its balance is chosen by cross-validation within them, whose scores are printed.

    `kind_rows` training rows a corpus are enough for it to learn to tell the corpora apart.
    """
    random = np.random.default_rng(0)
    sets, features = [], []
    for saved in development_sets(graph, data.evaluation, names, features=True):
        train = [r for r in data.train if r.row.corpus == saved.name and r.row.single]
        gold = np.array([r.row.target.argmax() for r in train])
        frequencies = np.bincount(gold, minlength=len(EMOTIONS)) / len(gold)
        sets.append(as_in_training(saved, frequencies))
        some = [train[i] for i in random.permutation(len(train))[:kind_rows]]
        features.append(run_graph(graph, some, output="features"))
    kinds = fit_kinds(features)
    balance, scores = choose_balance(sets, kinds, BALANCES)
    for name, score in scores.items():
        print(
            f"{name} dev, cross-validated, balance {balance:g}: "
            f"nll {score['nll']:.4f}, ECE {score['ece']:.4f}"
        )
    return fit_head(sets, kinds, balance)


def sampled_ranges(model: torch.nn.Module, data: Prepared) -> dict[str, np.ndarray]:
    """`smooth.input_ranges` of an encoder's layers on some training rows."""
    chosen = np.random.default_rng(0).permutation(len(data.train))[:RANGE_ROWS]
    rows = [data.train[i] for i in chosen]
    batches = (
        collate([rows[i] for i in index]) for index in evaluation_batches(rows, 64)
    )
    return input_ranges(model, batches, "encoder.layers.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    package = yaml.safe_load(arguments.package.read_text(encoding="utf-8"))
    out = arguments.out or ROOT / "models" / package["id"]
    out.mkdir(parents=True, exist_ok=True)
    run = RUNS / package["run"]
    recipe = read_recipe(run / "recipe.yaml")
    torch.set_num_threads(recipe.threads)
    data = prepare(recipe, arguments.data, run)
    model = build_model(recipe, run)
    model.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    model.eval()
    export = EXPORT[recipe.architecture]
    if recipe.architecture == "encoder":
        export = partial(export_encoder, ranges=sampled_ranges(model, data))
    head = None
    if package.get("head"):
        with tempfile.TemporaryDirectory() as folder:
            bare = Path(folder) / "model.onnx"
            export(model, bare, int8=True, features=True)
            head = fitted_head(
                session(bare), data, package["head"], package["kindRows"]
            )
    export(model, out / "model.int8.onnx", int8=True, head=head)
    (out / "tokenizer.json").write_bytes((run / "tokenizer.json").read_bytes())
    int8 = session(out / "model.int8.onnx")
    some = data.evaluation[f"{next(iter(recipe.select))}/dev"][:256]
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder) / "model.onnx", int8=False)
        fp32 = session(Path(folder) / "model.onnx")
        batch = collate(some)
        with torch.inference_mode():
            reference, _ = model(batch.ids, batch.mask)
        drift = np.abs(run_graph(fp32, some) - reference.float().numpy()).max()
        print(f"graph against PyTorch, fp32: {drift:.2e}")
        print(f"padding, fp32: {padding_difference(fp32, some):.2e}")
        print(f"padding, as shipped: {padding_difference(int8, some):.2e}")
        for name in recipe.select:
            rows = [r for r in data.evaluation[f"{name}/dev"] if r.row.single]
            allowed = np.stack([r.row.allowed for r in rows])
            gold = np.array([r.row.target.argmax() for r in rows])
            scores = [
                report(masked_probabilities(run_graph(g, rows), allowed), gold)
                for g in (fp32, int8)
            ]
            print(
                f"{name} dev macro-F1: fp32 {scores[0]['macroF1']:.4f}, "
                f"as shipped {scores[1]['macroF1']:.4f}"
            )
    temperature = {
        # With a head in the graph nothing is left to divide by.
        language: fit_temperature(development_sets(int8, data.evaluation, names))
        if head is None
        else 1.0
        for language, names in package["calibrate"].items()
    }
    print(f"temperature: {temperature}")
    manifest = {
        "schema": 1,
        "id": package["id"],
        "version": package["version"],
        "title": package["title"],
        "modality": "text",
        "architecture": package["architecture"],
        "languages": list(package["calibrate"]),
        "labels": list(EMOTIONS),
        "files": {
            "default": "int8",
            "int8": file_entry(out / "model.int8.onnx"),
            "tokenizer": file_entry(out / "tokenizer.json"),
        },
        "inputs": {
            name: {"type": "int64", "shape": ["batch", "tokens"], "padding": 0}
            for name in ("input_ids", "attention_mask")
        },
        "outputs": {
            "logits": {"kind": "logits", "shape": ["batch", 7]},
            "attention": {"kind": "token-weights", "shape": ["batch", "tokens"]},
        },
        "preprocessing": {
            "kind": "text",
            "normaliser": 1,
            "case": "lower",
            "segmentation": recipe.segmentation,
            "maxTokens": package.get("maxTokens", recipe.max_tokens),
        },
        "calibration": {"temperature": temperature},
        **({"rules": package["rules"]} if "rules" in package else {}),
        "licence": package["licence"],
        "metrics": [],
        "minimumRuntime": "1.17.0",
    }
    (out / "model.yaml").write_text(
        yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100),
        encoding="utf-8",
    )
    total = sum(
        p.stat().st_size for p in out.iterdir() if p.suffix in (".onnx", ".json")
    )
    print(f"{out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
