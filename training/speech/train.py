"""Trains the speech network:

    python -m training.speech.train RECIPE.yaml --fold 1 --seeds 1 2 3     # 0: nobody is held out
    python -m training.speech.train … --fold 1 --dev 2 --set name=try     # choose settings
    python -m training.speech.train … --without casia                     # leave one corpus out

A run lives in RUNS/<recipe>[-without-X]-fold<k>[-dev<d>]-seed<s>/; what is finished is not made again.
The weights that count are a moving average, taken after the last step: no score of a held-out
speaker decides anything.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import yaml
from torch import Tensor

from training.speech.augment import Microphone, Voices, masked
from training.speech.corpora import CLASSES, LABELS, Utterance, class_mask, read_corpora
from training.speech.data import Sounds, load_sounds_of, statistics_names
from training.speech.evaluate import network_logits, summary
from training.speech.model import MOMENTS, Network, NetworkConfig, moments
from training.speech.prepare import ROOT
from training.speech.recipe import Recipe, read_recipe
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
        sounds: Sounds,
        names: list[str],
    ) -> None:
        self.recipe = recipe
        self.sounds = sounds
        self.random = np.random.default_rng(recipe.seed)
        self.training = np.array(training)
        self.weights = row_weights(utterances, training, recipe.share)
        self.chances = np.array(
            [1 - sum(recipe.copies.values()), *recipe.copies.values()]
        )
        self.corpora = np.array([list(CLASSES).index(u.corpus) for u in utterances])
        self.labels = torch.tensor([u.label for u in utterances])
        self.allowed = torch.from_numpy(
            np.stack([class_mask(u.corpus) for u in utterances])
        )
        self.voices = Voices(recipe.warp)
        self.microphone = Microphone(names, recipe.gain, recipe.tilt)

    def draw(self, size: int) -> tuple[np.ndarray, Tensor, Tensor]:
        """Which utterances, their sequences `[size, 56, 64]` and statistics `[size, names]`, not standardised."""
        random = self.random
        chosen = random.choice(self.training, size, p=self.weights)
        copies = random.choice(len(self.chances), size, p=self.chances)
        sequence, values = self.sounds.draw(chosen, copies, random, self.recipe.stretch)
        voices = self.voices(torch.from_numpy(np.ascontiguousarray(sequence)), random)
        changed = self.microphone(voices, torch.from_numpy(values.copy()), random)
        return chosen, *changed

    def standardise(self, model: Network, size: int = 3000) -> None:
        """Measures means and spreads of what the network will be trained on."""
        _, sequence, values = self.draw(size)
        model.row_mean.copy_(sequence.mean((0, 2)))
        model.row_spread.copy_(sequence.std((0, 2)) + 1e-4)
        values = torch.cat([values, moments(sequence)], 1)
        model.mean.copy_(values.mean(0))
        model.spread.copy_(values.std(0) + 1e-4)


def partners(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """For each row another one of its group to be mixed with, or itself: a permutation, `[rows]`."""
    order = np.arange(len(groups))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order[members] = random.permutation(members)
    return order


def mixed_loss(model: Network, rows: Rows) -> Tensor:
    """Loss of one batch: mixup of standardised rows within their corpus, over its classes, all heads."""
    recipe, random = rows.recipe, rows.random
    chosen, sequence, statistics = rows.draw(recipe.batch)
    x, values = model.standardised(sequence, statistics)
    values = values + recipe.jitter * torch.randn(values.shape)
    order = torch.from_numpy(partners(rows.corpora[chosen], random))
    share = torch.ones(recipe.batch)
    if recipe.mixup > 0:
        drawn = random.beta(recipe.mixup, recipe.mixup, recipe.batch)
        share = torch.from_numpy(drawn).float()
    x = share[:, None, None] * x + (1 - share)[:, None, None] * x[order]
    values = share[:, None] * values + (1 - share)[:, None] * values[order]
    target = torch.nn.functional.one_hot(rows.labels[chosen], len(LABELS)).float()
    allowed = rows.allowed[chosen]
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
        heads, _ = model.answers(masked(x, random, recipe.gap, recipe.missing), values)
    loss = torch.zeros(())
    for weight, logits in zip(recipe.heads, heads, strict=True):
        first = masked_cross_entropy(logits, target, allowed, recipe.smoothing)
        second = masked_cross_entropy(
            logits, target[order], allowed[order], recipe.smoothing
        )
        part = (share * first + (1 - share) * second).mean()
        loss = loss + weight * part
    return loss


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate: linear warm-up, then half a cosine down to nothing."""
    warm = recipe.warmup * recipe.steps
    if step < warm:
        return recipe.rate * (step + 1) / warm
    done = (step - warm) / max(1, recipe.steps - warm)
    return recipe.rate * 0.5 * (1 + np.cos(np.pi * done))


