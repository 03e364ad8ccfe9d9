"""Two trunks of different make that look at the same crop: the mean of what they say.

    python -m training.face.pair --data DIR --trunks runs/face-wide/best.pt runs/face-second/best.pt \\
        --out runs/face-pair/best.pt

writes a checkpoint that `train_cnn_lstm` takes as its trunk. How much each trunk counts is chosen on
FER2013's validation part, from `SHARES`; the test part is not opened here.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import fer2013
from .evaluate_trunk import calibration_error, fit_temperature
from .train_trunk import build as build_trunk
from .train_trunk import predict
from .trunk import Trunk

# How much the first of two trunks may count.
SHARES = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)


class Pair(nn.Module):
    """Stands in for a `Trunk`: its maps and features are those of all trunks, one after the other.

    One linear layer reads them all, so that everything behind a trunk (temporal head, saliency) goes on
    as with one.
    """

    def __init__(self, trunks: list[Trunk], shares: list[float] | None = None) -> None:
        """With `shares` the logits are those of the trunks in these proportions, else untrained."""
        super().__init__()
        self.trunks = nn.ModuleList(trunks)
        self.width = sum(trunk.width for trunk in trunks)
        self.classify = nn.Linear(self.width, trunks[0].classify.out_features)
        if shares is not None:
            self.share(shares)

    @torch.no_grad()
    def share(self, shares: list[float]) -> None:
        """Makes the logits the sum of the trunks' own, each times its share."""
        layers = [trunk.classify for trunk in self.trunks]
        self.classify.weight.copy_(
            torch.cat([part * layer.weight for part, layer in zip(shares, layers, strict=True)], 1)
        )
        self.classify.bias.copy_(sum(part * layer.bias for part, layer in zip(shares, layers, strict=True)))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Crops [n, 1, 48, 48] → [n, width, 6, 6]."""
        return torch.cat([trunk.maps(x) for trunk in self.trunks], 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps(x).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(x))


def build(recipe: dict) -> Trunk | Pair:
    """The network of a checkpoint's recipe: one trunk, or a pair of them where it lists `trunks`."""
    if "trunks" not in recipe:
        return build_trunk(recipe)
    return Pair([build_trunk(part) for part in recipe["trunks"]])


def mirrored(model: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Logarithms [n, 7] of what a network says of crops and their mirror images, the mean of both.

    Normalised, so that two networks may be compared and mixed.
    """
    straight, other = predict(model, images), predict(model, images.flip(2))
    return ((straight.clamp(min=1e-12).log() + other.clamp(min=1e-12).log()) / 2).log_softmax(1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--trunks", type=Path, nargs=2, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = fer2013.read_zip(Path(arguments.data) / "face/fer2013/validation.zip")
    images, labels = torch.from_numpy(rows.images), rows.labels

    trunks, recipes, found, temperatures = [], [], [], []
    for path in arguments.trunks:
        stored = torch.load(path, weights_only=False)
        trunk = build_trunk(stored["recipe"]).eval()
        trunk.load_state_dict(stored["averaged"])
        logits = mirrored(trunk.to(memory_format=torch.channels_last), images)
        temperature = fit_temperature(np.exp(logits), labels)
        print(f"{path}: accuracy {(logits.argmax(1) == labels).mean():.4f}, temperature {temperature:.3f}")
        trunks.append(trunk)
        recipes.append(stored["recipe"])
        found.append(logits / temperature)
        temperatures.append(temperature)
    agreement = (found[0].argmax(1) == found[1].argmax(1)).mean()
    print(f"the same answer: {agreement:.4f}")

    losses = []
    for share in SHARES:
        mixed = share * found[0] + (1 - share) * found[1]
        p = np.exp(mixed - np.logaddexp.reduce(mixed, 1, keepdims=True))
        losses.append(-np.log(p[np.arange(len(labels)), labels]).mean())
        print(
            f"share {share:.2f}: accuracy {(p.argmax(1) == labels).mean():.4f}, loss {losses[-1]:.4f}, "
            f"ECE {calibration_error(p, labels):.4f}"
        )
    # The likelihood moves evenly with the share; which of them is ahead in accuracy is chance.
    share = SHARES[int(np.argmin(losses))]
    pair = Pair(trunks, [share / temperatures[0], (1 - share) / temperatures[1]])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"recipe": {"trunks": recipes, "share": share}, "averaged": pair.state_dict()}, arguments.out)
    print(f"share {share:.2f} → {arguments.out}")


if __name__ == "__main__":
    main()
