"""Clips out of stills: a face is warped from a calmer shape to the one of its picture.

Real clips are few (269 sequences of CK+, three frames each), so most of what the clip networks see
is made here. For each emotion the mean displacement of the 68 points against neutral faces is
measured on FER2013's training part; a still of that emotion, warped back by it, is the first
frame, and the still itself the apex. Part of the clips also fade in from a neutral face of another
person that looks alike. What cannot be made this way: wrinkles and teeth that appear, real timing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .augment import jpeg, uniform
from .clip_models import FRAMES

SIDE = 48
# Points that an expression hardly moves: corners of the eyes, bridge and base of the nose.
STEADY = [27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45]
# Brows and eyes, nose, mouth and jaw: each moves at its own time.
GROUPS = ([*range(17, 27), *range(36, 48)], [*range(27, 36)], [*range(17), *range(48, 68)])
# How far the pull of a point reaches, in pixels, and how much holds the rest still.
REACH, ANCHOR = 4.0, 0.05


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift [2, 3] that bring points [k, 2] closest to others (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = (s * np.diag(flip)).sum() / max((a**2).sum(), 1e-9)
    linear = scale * rotation
    return np.hstack([linear, (target.mean(0) - linear @ source.mean(0))[:, None]])


def moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    return points @ transform[:, :2].T + transform[:, 2]


def upright(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shapes [n, 68, 2] brought onto the steady points of a reference shape."""
    return np.stack([moved(p, similarity(p[STEADY], reference[STEADY])) for p in points])


@dataclass(frozen=True)
class Displacements:
    """`reference` shape [68, 2] and `shift` [7, 68, 2]: what each emotion moves, neutral zero."""

    reference: np.ndarray
    shift: np.ndarray


def measure(points: np.ndarray, labels: np.ndarray) -> Displacements:
    """Mean displacement of each label from label 0, out of shapes [n, 68, 2] (NaN: no face)."""
    seen = np.isfinite(points[:, 0, 0])
    reference = points[seen].mean(0)
    for _ in range(2):
        reference = upright(points[seen], reference).mean(0)
    shapes = upright(points[seen], reference)
    means = np.stack([shapes[labels[seen] == k].mean(0) for k in range(7)])
    shift = means - means[0]
    # The mirror picture of a face is a face: what differs between the halves is chance.
    return Displacements(reference.astype(np.float32), symmetric(shift).astype(np.float32))


MIRRORED = np.array([
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
])  # fmt: skip


def symmetric(shift: np.ndarray) -> np.ndarray:
    """Mean of displacements [..., 68, 2] and their mirror picture."""
    return (shift + shift[..., MIRRORED, :] * np.float32([-1, 1])) / 2


