"""Kernel machine on the statistics of a window, the member of `speech-crnn` beside the networks:

    python -m training.speech.kernel RECIPE.yaml --fold 1 2 3 4 5 6 0      # 0: nobody is held out
    python -m training.speech.kernel RECIPE.yaml --fold 1 --dev 2          # choose settings
    python -m training.speech.kernel RECIPE.yaml --without ravdess casia nemo emodb

Ridge regression of the labels on Gaussians around landmarks, windows of the training speakers drawn
at random (Nyström; Williams and Seeger 2001). A run lives where one of `train.py` would, in kernel.pt.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
import yaml
from torch import Tensor, nn

from training.speech.corpora import LABELS, Utterance, class_mask, read_corpora
from training.speech.data import Sounds, load_sounds_of
from training.speech.evaluate import network_logits, summary
from training.speech.train import (
    held_out,
    row_weights,
    run_path,
    split,
    training_parser,
)

#: Deviations beyond this many spreads are cut.
MOST = 3.0
#: Added to the diagonal, so that landmarks that lie close to each other do no harm.
JITTER = 1e-3


@dataclass(frozen=True)
class KernelRecipe:
    """Settings. `copies` weigh the rendered copies, the clean one counts 1; `share` is as in `Recipe`.

    `width` is the factor of the squared distance divided by the number of statistics, `ridge` the
    penalty, `landmarks` their number in each of `draws` machines that are averaged, and `sharpness` what turns scores
    into logits.
    """

    name: str
    share: dict[str, float]
    copies: dict[str, float] = field(default_factory=dict)
    width: float = 0.7
    ridge: float = 0.1
    landmarks: int = 1500
    draws: int = 3
    sharpness: float = 5.0
    seed: int = 1


def read_kernel_recipe(path: Path) -> KernelRecipe:
    """Reads a recipe. Raises ValueError naming an unknown key."""
    values = {"name": path.stem} | yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = sorted(set(values) - {f.name for f in fields(KernelRecipe)})
    if unknown:
        raise ValueError(f"{path}: unknown key {', '.join(unknown)}")
    return KernelRecipe(**values)


class KernelReader(nn.Module):
    """Statistics `[batch, n]` to normalised logits `[batch, 8]`; knows nothing of sequences and time."""

    def __init__(self, landmarks: int, statistics: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("spread", torch.ones(statistics))
        self.register_buffer("landmarks", torch.zeros(landmarks, statistics))
        self.register_buffer("weights", torch.zeros(landmarks, len(LABELS)))
        self.register_buffer("width", torch.ones(()))

    def standardised(self, statistics: Tensor) -> Tensor:
        """Deviations from the training windows, within `MOST`."""
        return ((statistics - self.mean) / self.spread).clamp(-MOST, MOST)

    def forward(self, sequence: Tensor | None, statistics: Tensor) -> tuple[Tensor, None]:  # fmt: skip
        """See the class; `sequence` is not looked at, and there are no time weights."""
        near = gaussians(self.standardised(statistics), self.landmarks, self.width)
        return (near @ self.weights).log_softmax(-1), None


def gaussians(values: Tensor, landmarks: Tensor, width: Tensor | float) -> Tensor:
    """exp(-width · squared distance): `[rows, n]` and `[landmarks, n]` to `[rows, landmarks]`."""
    squares = values.square().sum(1, keepdim=True) + landmarks.square().sum(1)
    return torch.exp(-width * (squares - 2 * values @ landmarks.T).clamp_min(0))


def training_windows(
    sounds: Sounds, training: list[int], weights: np.ndarray, copies: list[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics `[rows, n]` of the nodes' windows of all copies, whose they are, and their weights, mean 1."""
    values, owners, parts = [], [], []
    for copy, share in enumerate(copies):
        counts = sounds.counts[copy, training]
        first = sounds.first_windows[copy, training]
        owner = np.repeat(np.arange(len(training)), counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        values.append(sounds.windows[first[owner] + offset])
        owners.append(np.array(training)[owner])
        parts.append(share * weights[owner])
    weight = np.concatenate(parts)
    return np.concatenate(values), np.concatenate(owners), weight / weight.mean()


def fit(
    recipe: KernelRecipe,
    utterances: list[Utterance],
    training: list[int],
    sounds: Sounds,
) -> KernelReader:
    """The machine of the training utterances. A label that a corpus does not have is neither for nor against its rows."""
    share = row_weights(utterances, training, recipe.share)
    copies = [1.0, *recipe.copies.values()]
    values, owners, weight = training_windows(sounds, training, share, copies)
    random = np.random.default_rng(recipe.seed)
    reader = KernelReader(recipe.landmarks * recipe.draws, values.shape[1])
    reader.mean.copy_(torch.from_numpy(values.mean(0)))
    reader.spread.copy_(torch.from_numpy(values.std(0) + 1e-6))
    reader.width.fill_(recipe.width / values.shape[1])
    rows = reader.standardised(torch.from_numpy(values))
    target = np.zeros((len(utterances), len(LABELS)))
    for i in training:
        allowed = class_mask(utterances[i].corpus)
        target[i, allowed] = -1 / allowed.sum()
        target[i, utterances[i].label] += 1
    root = torch.from_numpy(np.sqrt(weight))[:, None]
    weighed = torch.from_numpy(target[owners]) * root
    exact = rows.double()
    for draw in range(recipe.draws):
        chosen = random.choice(
            len(rows), recipe.landmarks, replace=False, p=weight / weight.sum()
        )
        landmarks = rows[torch.from_numpy(chosen)]
        near = gaussians(exact, landmarks.double(), recipe.width / rows.shape[1]) * root
        among = near.new_tensor(np.eye(len(landmarks))) * JITTER
        among += recipe.ridge * gaussians(
            landmarks.double(), landmarks.double(), recipe.width / rows.shape[1]
        )
        found = scipy.linalg.solve(
            (near.T @ near + among).numpy(), (near.T @ weighed).numpy(), assume_a="pos"
        )
        here = slice(draw * recipe.landmarks, (draw + 1) * recipe.landmarks)
        reader.landmarks[here] = landmarks
        scale = recipe.sharpness / recipe.draws
        reader.weights[here] = torch.from_numpy(found * scale).float()
    return reader.eval()


def load_reader(run: Path) -> KernelReader:
    """The machine of a finished run."""
    state = torch.load(run / "kernel.pt", weights_only=True)
    reader = KernelReader(*state["landmarks"].shape)
    reader.load_state_dict(state)
    return reader.eval()


def main() -> None:
    """Command line."""
    arguments = training_parser(__doc__).parse_args()
    torch.set_num_threads(1)
    recipe = read_kernel_recipe(arguments.recipe)
    utterances = read_corpora(arguments.data)
    sounds = load_sounds_of(arguments.runs, ("clean", *recipe.copies))
    for fold, without in held_out(arguments):
        training, development, _ = split(utterances, fold, arguments.dev, without)
        run = run_path(arguments.runs, recipe, fold, arguments.dev, without)
        run.mkdir(parents=True, exist_ok=True)
        if not (run / "kernel.pt").exists():
            started = time.process_time()
            reader = fit(recipe, utterances, training, sounds)
            torch.save(reader.state_dict(), run / "kernel.part")
            (run / "kernel.part").rename(run / "kernel.pt")
            print(f"{run.name}: {time.process_time() - started:.0f} s", flush=True)
        if development:
            logits = network_logits(load_reader(run), sounds, development)
            print(json.dumps(summary(logits, utterances, development)), flush=True)


if __name__ == "__main__":
    main()
