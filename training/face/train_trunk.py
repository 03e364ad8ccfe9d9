"""Trains the per-frame trunk on FER2013 (`--data DIR/face/fer2013`).

    python -m training.face.train_trunk --data DIR --runs runs/face-trunk

Writes `last.pt` after each epoch (weights, averaged weights, optimiser, schedule, targets) and
`best.pt` for the best validation accuracy; started again with the same folder it goes on where it
stopped. `--start` takes the averaged weights of another run, `--teachers` has the network learn what
finished ones together say of the very pictures that it is shown, `--minutes` fits the rest of the schedule
into so much time. The test part is not opened here: `evaluate_trunk.py` does that.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml

from . import fer2013
from .augment import augment, mixup
from .trunk import Trunk


def build(recipe: dict) -> Trunk:
    return Trunk(recipe["stem"], tuple(recipe["widths"]), recipe["blocks"], recipe["dropout"], gate=recipe.get("gate", 0))


@torch.no_grad()
def widen(model: Trunk, smaller: dict[str, torch.Tensor]) -> None:
    """Takes over the weights of a trunk with fewer channels (after Net2Net, Chen et al. 2016).

    The old channels keep their place and see only each other, so the answer stays the same; the new
    ones keep their random weights, and what reads them starts at zero.
    """
    for name, own in model.state_dict().items():
        given = smaller[name]
        if own.ndim > 1:
            own[: given.shape[0]] = 0
        own[tuple(slice(0, n) for n in given.shape)] = given


@torch.no_grad()
def predict(model: Trunk, images: torch.Tensor, batch: int = 512) -> torch.Tensor:
    """Probabilities [n, 7] of uint8 crops [n, 48, 48], one pass, no mirror."""
    model.eval()
    out = []
    for part in images.split(batch):
        x = (part[:, None].float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            out.append(model(x).float().softmax(1))
    return torch.cat(out)


class Teachers:
    """Finished trunks, whose answers are averaged (Hinton et al. 2015)."""

    def __init__(self, checkpoints: list[Path]) -> None:
        self.models = [load(path) for path in checkpoints]

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities [n, 7] of crops [n, 1, side, side]: the normalised geometric mean."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = [model(x).float().log_softmax(1) for model in self.models]
        return torch.stack(logits).mean(0).softmax(1)


def load(checkpoint: Path) -> Trunk:
    """The averaged weights of a run, to be asked."""
    stored = torch.load(checkpoint, weights_only=False)
    model = build(stored["recipe"])
    model.load_state_dict(stored["averaged"])
    return model.to(memory_format=torch.channels_last).eval()


def prepared(data: Path, runs: Path) -> tuple[fer2013.Part, fer2013.Part]:
    """Training and validation part, kept in `runs` because finding duplicates takes a while."""
    cache = runs / "fer2013.npz"
    if cache.exists():
        stored = np.load(cache)
        return tuple(
            fer2013.Part(*(stored[f"{p}_{k}"] for k in ("images", "targets", "names")))
            for p in ("train", "validation")
        )
    train, validation, _, counts = fer2013.load(data)
    print(json.dumps(counts), flush=True)
    np.savez(
        cache,
        **{
            f"{p}_{k}": getattr(part, k)
            for p, part in (("train", train), ("validation", validation))
            for k in ("images", "targets", "names")
        },
    )
    return train, validation


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--recipe", type=Path, default=here / "recipes/trunk.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs/face-trunk"))
    parser.add_argument("--copy", type=Path, help="a second folder that gets each checkpoint")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's, also when going on")
    parser.add_argument("--start", type=Path, help="checkpoint of a run that this one builds on")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="checkpoints of finished runs")
    parser.add_argument("--minutes", type=float, help="end the schedule after so long")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data DIR or EMOTION_DATA names the folder that holds face/fer2013")
    recipe = yaml.safe_load(arguments.recipe.read_text())
    epochs = arguments.epochs or recipe["epochs"]
    arguments.runs.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(arguments.threads)

    train, validation = prepared(Path(arguments.data) / "face/fer2013", arguments.runs)
    images, hard = torch.from_numpy(train.images), torch.from_numpy(train.targets)
    held_images = torch.from_numpy(validation.images)
    held_labels = torch.from_numpy(validation.labels)

    model = build(recipe).to(memory_format=torch.channels_last)
    if arguments.start:
        widen(model, torch.load(arguments.start, weights_only=False)["averaged"])
    averaged = copy.deepcopy(model)
    teachers = Teachers(arguments.teachers) if arguments.teachers else None
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe["weight_decay"]}, {"params": others, "weight_decay": 0}],
        lr=recipe["learning_rate"], betas=tuple(recipe["betas"]),
    )
    # `done` is the share of the schedule that is over; it grows by what is left over the steps that
    # are left, so a run may be shortened or lengthened when it goes on.
    state = {"epoch": 0, "done": 0.0, "step": 0, "best": 0.0}
    beliefs = hard.clone()
    last = arguments.runs / "last.pt"
    if last.exists():
        stored = torch.load(last, weights_only=False)
        model.load_state_dict(stored["model"])
        averaged.load_state_dict(stored["averaged"])
        optimiser.load_state_dict(stored["optimiser"])
        state, beliefs = stored["state"], stored["beliefs"]
        torch.manual_seed(recipe["seed"] + state["epoch"])
        print(f"going on after epoch {state['epoch']}", flush=True)

    per_epoch = len(images) // recipe["batch"]
    begun, begun_at = time.time(), state["step"]
    while state["epoch"] < epochs and state["done"] < 1:
        started = time.time()
        if state["done"] >= recipe["refine_from"] and state["epoch"] % recipe["refine_every"] == 0:
            keep = recipe["refine_momentum"]
            beliefs = keep * beliefs + (1 - keep) * predict(averaged, images)
        smoothing = recipe["label_smoothing"]
        targets = (1 - smoothing) * beliefs + smoothing / beliefs.shape[1]
        model.train()
        order, total = torch.randperm(len(images)), 0.0
        for step in range(per_epoch):
            left = float((epochs - state["epoch"]) * per_epoch - step)
            if arguments.minutes and state["step"] > begun_at:
                seconds = (time.time() - begun) / (state["step"] - begun_at)
                left = min(left, (arguments.minutes * 60 - time.time() + begun) / seconds)
            if left < 1:
                state["done"] = 1.0
                break
            state["done"] = min(1.0, state["done"] + (1 - state["done"]) / left)
            warm = min(1.0, (state["step"] + 1) / (recipe["warmup_epochs"] * per_epoch))
            rate = recipe["learning_rate"] * warm * 0.5 * (1 + math.cos(math.pi * state["done"]))
            for group in optimiser.param_groups:
                group["lr"] = rate
            chosen = order[step * recipe["batch"] : (step + 1) * recipe["batch"]]
            sides = recipe["sides"]
            side = next(s["side"] for s in sides if state["done"] <= s["until"])
            x = augment(images[chosen], side, recipe.get("strength", 1), recipe.get("windows", False))
            y = targets[chosen]
            if state["done"] < recipe["mixup_until"]:
                x, y = mixup(x, y, recipe["mixup_alpha"])
            x = x.contiguous(memory_format=torch.channels_last)
            if teachers:
                y = y.lerp(teachers(x), recipe["taught"])
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x)
            loss = F.cross_entropy(logits.float(), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            state["step"] += 1
            total += loss.item()
            # Few steps behind, a long average would still hold the random start.
            decay = min(recipe["ema_decay"], (1 + state["step"]) / (10 + state["step"]))
            with torch.no_grad():
                for a, b in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
                    if a.is_floating_point():
                        a.lerp_(b, 1 - decay)
                    else:
                        a.copy_(b)
        state["epoch"] += 1
        probabilities = predict(averaged, held_images)
        accuracy = float((probabilities.argmax(1) == held_labels).float().mean())
        better = accuracy > state["best"]
        state["best"] = max(state["best"], accuracy)
        checkpoint = {
            "recipe": recipe, "model": model.state_dict(), "averaged": averaged.state_dict(),
            "optimiser": optimiser.state_dict(), "state": state, "beliefs": beliefs,
        }
        torch.save(checkpoint, last.with_suffix(".tmp"))
        last.with_suffix(".tmp").replace(last)
        if better:
            torch.save(
                {"recipe": recipe, "averaged": averaged.state_dict(), "state": dict(state), "accuracy": accuracy},
                arguments.runs / "best.pt",
            )
        if arguments.copy:
            arguments.copy.mkdir(parents=True, exist_ok=True)
            for name in ("last.pt", "best.pt", "fer2013.npz", "log.jsonl"):
                if (arguments.runs / name).exists():
                    shutil.copyfile(arguments.runs / name, arguments.copy / name)
        line = json.dumps({
            "epoch": state["epoch"], "loss": round(total / per_epoch, 4), "rate": round(rate, 5),
            "validation": round(accuracy, 4), "best": round(state["best"], 4), "seconds": round(time.time() - started),
        })
        print(line, flush=True)
        with (arguments.runs / "log.jsonl").open("a") as log:
            log.write(line + "\n")


if __name__ == "__main__":
    main()
