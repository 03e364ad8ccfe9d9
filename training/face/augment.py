"""What webcams, compression and people do to a face, on whole batches of grey crops.

All functions take and return float tensors [n, 1, h, w] with values 0–1 and draw from torch's
global generator, so that a seed repeats a run.
"""

from __future__ import annotations

import io
import math

import torch
import torch.nn.functional as F
from PIL import Image


def uniform(n: int, low: float, high: float) -> torch.Tensor:
    return torch.empty(n).uniform_(low, high)


def geometry(
    x: torch.Tensor, degrees: float = 15, scale: float = 0.15, shift: float = 0.1, shear: float = 0.08,
    window: int | None = None,
) -> torch.Tensor:
    """Mirror (half of the pictures), rotation, scale, aspect, shift (share of the side) and shear.

    With `window` only so many pixels a side are kept, from anywhere in the picture, at its own scale.
    """
    n, side = len(x), x.shape[-1]
    window = window or side
    share = window / side
    angle = torch.deg2rad(uniform(n, -degrees, degrees))
    zoom = torch.exp(uniform(n, -scale, scale))
    aspect = torch.exp(uniform(n, -0.06, 0.06))
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin, lean = torch.cos(angle), torch.sin(angle), uniform(n, -shear, shear)
    # In the units of the grid, where a picture is two wide; a window may lie at any edge of it.
    way = 2 * shift + 1 - share
    theta = torch.stack(
        [
            torch.stack([share * mirror * zoom * aspect * cos, share * zoom * (-sin + lean), uniform(n, -way, way)], 1),
            torch.stack([share * mirror * zoom * sin, share * zoom / aspect * cos, uniform(n, -way, way)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, x.shape[1], window, window], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def light(x: torch.Tensor, share: float = 0.7) -> torch.Tensor:
    """Gain, gamma and offset with clipping, a lit side, and the noise of a dark room."""
    chosen = torch.nonzero(torch.rand(len(x)) < share)[:, 0]
    n, (h, w) = len(chosen), x.shape[2:]
    gain = torch.exp(uniform(n, -0.7, 0.35)).view(n, 1, 1, 1)
    gamma = torch.exp(uniform(n, -0.5, 0.5)).view(n, 1, 1, 1)
    offset = uniform(n, -0.12, 0.12).view(n, 1, 1, 1)
    angle, slope = uniform(n, 0, 2 * math.pi), uniform(n, 0, 0.5)
    along_x = (slope * torch.cos(angle)).view(n, 1, 1, 1) * torch.linspace(-1, 1, w)
    along_y = (slope * torch.sin(angle)).view(n, 1, 1, 1) * torch.linspace(-1, 1, h)[:, None]
    lit = x[chosen].clamp(1e-3, 1) ** gamma * (gain * (1 + along_x + along_y)) + offset
    noisy = torch.nonzero(torch.rand(n) < 0.3)[:, 0]
    sigma = uniform(len(noisy), 0, 0.08).view(-1, 1, 1, 1)
    lit[noisy] += torch.randn(len(noisy), 1, h, w) * sigma
    out = x.clone()
    out[chosen] = lit.clamp(0, 1)
    return out


def blur(x: torch.Tensor, share: float = 0.2) -> torch.Tensor:
    """Out of focus (Gaussian), moved (a line), or enlarged from fewer pixels; one of the three."""
    chosen = torch.nonzero(torch.rand(len(x)) < share)[:, 0]
    if len(chosen) == 0:
        return x
    out = x.clone()
    focus, motion, small = chosen.tensor_split(3)
    if len(focus):
        sigma = uniform(len(focus), 0.4, 1.6)
        offsets = torch.arange(-3, 4).float()
        kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
        kernel = kernel / kernel.sum(1, keepdim=True)
        picked = F.pad(x[focus].transpose(0, 1), (3, 3, 3, 3), mode="replicate")
        picked = F.conv2d(picked, kernel[:, None, :, None], groups=len(focus))
        out[focus] = F.conv2d(picked, kernel[:, None, None, :], groups=len(focus)).transpose(0, 1)
    if len(motion):
        line = torch.zeros(len(motion), 1, 5, 5)
        flat = torch.rand(len(motion)) < 0.5
        line[flat, :, 2, :] = 0.2
        line[~flat, :, :, 2] = 0.2
        picked = F.pad(x[motion].transpose(0, 1), (2, 2, 2, 2), mode="replicate")
        out[motion] = F.conv2d(picked, line, groups=len(motion)).transpose(0, 1)
    if len(small):
        side = int(torch.randint(16, 33, ()))
        fewer = F.interpolate(x[small], (side, side), mode="area")
        out[small] = F.interpolate(fewer, x.shape[2:], mode="bilinear", align_corners=False)
    return out


def jpeg(x: torch.Tensor, share: float = 0.1) -> torch.Tensor:
    """A real JPEG round trip at quality 15–70."""
    out = x
    for i in torch.nonzero(torch.rand(len(x)) < share)[:, 0].tolist():
        if out is x:
            out = x.clone()
        file = io.BytesIO()
        Image.fromarray((x[i, 0] * 255).byte().numpy()).save(
            file, "JPEG", quality=int(torch.randint(15, 71, ()))
        )
        out[i, 0] = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8).view(
            x.shape[2:]
        ).float() / 255
    return out


def occlude(x: torch.Tensor, share: float = 0.35, largest: float = 0.2) -> torch.Tensor:
    """A box of up to `largest` of the area becomes flat or noise: a hand, a microphone, a mask."""
    h, w = x.shape[2:]
    out = x.clone()
    for i in torch.nonzero(torch.rand(len(x)) < share)[:, 0].tolist():
        area, ratio = float(uniform(1, 0.02, largest)), math.exp(float(uniform(1, -0.8, 0.8)))
        bh, bw = round(math.sqrt(area * ratio) * h), round(math.sqrt(area / ratio) * w)
        top, left = int(torch.randint(-bh // 2, h - bh // 2, ())), int(torch.randint(-bw // 2, w - bw // 2, ()))
        box = out[i, 0, max(0, top) : max(0, top + bh), max(0, left) : max(0, left + bw)]
        if torch.rand(()) < 0.3:
            box.uniform_(0, 1)
        else:
            box.fill_(float(torch.rand(())))
    return out


def augment(
    images: torch.Tensor, side: int, strength: float = 1, windows: bool = False
) -> torch.Tensor:
    """uint8 crops [n, h, w] → augmented float crops [n, 1, side, side].

    `strength` scales how far faces move and how many of them are lit, blurred, compressed and covered.
    `windows` cuts `side` pixels out instead of making the picture smaller: cheap, and nothing of the
    detail is lost.
    """
    x = images[:, None].float() / 255
    x = geometry(x, *(strength * most for most in (15, 0.15, 0.1, 0.08)), side if windows else None)
    if side != x.shape[-1]:
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=True)
    x = jpeg(light(blur(x, 0.2 * strength), 0.7 * strength), 0.1 * strength)
    return occlude(x, 0.35 * strength)


def mixup(
    x: torch.Tensor, targets: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of pictures and their targets in one Beta(alpha, alpha) proportion a batch (Zhang et al. 2018)."""
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(x))
    return share * x + (1 - share) * x[other], share * targets + (1 - share) * targets[other]
