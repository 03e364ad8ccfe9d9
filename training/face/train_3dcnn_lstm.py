"""Trains `face-3dcnn-lstm` on clips, starting from a trunk's inflated weights.

    python -m training.face.train_3dcnn_lstm --data DIR --trunk runs/face-trunk/best.pt --runs runs/face

Needs `read_landmarks` before it. Writes `3dcnn-lstm.pt` every `--save` steps and goes on where it
stopped. `--minutes` fits the rest of the schedule into so much time.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch import nn

from .clip_data import batches, calibrate, held_out, load_trunk, material
from .clip_models import FRAMES, Face3dCnnLstm


def build(recipe: dict, trunk_recipe: dict) -> Face3dCnnLstm:
    return Face3dCnnLstm(
        trunk_recipe["stem"], tuple(trunk_recipe["widths"]), trunk_recipe["blocks"],
        recipe["dropout"], recipe["hidden"],
    )


@torch.no_grad()
def score(model: Face3dCnnLstm, clips: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Accuracy and mean negative log likelihood of clips uint8 [n, 16 or 1, 1, 48, 48]."""
    model.eval()
    logits = []
    for part in clips.split(32):
        with torch.autocast("cpu", torch.bfloat16):
            logits.append(model((part.float() / 255).expand(-1, FRAMES, -1, -1, -1)).logits.float())
    out = torch.cat(logits)
    return float((out.argmax(1) == labels).float().mean()), float(F.cross_entropy(out, labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--trunk", type=Path, default=Path("runs/face-trunk/best.pt"))
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parent / "recipes/face-3dcnn-lstm.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--save", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    recipe = yaml.safe_load(arguments.recipe.read_text())
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(recipe["seed"])

    source = material(Path(arguments.data), arguments.runs)
    trunk, trunk_recipe = load_trunk(arguments.trunk)
    print(f"temperature of the trunk {calibrate(trunk, source.validation):.3f}", flush=True)
    model = build(recipe, trunk_recipe)
    model.inflate(trunk)
    model = model.to(memory_format=torch.channels_last_3d)
    averaged = copy.deepcopy(model)
    # A part of the validation clips is enough to follow the training; `evaluate.py motion` takes all.
    clips, labels = held_out(source, 600)
    some = slice(0, 200)
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe["weight_decay"]},
            {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0},
        ],
        lr=recipe["learning_rate"],
    )
    state = {"step": 0, "done": 0.0}
    path = arguments.runs / "3dcnn-lstm.pt"
    if path.exists():
        stored = torch.load(path, weights_only=False)
        model.load_state_dict(stored["running"])
        averaged.load_state_dict(stored["model"])
        optimiser.load_state_dict(stored["optimiser"])
        state = stored["state"]
        torch.manual_seed(recipe["seed"] + state["step"])
        print(f"going on after step {state['step']}", flush=True)
    else:
        print("inflated: clips {:.4f} {:.4f}".format(*score(model, clips[some], labels[some])), flush=True)

    def save() -> None:
        torch.save(
            {
                "recipe": recipe, "trunk_recipe": trunk_recipe, "running": model.state_dict(),
                "model": averaged.state_dict(), "optimiser": optimiser.state_dict(), "state": state,
            },
            path.with_suffix(".part"),
        )
        path.with_suffix(".part").replace(path)

    started, first, total = time.time(), state["step"], 0.0
    smoothing = recipe["label_smoothing"]
    source_batches = batches(source, recipe["batch"], 10**9, recipe["posed"], recipe["still"], None)
    while state["done"] < 1:
        # Two dozen faces a batch are too few for statistics of their own: those of the trunk stay.
        model.train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eval()
        x, y = next(source_batches)
        warm = min(1.0, (state["step"] + 1) / recipe["warmup_steps"])
        rate = recipe["learning_rate"] * warm * 0.5 * (1 + math.cos(math.pi * state["done"]))
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(x).logits
        loss = F.cross_entropy(logits.float(), (1 - smoothing) * y + smoothing / y.shape[1])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.item()
        state["step"] += 1
        decay = min(recipe["ema_decay"], (1 + state["step"]) / (10 + state["step"]))
        with torch.no_grad():
            for a, b in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
                if a.is_floating_point():
                    a.lerp_(b, 1 - decay)
                else:
                    a.copy_(b)
        left = float(recipe["steps"] - state["step"])
        if arguments.minutes:
            elapsed = time.time() - started
            left = max(0.0, arguments.minutes * 60 - elapsed) / (elapsed / (state["step"] - first))
        state["done"] = state["done"] + (1 - state["done"]) / left if left > 1 else 1.0
        if state["step"] % arguments.save == 0 or state["done"] >= 1:
            accuracy, nll = score(averaged, clips[some], labels[some])
            print(
                f"step {state['step']} done {state['done']:.3f} loss {total / arguments.save:.4f} "
                f"clips {accuracy:.4f} {nll:.4f} seconds {time.time() - started:.0f}", flush=True,
            )
            total = 0.0
            save()
    accuracy, nll = score(averaged, clips, labels)
    print(f"{len(clips)} validation clips: accuracy {accuracy:.4f}, loss {nll:.4f}", flush=True)


if __name__ == "__main__":
    main()