def fields(points: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Smooth displacement fields [n, groups, 48, 48, 2] in pixels.

    Each pixel moves as the points [n, 68, 2] near it (a Gaussian mean); far from all it stays.
    `shifts` [n, 68, 2]; a group's field takes its own points as moving and the others as still.
    """
    grid = torch.arange(SIDE) + 0.5
    dx = (grid[None, None, :] - points[:, :, :1]) ** 2
    dy = (grid[None, None, :] - points[:, :, 1:]) ** 2
    pull = torch.exp(-(dy[..., :, None] + dx[..., None, :]) / (2 * REACH**2))
    total = pull.sum(1) + ANCHOR
    out = [torch.einsum("nphw,npc->nhwc", pull[:, g], shifts[:, g]) / total[..., None] for g in GROUPS]
    return torch.stack(out, 1)


def warp(images: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Images [n, 1, 48, 48] moved by a field [n, 48, 48, 2] in pixels, border repeated."""
    grid = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    still = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    return F.grid_sample(
        images, still - field * (2 / SIDE), mode="bilinear", padding_mode="border", align_corners=False
    )


def ramps(n: int, frames: int = FRAMES) -> torch.Tensor:
    """Intensity over time [n, frames], 0 neutral to 1 apex: most rise, some hold, rise and fall, or fall."""
    time = torch.linspace(0, 1, frames)

    def smooth(start: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        u = ((time - start[:, None]) / length[:, None]).clamp(0, 1)
        return u * u * (3 - 2 * u)

    kind = torch.rand(n)
    onset, rise = uniform(n, -0.25, 0.45), uniform(n, 0.2, 0.8)
    up = smooth(onset, torch.minimum(rise, 1 - onset))
    down = 1 - smooth(uniform(n, 0.5, 0.8), uniform(n, 0.2, 0.6)) * uniform(n, 0.3, 0.8)[:, None]
    fall = 1 - smooth(uniform(n, 0.1, 0.5), uniform(n, 0.3, 0.8)) * uniform(n, 0.4, 0.9)[:, None]
    out = torch.where((kind < 0.6)[:, None], up, up * down)
    out = torch.where((kind >= 0.75)[:, None], torch.ones_like(up), out)
    return torch.where((kind >= 0.92)[:, None], fall, out)


@dataclass(frozen=True)
class Stills:
    """Material for clips: `images` uint8 [n, 48, 48], `targets` [n, 7], `points` [n, 68, 2] or NaN."""

    images: np.ndarray
    targets: np.ndarray
    points: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return self.targets.argmax(1)


class ClipMaker:
    """Makes clips [n, 16, 1, 48, 48], 0-1, from stills; draws from torch's global generator."""

    def __init__(self, stills: Stills, displacements: Displacements, alike: int = 8) -> None:
        self.stills = stills
        self.displacements = displacements
        self.images = torch.from_numpy(stills.images)
        self.targets = torch.from_numpy(stills.targets)
        self.points = torch.from_numpy(stills.points)
        self.seen = torch.isfinite(self.points[:, 0, 0])
        neutral = torch.nonzero((self.targets.argmax(1) == 0) & self.seen)[:, 0]
        self.partners = self._alike(neutral, alike)

    def _alike(self, neutral: torch.Tensor, count: int) -> torch.Tensor:
        """For each still the neutral stills whose coarse picture is the most alike, [n, count]."""
        small = F.avg_pool2d(self.images[:, None].float(), 4).flatten(1)
        small = F.normalize(small - small.mean(1, keepdim=True))
        found = [
            neutral[(part @ small[neutral].T).topk(min(count, len(neutral))).indices]
            for part in small.split(2048)
        ]
        return torch.cat(found)

    def _shifts(self, chosen: torch.Tensor) -> torch.Tensor:
        """What the emotion moved in each still, turned and scaled as its face is: [n, 68, 2]."""
        reference, shift = self.displacements.reference, self.displacements.shift
        out = np.zeros((len(chosen), 68, 2), np.float32)
        labels = self.targets[chosen].argmax(1).numpy()
        for row, (i, label) in enumerate(zip(chosen.tolist(), labels, strict=True)):
            points = self.stills.points[i]
            if np.isfinite(points[0, 0]):
                linear = similarity(reference[STEADY], points[STEADY])[:, :2]
                out[row] = shift[label] @ linear.T
        return torch.from_numpy(out) * torch.exp(uniform(len(chosen), -0.5, 0.6))[:, None, None]

    def _faded(self, clips: torch.Tensor, chosen: torch.Tensor, calm: torch.Tensor) -> torch.Tensor:
        """Half of the clips fade in from a neutral face of somebody who looks alike."""
        fade = torch.nonzero((torch.rand(len(chosen)) < 0.5) & self.seen[chosen])[:, 0]
        if len(fade) == 0:
            return clips
        pick = self.partners[chosen[fade], torch.randint(self.partners.shape[1], (len(fade),))]
        onto = np.stack([
            similarity(self.stills.points[i][STEADY], self.stills.points[j][STEADY])
            for i, j in zip(chosen[fade].tolist(), pick.tolist(), strict=True)
        ])
        # From pixels to the unit square of affine_grid.
        theta = torch.from_numpy(onto).float()
        theta[:, :, 2] = (theta[:, :, 2] + theta[:, :, :2].sum(2) * SIDE / 2) * 2 / SIDE - 1
        grid = F.affine_grid(theta, [len(fade), 1, SIDE, SIDE], align_corners=False)
        other = F.grid_sample(
            self.images[pick][:, None].float() / 255, grid, padding_mode="border", align_corners=False
        )
        mine = clips[fade, -1]
        spread = mine.std((1, 2, 3), keepdim=True) / other.std((1, 2, 3), keepdim=True).clamp(min=1e-3)
        other = (other - other.mean((1, 2, 3), keepdim=True)) * spread + mine.mean((1, 2, 3), keepdim=True)
        share = (calm[fade] * uniform(len(fade), 0.5, 1)[:, None])[:, :, None, None, None]
        clips[fade] = clips[fade] * (1 - share) + other.clamp(0, 1)[:, None] * share
        return clips

    def make(self, chosen: torch.Tensor) -> torch.Tensor:
        """Clips of the stills with these indices, before `augment_clips`."""
        n = len(chosen)
        intensity = ramps(n)
        points = torch.nan_to_num(self.points[chosen], nan=SIDE / 2)
        field = fields(points, self._shifts(chosen))
        # Each part of the face runs a little ahead of the others or behind them.
        late = (intensity[:, None] ** torch.exp(uniform(n * 3, -0.4, 0.4)).view(n, 3, 1)) - 1
        total = torch.einsum("ngt,nghwc->nthwc", late, field)
        still = self.images[chosen][:, None, None].float().expand(-1, FRAMES, -1, -1, -1) / 255
        clips = warp(still.flatten(0, 1), total.flatten(0, 1)).unflatten(0, (n, FRAMES))
        return self._faded(clips, chosen, 1 - intensity)

    def make_real(self, triples: torch.Tensor) -> torch.Tensor:
        """Clips that end with three real frames of one sequence; `triples` [n, 3] are their indices.

        What leads to the first of them is made as in `make`.
        """
        n = len(triples)
        clips = self.make(triples[:, 0])
        real = self.images[triples][:, :, None].float() / 255
        for row in range(n):
            last = int(torch.randint(3, 10, ()))
            # The three frames, each standing for as long as the others, at the clip's end.
            index = torch.arange(last) * 3 // last
            clips[row, FRAMES - last :] = real[row, index]
        return clips


def augment_clips(clips: torch.Tensor) -> torch.Tensor:
    """What a camera and a head do to a clip: mirror, turn, scale, drift, light, blur, JPEG, a hand.

    Each is drawn once a clip and holds for all its frames, apart from a slow drift and noise.
    """
    n, frames = clips.shape[:2]

    def drift(spread: float) -> torch.Tensor:
        """[n, frames]: a start and an end, and a straight line between them."""
        time = torch.linspace(-1, 1, frames)
        return torch.randn(n, 1) * spread * time + torch.randn(n, frames) * spread * 0.1

    angle = torch.deg2rad(uniform(n, -12, 12)[:, None] + drift(2.0))
    zoom = torch.exp(uniform(n, -0.13, 0.13)[:, None] + drift(0.015))
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)[:, None]
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack([
        torch.stack([mirror * cos, -sin, uniform(n, -0.16, 0.16)[:, None] + drift(0.02)], -1),
        torch.stack([mirror * sin, cos, uniform(n, -0.16, 0.16)[:, None] + drift(0.02)], -1),
    ], 2)
    flat = clips.flatten(0, 1)
    grid = F.affine_grid(theta.flatten(0, 1), list(flat.shape), align_corners=False)
    x = F.grid_sample(flat, grid, padding_mode="border", align_corners=False).unflatten(0, (n, frames))

    blurred = torch.nonzero(torch.rand(n) < 0.25)[:, 0]
    if len(blurred):
        offsets = torch.arange(-3, 4).float()
        kernel = torch.exp(-(offsets**2) / (2 * uniform(len(blurred), 0.4, 1.6)[:, None] ** 2))
        kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
        rows = F.pad(x[blurred, :, 0].transpose(0, 1), (3, 3, 3, 3), mode="replicate")
        rows = F.conv2d(rows, kernel[..., None, :], groups=len(blurred))
        x[blurred, :, 0] = F.conv2d(rows, kernel[..., None], groups=len(blurred)).transpose(0, 1)

    lit = (torch.rand(n) < 0.7).float().view(n, 1, 1, 1, 1)
    view = (n, 1, 1, 1, 1)
    gain = torch.exp(uniform(n, -0.7, 0.35)).view(view) * torch.exp(drift(0.05)).view(n, frames, 1, 1, 1)
    bright = x.clamp(1e-3, 1) ** torch.exp(uniform(n, -0.5, 0.5)).view(view) * gain
    bright = bright + uniform(n, -0.12, 0.12).view(view)
    bright = bright + torch.randn_like(x) * (uniform(n, -0.1, 0.06).clamp(min=0)).view(view)
    x = (x + lit * (bright - x)).clamp(0, 1)

    x = jpeg(x.reshape(n, 1, frames * SIDE, SIDE), 0.1).reshape(x.shape)
    for row in torch.nonzero(torch.rand(n) < 0.2)[:, 0].tolist():
        height, width = torch.randint(8, 25, (2,)).tolist()
        top, left = torch.randint(0, SIDE - 8, (2,)).tolist()
        x[row, :, 0, top : top + height, left : left + width] = torch.rand(())
    return x
