"""A run on invented sounds: it learns, stops, goes on, and can be read again."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training.speech.corpora import LABELS, Utterance
from training.speech.evaluate import predict
from training.speech.export import load_run
from training.speech.moments import MomentsRecipe, train_moments, view_bank
from training.speech.prepare import load_features
from training.speech.recipe import Recipe, read_recipe
from training.speech.train import rate_at, run_name, train

STILL = {
    "stretch": 0.0,
    "warp": 0.05,
    "noise": 0.2,
    "voice": 0.1,
    "narrow": 0.1,
    "room": 0.1,
    "gain": 1.0,
    "tilt": 1.0,
    "bands": 4,
    "frames": 4,
    "stripes": 1,
}
MODEL = {"cepstrum": 8, "width": 8, "hidden": 6, "dense": 8, "dropout": 0.0}


def recipe(**changes: object) -> Recipe:
    values = {
        "name": "try",
        "share": {"casia": 1.0},
        "copies": {},
        "augment": STILL,
        "model": MODEL,
        "epochs": 2,
        "rows": 96,
        "batch": 16,
        "average": 0.5,
        "bf16": False,
    }
    return Recipe(**{**values, **changes})


@pytest.fixture
def invented(tmp_path: Path) -> tuple[Path, list[Utterance]]:
    """Two classes, one of low and one of high tones, by two speakers."""
    random = np.random.default_rng(0)
    utterances, pictures = [], []
    for i in range(24):
        label = i % 2
        mel = np.full((70, 128), -80.0) + random.normal(0, 2, (70, 128))
        mel[:, 20 + 60 * label : 40 + 60 * label] = -30
        pictures.append(mel.astype(np.float16))
        fold = 1 + (i // 2) % 2
        utterances.append(
            Utterance("casia", f"{i}.wav", f"casia/{fold}", "f", label, fold)
        )
    folder = tmp_path / "features" / "clean"
    folder.mkdir(parents=True)
    np.save(folder / "log-mel.npy", np.concatenate(pictures))
    np.save(folder / "frames.npy", np.array([len(p) for p in pictures]))
    noise = random.normal(-60, 3, (200, 128)).astype(np.float16)
    np.save(tmp_path / "features" / "noise.npy", noise)
    return tmp_path, utterances


def indices(utterances: list[Utterance]) -> tuple[list[int], list[int], list[int]]:
    of = [[i for i, u in enumerate(utterances) if u.fold == f] for f in (2, 0, 1)]
    return of[0], of[1], of[2]


def test_a_run_learns_and_its_predictions_are_of_the_held_out(invented) -> None:
    runs, utterances = invented
    run = runs / run_name(recipe(), 1, 0, "")
    assert run.name == "try-fold1-seed1"
    settings = recipe(epochs=6, rate=0.01, mixup=0.0)
    train(settings, utterances, indices(utterances), run, runs)
    predict(run, utterances, runs)
    with np.load(run / "test.npz") as saved:
        held = [utterances[i] for i in saved["indices"]]
        logits = saved["clean"]
    assert {u.fold for u in held} == {1}
    assert logits.shape == (12, 1, len(LABELS))
    right = logits[:, 0, :2].argmax(1) == [u.label for u in held]
    assert right.mean() == 1


def test_a_cut_off_run_ends_as_if_it_had_not_been(invented) -> None:
    runs, utterances = invented
    whole = train(recipe(), utterances, indices(utterances), runs / "whole", runs)
    cut = recipe()
    state = {}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    original = torch.save

    def once(value: object, path: Path) -> None:
        original(value, path)
        if isinstance(value, dict) and value.get("epoch") == 1 and not state:
            state["stopped"] = True
            Path(path).rename(runs / "cut" / "checkpoint.pt")
            stop()

    torch.save = once
    try:
        with pytest.raises(KeyboardInterrupt):
            train(cut, utterances, indices(utterances), runs / "cut", runs)
    finally:
        torch.save = original
    resumed = train(cut, utterances, indices(utterances), runs / "cut", runs)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name


def test_a_second_stage_begins_with_the_first(invented) -> None:
    runs, utterances = invented
    first = runs / "try-fold1-seed1"
    train(recipe(), utterances, indices(utterances), first, runs)
    second = recipe(name="again", init="try", epochs=1, rate=0.0)
    folder = runs / run_name(second, 1, 0, "")
    train(second, utterances, indices(utterances), folder, runs)
    before, after = load_run(first), load_run(folder)
    assert torch.allclose(before.lstm.weight_hh_l0, after.lstm.weight_hh_l0, atol=1e-6)


def test_the_perceptron_learns_too(invented) -> None:
    runs, utterances = invented
    settings = MomentsRecipe(
        {"casia": 1.0}, {**STILL, "voice": 0.0}, views=2, hidden=8, steps=150
    )
    features = load_features(runs, "clean")
    bank = view_bank(features, settings, np.load(runs / "features" / "noise.npy"))
    assert bank.shape[:2] == (2, 24) and np.isfinite(bank).all()
    training, _, _ = indices(utterances)
    run = runs / "moments-fold1-seed1"
    run.mkdir()
    model = train_moments(settings, bank, utterances, training)
    torch.save(model.state_dict(), run / "model.pt")
    (run / "moments.yaml").write_text(yaml.safe_dump({"hidden": 8}))
    predict(run, utterances, runs)
    with np.load(run / "test.npz") as saved:
        right = saved["clean"][:, 0, :2].argmax(1) == [
            utterances[i].label for i in saved["indices"]
        ]
    assert right.mean() > 0.9


def test_the_rate_rises_and_falls() -> None:
    rates = [rate_at(step, 100, recipe(rate=1.0)) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1 and rates[-1] < 0.01


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path) -> None:
    shipped = Path(__file__).parents[1] / "recipes" / "speech-crnn.yaml"
    assert read_recipe(shipped, {"augment.noise": 0.5}).augment["noise"] == 0.5
    with pytest.raises(ValueError, match="unknown key epoch"):
        read_recipe(shipped, {"epoch": 3})
