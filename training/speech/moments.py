"""The network's second reader: a perceptron on how the cepstra of a window lie and move.

    python -m training.speech.moments training/speech/recipes/speech-moments.yaml --folds 0 1 2 3 4 5 6

Trains in seconds, and errs elsewhere than the recurrent network: both together are what ships. A run
lives in RUNS/<recipe>-fold<k>-seed<s>/, as those of `train.py`.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import yaml
from torch import Tensor
from torch.nn.functional import conv1d, one_hot

from training.speech.augment import augmented
from training.speech.corpora import FOLDS, LABELS, Utterance, class_mask, read_corpora
from training.speech.evaluate import predict
from training.speech.model import FRAMES, MOMENTS, Moments, cosine_basis, moments
from training.speech.prepare import ROOT, Features, load_features
from training.speech.train import row_weights, split
from training.speech.windows import random_frames
from training.text.losses import masked_cross_entropy


@dataclass(frozen=True)
class MomentsRecipe:
    """Settings of the perceptron; `augment` as in `recipe.Recipe`, without second voices."""

    share: dict[str, float]
    augment: dict[str, float]
    views: int = 8
    hidden: int = 128
    dropout: float = 0.5
    steps: int = 2500
    batch: int = 128
    rate: float = 2e-3
    weight_decay: float = 0.05
    mixup: float = 0.4
    noise: float = 0.2
    seed: int = 1


def view_bank(
    features: Features, recipe: MomentsRecipe, noise: np.ndarray
) -> np.ndarray:
    """Moments of `views` changed windows of every sound, float32 `[views, sounds, moments]`."""
    random = np.random.default_rng(recipe.seed)
    basis = torch.from_numpy(cosine_basis(MOMENTS.coefficients)).float().unsqueeze(-1)

    def noises(count: int) -> Tensor:
        starts = random.integers(len(noise) - FRAMES, size=count)
        pieces = np.stack([noise[s : s + FRAMES].T for s in starts])
        return torch.from_numpy(pieces.astype(np.float32))

    rows = SimpleNamespace(recipe=recipe, random=random, noises=noises)
    sounds = len(features.frames)
    bank = np.empty((recipe.views, sounds, MOMENTS.size), np.float32)
    for view in range(recipe.views):
        for start in range(0, sounds, 256):
            index = np.arange(start, min(sounds, start + 256))
            at = random_frames(
                features.frames[index], random, recipe.augment["stretch"]
            )
            pictures = features.mel[at + features.starts[index][:, None]]
            mel = torch.from_numpy(pictures.transpose(0, 2, 1).astype(np.float32))
            inputs = augmented(mel.contiguous(), rows).squeeze(1)
            bank[view, index] = moments(conv1d(inputs, basis)).numpy()
    return bank


def train_moments(
    recipe: MomentsRecipe,
    bank: np.ndarray,
    utterances: list[Utterance],
    training: list[int],
) -> Moments:
    """The perceptron after all steps; mixup of rows, noise on the standardised moments."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    index = np.array(training)
    model = Moments(recipe.hidden, recipe.dropout)
    known = bank[:, index].reshape(-1, bank.shape[-1])
    model.mean.copy_(torch.from_numpy(known.mean(0)))
    model.spread.copy_(torch.from_numpy(known.std(0) + 1e-4))
    labels = torch.tensor([u.label for u in utterances])
    allowed = torch.from_numpy(np.stack([class_mask(u.corpus) for u in utterances]))
    weights = row_weights(utterances, training, recipe.share)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
    )
    model.train()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * 0.5 * (1 + np.cos(np.pi * step / recipe.steps))
        chosen = random.choice(index, recipe.batch, p=weights)
        views = random.integers(len(bank), size=recipe.batch)
        x = model.standardised(torch.from_numpy(bank[views, chosen]))
        x = x + recipe.noise * torch.randn(x.shape)
        share = float(random.beta(recipe.mixup, recipe.mixup))
        order = torch.from_numpy(random.permutation(recipe.batch))
        logits = model.classify(share * x + (1 - share) * x[order])
        target = one_hot(labels[chosen], len(LABELS)).float()
        mask = allowed[chosen]
        first = masked_cross_entropy(logits, target, mask)
        second = masked_cross_entropy(logits, target[order], mask[order])
        loss = (share * first + (1 - share) * second).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return model.eval()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--folds", type=int, nargs="*", default=range(FOLDS + 1))
    parser.add_argument("--without", nargs="*", default=[], metavar="CORPUS")
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    values = yaml.safe_load(arguments.recipe.read_text(encoding="utf-8"))
    recipe = MomentsRecipe(**values)
    utterances = read_corpora(arguments.data)
    file = arguments.runs / f"{arguments.recipe.stem}-bank.npy"
    if not file.exists():
        noise = np.load(arguments.runs / "features" / "noise.npy")
        np.save(file, view_bank(load_features(arguments.runs, "clean"), recipe, noise))
    bank = np.load(file)
    jobs = [(fold, "") for fold in arguments.folds]
    jobs += [(0, corpus) for corpus in arguments.without]
    for fold, without in jobs:
        name = f"without-{without}" if without else f"fold{fold}"
        run = arguments.runs / f"{arguments.recipe.stem}-{name}-seed{recipe.seed}"
        run.mkdir(parents=True, exist_ok=True)
        training, _, test = split(utterances, fold, 0, without)
        model = train_moments(recipe, bank, utterances, training)
        torch.save(model.state_dict(), run / "model.pt")
        (run / "moments.yaml").write_text(yaml.safe_dump(values))
        if test:
            predict(run, utterances, arguments.runs)
        print(run.name, flush=True)


if __name__ == "__main__":
    main()
