"""What the clip networks learn from: FER2013's training stills, CK+'s last three frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import ck48
from .clip_models import FRAMES
from .evaluate_trunk import fit_temperature
from .motion import ClipMaker, Stills, augment_clips, measure
from .pair import Pair, build
from .read_landmarks import stored
from .train_trunk import predict, prepared
from .trunk import Trunk


@dataclass(frozen=True)
class Material:
    """`train` and `validation` make clips of FER2013's parts, `posed` clips of CK+.

    `posed` holds the neutral stills of FER2013's training part behind CK+'s frames, because CK+ here
    has none to fade in from. `triples` [sequences, 3] and `subjects` [sequences] belong to CK+.
    """

    train: ClipMaker
    validation: ClipMaker
    posed: ClipMaker
    triples: torch.Tensor
    subjects: np.ndarray
    frames: ck48.Frames


def material(data: Path, runs: Path) -> Material:
    """From the corpora and the landmarks that `read_landmarks` left in `runs`."""
    train, validation = prepared(data / "face/fer2013", runs)
    frames = ck48.load(data / "face/ck48")
    points = {name: stored(runs, name) for name in ("train", "validation", "ck48")}
    displacements = measure(points["train"], train.labels)
    calm = np.flatnonzero((train.labels == 0) & np.isfinite(points["train"][:, 0, 0]))
    posed = Stills(
        np.concatenate([frames.images, train.images[calm]]),
        np.concatenate([np.eye(7, dtype=np.float32)[frames.labels], train.targets[calm]]),
        np.concatenate([points["ck48"], points["train"][calm]]),
    )
    triples = ck48.triples(frames)
    return Material(
        ClipMaker(Stills(train.images, train.targets, points["train"]), displacements),
        ClipMaker(Stills(validation.images, validation.targets, points["validation"]), displacements),
        ClipMaker(posed, displacements),
        torch.from_numpy(triples),
        frames.subjects[triples[:, 0]],
        frames,
    )


def even_weights(maker: ClipMaker) -> torch.Tensor:
    """How often to draw each still: only those with landmarks, labels as often as among all stills.

    Otherwise a label whose landmarks have been read less often would be the one that stands still.
    """
    labels = maker.targets.argmax(1)
    share = torch.bincount(labels, minlength=7).float()
    seen = torch.bincount(labels[maker.seen], minlength=7).clamp(min=1)
    return torch.where(maker.seen, (share / seen)[labels], torch.zeros(()))


def batches(
    source: Material, size: int, count: int, posed: float, still: float, allowed: torch.Tensor | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`count` augmented batches: clips [size, 16, 1, 48, 48] and targets [size, 7].

    :param posed: share of clips that end with real frames of CK+
    :param still: share of clips that repeat one picture
    :param allowed: indices into `source.triples`; all of them without it
    """
    allowed = torch.arange(len(source.triples)) if allowed is None else allowed
    many = round(size * posed)
    weights = even_weights(source.train)
    for _ in range(count):
        chosen = torch.multinomial(weights, size - many, replacement=True)
        clips, targets = source.train.make(chosen), source.train.targets[chosen]
        frozen = torch.nonzero(torch.rand(len(chosen)) < still)[:, 0]
        clips[frozen] = (source.train.images[chosen[frozen]].float() / 255)[:, None, None].expand(
            -1, FRAMES, -1, -1, -1
        )
        if many:
            rows = source.triples[allowed[torch.randint(len(allowed), (many,))]]
            clips = torch.cat([clips, source.posed.make_real(rows)])
            targets = torch.cat([targets, source.posed.targets[rows[:, 0]]])
        yield augment_clips(clips), targets


def held_out(
    source: Material, most: int | None = None, seed: int = 7
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same clips of FER2013's validation stills each time, one a still, not augmented.

    uint8 [3589, 16, 1, 48, 48] and labels, in a random order; the first `most` of them.
    """
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    maker = source.validation
    order = torch.randperm(len(maker.images))[:most]
    parts = [(maker.make(chosen) * 255).round().byte() for chosen in order.split(256)]
    torch.set_rng_state(state)
    return torch.cat(parts), maker.targets[order].argmax(1)


def load_trunk(checkpoint: Path) -> tuple[Trunk | Pair, dict]:
    """The averaged trunk, or pair of trunks, of a checkpoint in evaluation mode, and its recipe."""
    saved = torch.load(checkpoint, weights_only=False)
    trunk = build(saved["recipe"])
    trunk.load_state_dict(saved["averaged"])
    return trunk.eval(), saved["recipe"]



@torch.no_grad()
def calibrate(trunk: Trunk | Pair, validation: ClipMaker) -> float:
    """Divides the last layer by the temperature that fits stills best, and returns it.

    What is trained on top then has no reason to change how sure the trunk is.
    """
    found = fit_temperature(predict(trunk, validation.images).numpy(), validation.targets.argmax(1).numpy())
    trunk.classify.weight.div_(found)
    trunk.classify.bias.div_(found)
    return found
