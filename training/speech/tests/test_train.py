"""A run on invented sounds: it learns, says the same again, and can be read."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training.speech.corpora import LABELS, Utterance
from training.speech.data import Sounds, load_sounds_of, sequences
from training.speech.evaluate import predict
from training.speech.model import Network
from training.speech.recipe import Recipe, read_recipe
from training.speech.train import load_run, partners, rate_at, run_path, train

MODEL = {"width": 8, "hidden": 6, "reader": 8, "dense": 8, "dropout": 0.0}
NAMES = ["level.mean", "pitch.mean"]


def recipe(**changes: object) -> Recipe:
    values = {
        "name": "try",
        "share": {"casia": 1.0},
        "copies": {},
        "model": MODEL,
        "steps": 60,
        "batch": 16,
        "rate": 0.01,
        "average": 0.9,
        "bf16": False,
    }
    return Recipe(**{**values, **changes})


@pytest.fixture
def invented(tmp_path: Path) -> tuple[Path, list[Utterance]]:
    """Two classes, one of low and one of high tones, by two speakers; some longer than a window."""
    random = np.random.default_rng(0)
    utterances, pictures = [], []
    for i in range(24):
        label = i % 2
        frames = 70 if i % 3 else 100
        rows = np.zeros((frames, 144))
        rows[:, :128] = -80 + random.normal(0, 2, (frames, 128))
        rows[:, 20 + 60 * label : 40 + 60 * label] = -30
        pictures.append(rows.astype(np.float16))
        fold = 1 + (i // 2) % 2
        utterances.append(
            Utterance("casia", f"{i}.wav", f"casia/{fold}", "f", label, fold)
        )
    frames = np.array([len(p) for p in pictures])
    counts = np.where(frames == 70, 1, 2)
    folder = tmp_path / "features" / "clean"
    folder.mkdir(parents=True)
    np.save(folder / "rows.npy", np.concatenate(pictures))
    np.save(folder / "frames.npy", frames)
    np.save(folder / "counts.npy", counts)
    np.save(folder / "statistics.npy", np.zeros((24, 2), np.float32))
    numbers = np.arange(counts.sum() * 2, dtype=np.float32).reshape(-1, 2)
    np.save(folder / "windows.npy", numbers)
    return tmp_path, utterances


def trained(runs: Path, utterances: list[Utterance], settings: Recipe) -> Network:
    training = [i for i, u in enumerate(utterances) if u.fold == 2]
    sounds = load_sounds_of(runs, ("clean",))
    return train(settings, utterances, training, sounds, NAMES)


def test_a_run_learns_and_its_predictions_are_of_the_held_out(invented) -> None:
    runs, utterances = invented
    settings = recipe(mixup=0.0, gain=0.5, tilt=0.5)
    run = run_path(runs, settings, 1, 0, "")
    assert run.name == "try-fold1-seed1"
    run.mkdir()
    model = trained(runs, utterances, settings)
    torch.save(model.state_dict(), run / "model.pt")
    written = asdict(settings) | {"heads": list(settings.heads)}
    (run / "recipe.yaml").write_text(yaml.safe_dump(written))
    again = load_run(run)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    predict([run], utterances, runs)
    with np.load(run / "test.npz") as saved:
        held = [utterances[i] for i in saved["indices"]]
        logits = saved["clean"]
    assert {u.fold for u in held} == {1}
    assert logits.shape == (12, 2, len(LABELS))
    assert np.isnan(logits[:, 1]).any() and np.isfinite(logits[:, 0]).all()
    right = logits[:, 0, :2].argmax(1) == [u.label for u in held]
    assert right.mean() == 1


def test_the_same_seed_gives_the_same_network(invented) -> None:
    runs, utterances = invented
    first, second, other = (
        trained(runs, utterances, recipe(steps=3, seed=seed)) for seed in (1, 1, 2)
    )
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not torch.equal(first.reader.weight, other.reader.weight)


def test_statistics_go_with_the_window_that_is_drawn(invented) -> None:
    runs, _ = invented
    sounds = load_sounds_of(runs, ("clean",))
    random = np.random.default_rng(0)
    long = np.flatnonzero(sounds.frames[0] == 100)
    chosen = np.repeat(long[1:2], 200)
    _, values = sounds.draw(chosen, np.zeros(200, int), random, 0.0)
    first = sounds.first_windows[0, chosen[0]]
    assert {int(v) // 2 for v in values[:, 0]} <= {first, first + 1}
    assert len(set(values[:, 0])) > 1
    pictures, own = sounds.library(int(chosen[0]))
    assert len(pictures) == len(own) == 2


def test_a_library_that_cuts_otherwise_is_noticed(invented) -> None:
    runs, _ = invented
    sounds = load_sounds_of(runs, ("clean",))
    wrong = Sounds(**{**vars(sounds), "counts": sounds.counts + 1})
    with pytest.raises(ValueError, match="windows here"):
        wrong.library(0)


def test_rows_become_cepstra_of_the_normalised_picture() -> None:
    rows = np.full((2, 144), -50, np.float16)
    rows[1, :128] = -30
    rows[:, 128:] = 0.5
    made = sequences(rows)
    assert np.allclose(made[0, :40], 0, atol=1e-5)
    assert made[1, 0] == pytest.approx(np.sqrt(128), rel=1e-4)
    assert np.allclose(made[:, 40:], 0.5)


def test_only_sounds_of_one_corpus_are_mixed() -> None:
    groups = np.array([0, 1, 0, 1, 1, 0, 2])
    order = partners(groups, np.random.default_rng(3))
    assert sorted(order) == list(range(7))
    assert (groups[order] == groups).all()
    assert order[6] == 6 and (order != np.arange(7)).any()


def test_the_rate_rises_and_falls() -> None:
    settings = recipe(rate=1.0, steps=100, warmup=0.1)
    rates = [rate_at(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1 and rates[-1] < 0.01


def test_a_recipe_with_an_unknown_key_is_refused() -> None:
    shipped = Path(__file__).parents[1] / "recipes" / "speech-crnn.yaml"
    assert read_recipe(shipped, {"copies.noisy": 0.5}).copies["noisy"] == 0.5
    with pytest.raises(ValueError, match="unknown key epoch"):
        read_recipe(shipped, {"epoch": 3})
