"""Trains the speech network, speakers of one fold held out:

    python -m training.speech.train training/speech/recipes/speech-crnn.yaml --fold 1
    python -m training.speech.train … --fold 0                    # everybody, for the shipped model
    python -m training.speech.train … --fold 1 --dev 2            # also holds out fold 2, to choose settings
    python -m training.speech.train … --without casia             # leave one corpus out

A run lives in RUNS/<recipe>[-without-X]-fold<k>[-dev<d>]-seed<s>/; a cut-off run goes on where its
last epoch ended. The weights that count are a moving average, taken after the last epoch: no
score of a held-out speaker decides anything.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from training.speech.augment import augmented
from training.speech.corpora import CLASSES, LABELS, Utterance, class_mask, read_corpora
from training.speech.evaluate import network_logits, predict, summary
from training.speech.model import BANDS, FRAMES, Crnn, CrnnConfig
from training.speech.prepare import ROOT, Features, load_features
from training.speech.recipe import Recipe, read_recipe
from training.speech.windows import random_frames
from training.text.losses import masked_cross_entropy


def split(
    utterances: list[Utterance], fold: int, dev: int, without: str
) -> tuple[list[int], list[int], list[int]]:
    """Indices for training, development and test.

    `fold` and `dev` name the folds whose speakers are held out (0: none); `without` a corpus that is
    test as a whole, with everybody else in training.
    """
    training, development, test = [], [], []
    for i, u in enumerate(utterances):
        if without:
            (test if u.corpus == without else training).append(i)
        elif fold and u.fold == fold:
            test.append(i)
        elif dev and u.fold == dev:
            development.append(i)
        else:
            training.append(i)
    return training, development, test


def row_weights(
    utterances: list[Utterance], training: list[int], share: dict[str, float]
) -> np.ndarray:
    """Probability of each training utterance: corpora as in `share`, their classes alike."""
    counts: dict[tuple[str, int], int] = {}
    for i in training:
        key = (utterances[i].corpus, utterances[i].label)
        counts[key] = counts.get(key, 0) + 1
    classes: dict[str, int] = {}
    for corpus, _ in counts:
        classes[corpus] = classes.get(corpus, 0) + 1
    weights = np.array(
        [
            share[u.corpus] / classes[u.corpus] / counts[u.corpus, u.label]
            for u in (utterances[i] for i in training)
        ]
    )
    return weights / weights.sum()


class Rows:
    """Draws training batches: utterances by weight, copies by chance, a random window of each."""

    def __init__(
        self,
        utterances: list[Utterance],
        training: list[int],
        recipe: Recipe,
        runs: Path,
        random: np.random.Generator,
    ) -> None:
        self.utterances = utterances
        self.training = np.array(training)
        self.weights = row_weights(utterances, training, recipe.share)
        self.recipe = recipe
        self.random = random
        names = ("clean", *recipe.copies)
        self.features: list[Features] = [load_features(runs, name) for name in names]
        self.chances = np.array(
            [1 - sum(recipe.copies.values()), *recipe.copies.values()]
        )
        self.noise = np.load(runs / "features" / "noise.npy")

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures in decibels `[batch, 128, 64]`, targets `[batch, 8]`, allowed classes `[batch, 8]`."""
        recipe, random = self.recipe, self.random
        chosen = random.choice(self.training, recipe.batch, p=self.weights)
        copies = random.choice(len(self.features), recipe.batch, p=self.chances)
        pictures = np.empty((recipe.batch, FRAMES, BANDS), np.float32)
        for number, features in enumerate(self.features):
            rows = np.flatnonzero(copies == number)
            of = chosen[rows]
            at = random_frames(features.frames[of], random, recipe.augment["stretch"])
            pictures[rows] = features.mel[at + features.starts[of][:, None]]
        pictures = pictures.transpose(0, 2, 1)
        labels = torch.tensor([self.utterances[i].label for i in chosen])
        allowed = np.stack([class_mask(self.utterances[i].corpus) for i in chosen])
        targets = torch.nn.functional.one_hot(labels, len(LABELS)).float()
        return torch.from_numpy(pictures), targets, torch.from_numpy(allowed)

    def noises(self, count: int) -> Tensor:
        """Random pieces of the noise bank, `[count, 128, 64]` decibels."""
        starts = self.random.integers(len(self.noise) - FRAMES, size=count)
        pieces = np.stack([self.noise[s : s + FRAMES].T for s in starts])
        return torch.from_numpy(pieces.astype(np.float32))


