"""Trains the temporal head of `face-cnn-lstm` over a finished trunk.

    python -m training.face.train_cnn_lstm --data DIR --trunk runs/face-trunk/best.pt --runs runs/face

Needs `read_landmarks` before it. Writes `cnn-lstm.pt`. With `--folds` it trains one head for each of
ten folds of CK+'s subjects instead and reports on the subjects that the fold left out. The trunk has
seen no picture of CK+.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml

from . import ck48
from .clip_data import Material, batches, calibrate, held_out, load_trunk, material
from .clip_models import FRAMES, FaceCnnLstm
from .fer2013 import LABELS
from .motion import augment_clips


@torch.no_grad()
def features(model: FaceCnnLstm, clips: torch.Tensor, mirror: bool) -> torch.Tensor:
    """Clips [n, frames, 1, 48, 48] (uint8, or float 0-1) → features [n, frames, width]."""
    out = []
    look = model.maps if mirror else model.trunk.maps
    for part in clips.split(32):
        x = part.flatten(0, 1)
        x = x.float() / 255 if x.dtype == torch.uint8 else x
        with torch.autocast("cpu", torch.bfloat16):
            maps = look(x.contiguous(memory_format=torch.channels_last))
        out.append(maps.float().mean((2, 3)).unflatten(0, part.shape[:2]))
    return torch.cat(out)


def training_features(
    model: FaceCnnLstm, source: Material, recipe: dict, runs: Path
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features [n, 16, width] of augmented clips, targets [n, 7], and which sequence of CK+ or -1.

    Kept in `runs` in parts, because they take minutes; parts that are there are not made again.
    """
    size = 80
    posed = round(size * recipe["posed"])
    parts = []
    for part in range(recipe["parts"]):
        path = runs / f"cnn-lstm-features-{part}.pt"
        if not path.exists():
            torch.manual_seed(1000 * recipe["seed"] + part)
            rows, targets, sequence = [], [], []
            for step in range(part * 10, part * 10 + 10):
                # The same sequences in turn, so that the folds can be told apart afterwards.
                chosen = (torch.arange(posed) + step * posed) % len(source.triples)
                stills = batches(source, size - posed, 1, 0.0, recipe["still"], None)
                for which, made in ((torch.full((size - posed,), -1), stills), (chosen, posed_batch(source, chosen))):
                    for clips, target in made:
                        rows.append(features(model, clips, mirror=False).half())
                        targets.append(target)
                        sequence.append(which)
            result = {"features": torch.cat(rows), "targets": torch.cat(targets), "sequence": torch.cat(sequence)}
            torch.save(result, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
        parts.append(torch.load(path, weights_only=True))
    joined = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    return joined["features"].float(), joined["targets"], joined["sequence"]


def posed_batch(source: Material, chosen: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One augmented clip of each of these sequences of CK+."""
    rows = source.triples[chosen]
    yield augment_clips(source.posed.make_real(rows)), source.posed.targets[rows[:, 0]]


def train_head(
    model: FaceCnnLstm, x: torch.Tensor, y: torch.Tensor, sequence: torch.Tensor, recipe: dict, epochs: int
) -> None:
    """Trains `model.head` on features [n, 16, width] and targets [n, 7]; the trunk stays.

    Clips of CK+, those with a `sequence` of 0 or more, come `posed_times` an epoch.
    """
    real = torch.nonzero(sequence >= 0)[:, 0]
    order = torch.cat([torch.arange(len(x)), real.repeat(recipe["posed_times"] - 1)])
    x, y = x[order], y[order]
    head, classify = model.head.train(), model.trunk.classify
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"]
    )
    steps = epochs * (len(x) // recipe["batch"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe["learning_rate"], steps, pct_start=0.1)
    smoothing = recipe["label_smoothing"]
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for step in range(len(x) // recipe["batch"]):
            chosen = order[step * recipe["batch"] : (step + 1) * recipe["batch"]]
            rows = x[chosen]
            if torch.rand(()) < recipe["short"]:
                kept = torch.randint(FRAMES, (int(torch.randint(2, FRAMES, ())),)).sort().values
                rows = rows[:, kept]
            logits, _ = head(rows, classify)
            loss = F.cross_entropy(logits, (1 - smoothing) * y[chosen] + smoothing / y.shape[1])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    head.eval()


@torch.no_grad()
def accuracy(model: FaceCnnLstm, x: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Accuracy and mean negative log likelihood of features [n, frames, width]."""
    logits, _ = model.head(x, model.trunk.classify)
    return float((logits.argmax(1) == labels).float().mean()), float(F.cross_entropy(logits, labels))


def table(name: str, chosen: np.ndarray, labels: np.ndarray) -> str:
    """One line: accuracy, unweighted recall and recall by label of what occurs in `labels`."""
    recalls = {LABELS[k]: (chosen[labels == k] == k).mean() for k in np.unique(labels)}
    parts = ", ".join(f"{label} {recall:.3f}" for label, recall in recalls.items())
    return (
        f"{name}: n {len(labels)}, accuracy {(chosen == labels).mean():.4f}, "
        f"unweighted recall {np.mean(list(recalls.values())):.4f} ({parts})"
    )


@torch.no_grad()
def frame_features(model: FaceCnnLstm, source: Material) -> torch.Tensor:
    """Features of CK+'s own frames, not augmented: [frames, width]."""
    images = torch.from_numpy(source.frames.images)[:, None, None]
    return features(model, images, model.mirror)[:, 0]


def cross_validate(
    model: FaceCnnLstm, source: Material, recipe: dict, x: torch.Tensor, y: torch.Tensor, sequence: torch.Tensor
) -> list[str]:
    """What the networks say of people they do not know, by folds of subjects."""
    fold = ck48.folds(source.frames)
    fold_of_sequence = torch.from_numpy(fold[source.triples[:, 0].numpy()])
    own = frame_features(model, source)
    labels = source.frames.labels
    first = source.triples[:, 0].numpy()
    with torch.no_grad():
        plain = model.trunk.classify(own).argmax(1).numpy()
    of_clip, of_frame = np.full(len(first), -1), np.full(len(labels), -1)
    for k in range(fold.max() + 1):
        torch.manual_seed(recipe["seed"] + k)
        model.head = type(model.head)(model.trunk.width, recipe["hidden"])
        kept = (sequence < 0) | (fold_of_sequence[sequence.clamp(min=0)] != k)
        train_head(model, x[kept], y[kept], sequence[kept], recipe, recipe["epochs"])
        test = torch.nonzero(fold_of_sequence == k)[:, 0]
        with torch.no_grad():
            logits, _ = model.head(own[source.triples[test]], model.trunk.classify)
        of_clip[test] = logits.argmax(1).numpy()
        of_frame[fold == k] = linear_probe(own[fold != k], labels[fold != k], own[fold == k])
    return [
        table("single picture, trunk that never saw CK+", plain, labels),
        table("single picture, logistic regression on the trunk's features, by folds", of_frame, labels),
        table("clip of three real frames, temporal head by folds", of_clip, labels[first]),
    ]


def linear_probe(x: torch.Tensor, labels: np.ndarray, test: torch.Tensor) -> np.ndarray:
    """Labels of `test` by multinomial logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    return fitted.fit(x.numpy(), labels).predict(test.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--trunk", type=Path, default=Path("runs/face-trunk/best.pt"))
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parent / "recipes/face-cnn-lstm.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    recipe = yaml.safe_load(arguments.recipe.read_text())
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(recipe["seed"])
    started = time.time()

    source = material(Path(arguments.data), arguments.runs)
    trunk, trunk_recipe = load_trunk(arguments.trunk)
    print(f"temperature of the trunk {calibrate(trunk, source.validation):.3f}", flush=True)
    model = FaceCnnLstm(trunk, recipe["mirror"], recipe["hidden"]).eval()
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    x, y, sequence = training_features(model, source, recipe, arguments.runs)
    print(f"features of {len(x)} clips after {time.time() - started:.0f} s", flush=True)
    if arguments.folds:
        print("\n".join(cross_validate(model, source, recipe, x, y, sequence)), flush=True)
        return
    train_head(model, x, y, sequence, recipe, recipe["epochs"])
    torch.save(
        {"recipe": recipe, "trunk_recipe": trunk_recipe, "model": model.state_dict()},
        arguments.runs / "cnn-lstm.pt",
    )
    print(f"head after {time.time() - started:.0f} s", flush=True)
    clips, labels = held_out(source, 400)
    held = features(model, clips, model.mirror)
    with torch.no_grad():
        plain = model.trunk.classify(held.mean(1)).argmax(1)
    mean = float((plain == labels).float().mean())
    print(f"validation clips, mean over frames: n {len(labels)}, accuracy {mean:.4f}", flush=True)
    right, nll = accuracy(model, held, labels)
    print(f"validation clips: n {len(labels)}, accuracy {right:.4f}, loss {nll:.4f}", flush=True)
    print(f"done after {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
