"""The two networks over clips of one face, and the part that they share.

Input of both: float32 [n, frames, 1, 48, 48], grey 0-1. `forward` gives logits [n, 7], the weights
of the steps [n, steps] (sum 1) and the saliency [n, 6, 6] of the last step: how much each place
spoke for the label with the highest logit, 0 or more.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .pair import Pair
from .trunk import Standardise, Trunk

FRAMES = 16


class Answer(NamedTuple):
    logits: torch.Tensor
    weights: torch.Tensor
    saliency: torch.Tensor


class TemporalHead(nn.Module):
    """LSTM over the changes of the features, and attention over the steps.

    The LSTM has no bias and reads differences of neighbouring steps, so that a face that does not
    move gives states of zero: a still gets exactly the logits that `classify` gives its features,
    however often it is repeated. Attention chooses the steps by features and state together.
    """

    def __init__(self, width: int, hidden: int = 64, inner: int = 48, classes: int = 7) -> None:
        super().__init__()
        self.hidden = hidden
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bias=False)
        self.look = nn.Linear(width, inner, bias=True)
        self.recall = nn.Linear(hidden, inner, bias=False)
        self.score = nn.Linear(inner, 1, bias=False)
        self.motion = nn.Linear(hidden, classes, bias=False)
        nn.init.zeros_(self.motion.weight)
        nn.init.zeros_(self.score.weight)

    def forward(
        self, features: torch.Tensor, classify: nn.Linear
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [n, steps, width] → logits [n, classes], weights [n, steps]."""
        change = features - torch.cat([features[:, :1], features[:, :-1]], 1)
        states, _ = self.lstm(change)
        scores = self.score(torch.tanh(self.look(features) + self.recall(states)))[..., 0]
        weights = scores.softmax(1)
        pooled = (weights[:, None] @ features)[:, 0]
        moved = (weights[:, None] @ states)[:, 0]
        return classify(pooled) + self.motion(moved), weights


def saliency(maps: torch.Tensor, logits: torch.Tensor, classify: nn.Linear) -> torch.Tensor:
    """Class activation map (Zhou et al. 2016) of the winning label, without what speaks against it.

    `maps` [n, width, 6, 6] → [n, 6, 6]; mean over places plus bias is that picture's logit where
    nothing is cut off.
    """
    winner = classify.weight[logits.argmax(1)]
    return F.relu((maps * winner[:, :, None, None]).sum(1))


class FaceCnnLstm(nn.Module):
    """The trunk, or a pair of them, on each frame, then `TemporalHead`. Takes clips of any length from one frame on.

    With `mirror` a frame's features are the mean of those of the frame and of its mirror picture.
    """

    def __init__(self, trunk: Trunk | Pair, mirror: bool, hidden: int = 64) -> None:
        super().__init__()
        self.trunk, self.mirror = trunk, mirror
        self.head = TemporalHead(trunk.width, hidden)

    def maps(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [n, 1, 48, 48] → [n, width, 6, 6]."""
        maps = self.trunk.maps(frames)
        if not self.mirror:
            return maps
        return (maps + self.trunk.maps(frames.flip(3)).flip(3)) / 2

    def forward(self, clip: torch.Tensor) -> Answer:
        n, frames = clip.shape[:2]
        maps = self.maps(clip.flatten(0, 1))
        features = maps.mean((2, 3)).unflatten(0, (n, frames))
        logits, weights = self.head(features, self.trunk.classify)
        last = maps.unflatten(0, (n, frames))[:, -1]
        return Answer(logits, weights, saliency(last, logits, self.trunk.classify))


class Residual3d(nn.Module):
    """`Residual` over pictures in time: the first convolution sees three steps, the second one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, (1, stride, stride), 1, bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, (1, 3, 3), 1, (0, 1, 1), bias=False),
            nn.BatchNorm3d(outputs),
        )
        shortcut: list[nn.Module] = [nn.AvgPool3d((1, stride, stride))] if stride > 1 else []
        if inputs != outputs:
            shortcut += [nn.Conv3d(inputs, outputs, 1, bias=False), nn.BatchNorm3d(outputs)]
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class Face3dCnnLstm(nn.Module):
    """Convolutions over space and time, two frames a step from the first layer on, then the head.

    The same stages as the trunk's. `inflate` starts them from a trunk's weights.
    """

    def __init__(
        self, stem: int, widths: tuple[int, ...], blocks: int, dropout: float,
        hidden: int = 64, classes: int = 7,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv3d(1, stem, (4, 5, 5), (2, 2, 2), (1, 2, 2), bias=False),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
        ]
        inputs = stem
        for stage, width in enumerate(widths):
            for block in range(blocks):
                layers.append(Residual3d(inputs, width, 2 if stage > 0 and block == 0 else 1))
                inputs = width
        self.standardise = Standardise()
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(inputs, classes)
        self.head = TemporalHead(inputs, hidden, classes=classes)

    @torch.no_grad()
    def inflate(self, trunk: Trunk) -> None:
        """Takes over a trunk's weights (after Carreira & Zisserman 2017): a still then gives what
        the trunk gives it. The stem looks at the two frames of a step, half each; a block's first
        convolution at the middle one of its three steps."""
        flat = trunk.layers.state_dict()
        for name, own in self.layers.state_dict().items():
            given = flat[name]
            if own.ndim == 5:
                middle = (own.shape[2] - 1) // 2
                own.zero_()
                if own.shape[2] == 4:
                    own[:, :, 1:3] = given[:, :, None] / 2
                else:
                    own[:, :, middle] = given
            else:
                own.copy_(given)
        self.classify.load_state_dict(trunk.classify.state_dict())

    def forward(self, clip: torch.Tensor) -> Answer:
        n, frames = clip.shape[:2]
        x = self.standardise(clip.flatten(0, 1)).unflatten(0, (n, frames))
        maps = self.layers(x.transpose(1, 2))
        features = self.dropout(maps.mean((3, 4)).transpose(1, 2))
        logits, weights = self.head(features, self.classify)
        return Answer(logits, weights, saliency(maps[:, :, -1], logits, self.classify))