def mixed_loss(
    model: Crnn,
    inputs: Tensor,
    targets: Tensor,
    allowed: Tensor,
    recipe: Recipe,
    random: np.random.Generator,
) -> Tensor:
    """Cross-entropy over each row's classes; with mixup of rows, each part over its own corpus' classes."""
    share = 1.0
    order = torch.arange(len(inputs))
    if recipe.mixup > 0:
        share = float(random.beta(recipe.mixup, recipe.mixup))
        order = torch.from_numpy(random.permutation(len(inputs)))
        inputs = share * inputs + (1 - share) * inputs[order]
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
        logits, _ = model(inputs)
    first = masked_cross_entropy(logits, targets, allowed, recipe.smoothing)
    if share == 1:
        return first.mean()
    second = masked_cross_entropy(
        logits, targets[order], allowed[order], recipe.smoothing
    )
    return (share * first + (1 - share) * second).mean()


def rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate: linear warm-up, then half a cosine down to nothing."""
    warm = recipe.warmup * steps
    if step < warm:
        return recipe.rate * (step + 1) / warm
    return (
        recipe.rate * 0.5 * (1 + np.cos(np.pi * (step - warm) / max(1, steps - warm)))
    )


def run_name(recipe: Recipe, fold: int, dev: int, without: str) -> str:
    """Folder of a run."""
    parts = [recipe.name]
    parts += [f"without-{without}"] if without else [f"fold{fold}"]
    parts += [f"dev{dev}"] if dev else []
    return "-".join([*parts, f"seed{recipe.seed}"])


def curves(kind: str, run: Path) -> Any:
    """A TensorBoard writer, or None."""
    if kind != "tensorboard":
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(run / "tensorboard")


def train(
    recipe: Recipe,
    utterances: list[Utterance],
    indices: tuple[list[int], list[int], list[int]],
    run: Path,
    runs: Path,
    log: str = "none",
) -> Crnn:
    """Trains or resumes; the averaged weights are left in RUN/model.pt."""
    torch.set_num_threads(recipe.threads)
    training, development, _ = indices
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(yaml.safe_dump(asdict(recipe), sort_keys=False))
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    model = Crnn(CrnnConfig(**recipe.model))
    if recipe.init:
        begun = runs / run.name.replace(recipe.name, recipe.init, 1)
        model.load_state_dict(torch.load(begun / "model.pt", weights_only=True))
    average = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average),
        use_buffers=True,
    )
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0},
        ],
        lr=recipe.rate,
    )
    per_epoch = recipe.rows // recipe.batch
    steps = per_epoch * recipe.epochs
    first = 0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        random.bit_generator.state = state["random"]
        torch.set_rng_state(state["torch"])
        first = state["epoch"]
    writer = curves(log, run)
    rows = Rows(utterances, training, recipe, runs, random)
    for epoch in range(first, recipe.epochs):
        model.train()
        total, started, busy = 0.0, time.monotonic(), time.process_time()
        for step in range(per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = rate_at(epoch * per_epoch + step, steps, recipe)
            pictures, targets, allowed = rows.batch()
            loss = mixed_loss(
                model, augmented(pictures, rows), targets, allowed, recipe, random
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimiser.step()
            average.update_parameters(model)
            total += float(loss.detach())
        line: dict[str, Any] = {
            "epoch": epoch + 1,
            "loss": round(total / per_epoch, 4),
            "wall": round(time.monotonic() - started, 1),
            "cpu": round(time.process_time() - busy, 1),
        }
        if development and ((epoch + 1) % 8 == 0 or epoch + 1 == recipe.epochs):
            found = network_logits(
                average.module, rows.features[0], utterances, development
            )
            line |= {
                c: round(s["ua"], 4)
                for c, s in summary(found, utterances, development).items()
            }
        print(json.dumps(line), flush=True)
        if writer:
            for key, value in line.items():
                writer.add_scalar(key, value, epoch + 1)
        temporary = checkpoint.with_suffix(".part")
        torch.save(
            {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "random": random.bit_generator.state,
                "torch": torch.get_rng_state(),
                "epoch": epoch + 1,
            },
            temporary,
        )
        temporary.rename(checkpoint)
    final: Crnn = average.module
    final.eval()
    torch.save(final.state_dict(), run / "model.pt")
    return final


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--dev", type=int, default=0)
    parser.add_argument("--without", choices=list(CLASSES), default="")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--log", choices=["none", "tensorboard"], default="none")
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    arguments = parser.parse_args()
    pairs = (pair.split("=", 1) for pair in arguments.set)
    recipe = read_recipe(
        arguments.recipe, {key: yaml.safe_load(value) for key, value in pairs}
    )
    utterances = read_corpora(arguments.data)
    indices = split(utterances, arguments.fold, arguments.dev, arguments.without)
    run = arguments.runs / run_name(
        recipe, arguments.fold, arguments.dev, arguments.without
    )
    print(
        f"{run.name}: {' / '.join(str(len(part)) for part in indices)} utterances",
        flush=True,
    )
    train(recipe, utterances, indices, run, arguments.runs, arguments.log)
    if indices[2]:
        predict(run, utterances, arguments.runs)
        with np.load(run / "test.npz") as saved:
            found = summary(saved["clean"], utterances, saved["indices"])
        print("test", json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
