"""The kernel machine: what it learns, whom it listens to, and that it comes back from disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.speech.corpora import LABELS, Utterance
from training.speech.data import Sounds
from training.speech.kernel import (
    KernelRecipe,
    fit,
    gaussians,
    load_reader,
    read_kernel_recipe,
    training_windows,
)

RECIPE = KernelRecipe("try", {"casia": 1.0}, {"noisy": 0.5}, 1.0, 0.01, 30, 2)


def invented() -> tuple[list[Utterance], Sounds]:
    """Sixty sounds of two windows in two copies; the label is the quadrant of the first two statistics."""
    random = np.random.default_rng(0)
    labels = random.integers(4, size=60)
    centre = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])[labels]
    values = np.zeros((2, 60, 2, 3))
    values[..., :2] = centre[None, :, None] + random.normal(0, 0.2, (2, 60, 2, 2))
    utterances = [
        Utterance("casia", str(i), "s", "f", int(label), 1)
        for i, label in enumerate(labels)
    ]
    counts = np.full((2, 60), 2)
    sounds = Sounds(
        rows=np.zeros((0, 56), np.float32),
        windows=values.reshape(-1, 3).astype(np.float32),
        starts=np.zeros((2, 60), int),
        frames=np.zeros((2, 60), int),
        first_windows=np.arange(120).reshape(2, 60) * 2,
        counts=counts,
    )
    return utterances, sounds


def test_the_quadrants_are_learnt_without_labels_that_the_corpus_lacks() -> None:
    utterances, sounds = invented()
    reader = fit(RECIPE, utterances, list(range(40)), sounds)
    held = torch.from_numpy(sounds.windows[80:120])
    logits, weights = reader(None, held)
    gold = [u.label for u in utterances[40:] for _ in range(2)]
    assert weights is None
    assert (logits.argmax(1).tolist() == np.array(gold)).mean() > 0.9
    scores = gaussians(reader.standardised(held), reader.landmarks, reader.width)
    scores = scores @ reader.weights
    lacking = [LABELS.index("disgust"), LABELS.index("calm")]
    assert scores[:, lacking].abs().max() < 1e-4
    assert torch.allclose(logits.exp().sum(1), torch.ones(len(held)), atol=1e-5)


def test_only_training_utterances_are_read_and_copies_weigh_what_they_should() -> None:
    _, sounds = invented()
    weights = np.array([0.25, 0.75])
    values, owners, weight = training_windows(sounds, [7, 3], weights, [1.0, 0.5])
    assert owners.tolist() == [7, 7, 3, 3] * 2
    expected = [sounds.windows[s * 2 + w] for s in (7, 3, 67, 63) for w in (0, 1)]
    assert np.array_equal(values, np.stack(expected))
    assert weight.mean() == pytest.approx(1)
    assert weight[2] == pytest.approx(3 * weight[0])
    assert weight[4] == pytest.approx(0.5 * weight[0])


def test_a_wild_number_is_cut_and_the_seed_decides(tmp_path: Path) -> None:
    utterances, sounds = invented()
    reader = fit(RECIPE, utterances, list(range(60)), sounds)
    wild = torch.tensor([[1e9, 0.0, 0.0]])
    far = torch.tensor([[20.0, 0.0, 0.0]])
    assert torch.equal(reader(None, wild)[0], reader(None, far)[0])
    other = fit(replace(RECIPE, seed=2), utterances, list(range(60)), sounds)
    assert not torch.equal(reader.landmarks, other.landmarks)
    torch.save(reader.state_dict(), tmp_path / "kernel.pt")
    again = load_reader(tmp_path)
    assert torch.equal(again(None, wild)[0], reader(None, wild)[0])


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[1] / "recipes" / "speech-kernel.yaml"
    assert read_kernel_recipe(shipped).name == "speech-kernel"
    path = tmp_path / "wrong.yaml"
    path.write_text("share: {}\nwidht: 1\n")
    with pytest.raises(ValueError, match="unknown key widht"):
        read_kernel_recipe(path)