class Seeded(Protocol):
    """What names a run."""

    @property
    def name(self) -> str:
        """Of the recipe."""

    @property
    def seed(self) -> int:
        """Of its random numbers."""


def run_path(runs: Path, recipe: Seeded, fold: int, dev: int, without: str) -> Path:
    """Folder of a run."""
    parts = [recipe.name]
    parts += [f"without-{without}"] if without else [f"fold{fold}"]
    parts += [f"dev{dev}"] if dev else []
    return runs / "-".join([*parts, f"seed{recipe.seed}"])


def train(
    recipe: Recipe,
    utterances: list[Utterance],
    training: list[int],
    sounds: Sounds,
    names: list[str],
) -> Network:
    """Trains; answers the moving average of the weights."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    config = NetworkConfig(**{"statistics": len(names)} | recipe.model)
    model = Network(config)
    rows = Rows(utterances, training, recipe, sounds, names)
    rows.standardise(model)
    average = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average),
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
    model.train()
    total, started = 0.0, time.process_time()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, recipe)
        loss = mixed_loss(model, rows)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        average.update_parameters(model)
        total += float(loss.detach())
        if (step + 1) % 500 == 0:
            busy = time.process_time() - started
            print(f"step {step + 1}: loss {total / 500:.4f}, {busy:.0f} s", flush=True)
            total = 0.0
    final: Network = average.module
    return final.eval()


def training_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that every member's training takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--fold", type=int, nargs="+", default=[], metavar="K")
    parser.add_argument("--dev", type=int, default=0)
    parser.add_argument("--without", nargs="+", choices=list(CLASSES), default=[])
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    return parser


def held_out(arguments: argparse.Namespace) -> list[tuple[int, str]]:
    """Fold and corpus that each run leaves out: a fold, or 0 with a corpus."""
    folds = [(fold, "") for fold in arguments.fold]
    return folds + [(0, corpus) for corpus in arguments.without]


def main() -> None:
    """Command line."""
    parser = training_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    pairs = (pair.split("=", 1) for pair in arguments.set)
    recipe = read_recipe(
        arguments.recipe, {key: yaml.safe_load(value) for key, value in pairs}
    )
    utterances = read_corpora(arguments.data)
    sounds = load_sounds_of(arguments.runs, ("clean", *recipe.copies))
    names, _ = statistics_names()
    for fold, without in held_out(arguments):
        training, development, test = split(utterances, fold, arguments.dev, without)
        found = []
        for seed in arguments.seeds:
            seeded = replace(recipe, seed=seed)
            run = run_path(arguments.runs, seeded, fold, arguments.dev, without)
            run.mkdir(parents=True, exist_ok=True)
            if not (run / "model.pt").exists():
                sizes = f"{len(training)} / {len(development)} / {len(test)}"
                print(f"{run.name}: {sizes} utterances", flush=True)
                settings = asdict(seeded) | {"heads": list(seeded.heads)}
                (run / "recipe.yaml").write_text(yaml.safe_dump(settings))
                trained = train(seeded, utterances, training, sounds, names)
                torch.save(trained.state_dict(), run / "model.part")
                (run / "model.part").rename(run / "model.pt")
            if development:
                model = load_run(run)
                found.append(network_logits(model, sounds, development))
                scores = summary(found[-1], utterances, development)
                print(run.name, json.dumps(scores), flush=True)
        if len(found) > 1:
            scores = summary(np.mean(found, axis=0), utterances, development)
            print("together", json.dumps(scores), flush=True)


def load_run(run: Path) -> Network:
    """The network of a finished run."""
    recipe = read_recipe(run / "recipe.yaml")
    state = torch.load(run / "model.pt", weights_only=True)
    config = {"statistics": len(state["mean"]) - MOMENTS} | recipe.model
    model = Network(NetworkConfig(**config))
    model.load_state_dict(state)
    return model.eval()


if __name__ == "__main__":
    main()
