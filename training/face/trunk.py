"""The per-frame trunk: a small residual network over one grey face crop.

Input [n, 1, 48, 48] grey values 0–1 (or 0–255: the first layer removes each crop's own mean and
contrast, so the scale does not matter). `features` gives [n, width], `forward` logits [n, 7].
"""

from __future__ import annotations

import torch
from torch import nn


class Standardise(nn.Module):
    """Zero mean and unit variance for each crop: the same face in the dark and in the sun."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        centred = x - mean
        variance = (centred * centred).mean(dim=(2, 3), keepdim=True)
        # The floor is far under the contrast of any picture; it keeps a flat crop finite.
        return centred / torch.sqrt(variance + 1e-6)


class Gate(nn.Module):
    """Weighs the channels by what the whole picture holds of each (Hu et al. 2018)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, inner)
        self.excite = nn.Linear(inner, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * share[:, :, None, None]


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; the shortcut of a stride is average pooling.

    With `gate` the branch ends in a `Gate` with so many times fewer inner units than channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, gate: int = 0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            *([Gate(outputs, outputs // gate)] if gate else []),
        )
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if inputs != outputs:
            shortcut += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class Trunk(nn.Module):
    def __init__(
        self, stem: int = 32, widths: tuple[int, ...] = (48, 96, 192),
        blocks: int | tuple[int, ...] = 2, dropout: float = 0.3, classes: int = 7, gate: int = 0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, stem, 5, 2, 2, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        ]
        inputs = stem
        depths = (blocks,) * len(widths) if isinstance(blocks, int) else blocks
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for block in range(depth):
                layers.append(Residual(inputs, width, 2 if stage > 0 and block == 0 else 1, gate))
                inputs = width
        self.standardise = Standardise()
        self.layers = nn.Sequential(*layers)
        self.width = inputs
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """The last convolution's output, [n, width, 6, 6]; what a saliency picture is made of."""
        return self.layers(self.standardise(x))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps(x).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.dropout(self.features(x)))
