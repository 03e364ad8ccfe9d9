"""The parts of training/fusion that need no corpora."""

import numpy as np
import pytest
import torch

from training.fusion.calibrate import fit_coefficients, tempered
from training.fusion.card import fill, score_tables, write_temperatures
from training.fusion.draw import (
    SUBSETS,
    Events,
    draw,
    in_every_subset,
    parts_of,
    subset_name,
    with_own_text,
)
from training.fusion.evaluate import logistic_baseline
from training.fusion.model import (
    COEFFICIENTS,
    FEATURES,
    LABELS,
    MODALITIES,
    temperature_inputs,
)
from training.fusion.tables import SpeechRuns, Table, Utterances, load, whole
from training.fusion.train import (
    FOLDS,
    export,
    joined,
    mean_macro_f1,
    parts,
    random_subsets,
    train,
)
from training.text.metrics import expected_calibration_error


def table(rows: int, groups: list[str], seed: int = 0) -> Table:
    """Scores that lean to the row's label."""
    random = np.random.default_rng(seed)
    label = np.arange(rows) % LABELS
    scores = random.dirichlet(np.full(LABELS, 0.5), rows) + 0.5 * np.eye(LABELS)[label]
    scores /= scores.sum(1, keepdims=True)
    group = np.array([groups[i % len(groups)] for i in range(rows)])
    return Table(label, scores, np.ones_like(scores, dtype=bool), group)


def utterances(rows: int, dialogues: int, seed: int = 0) -> Utterances:
    random = np.random.default_rng(seed)
    # The dialogue of an utterance is what stands before its second underscore.
    names = [f"G{i % dialogues:05d}_01_{i}" for i in range(rows)]
    labels = {m: random.integers(0, LABELS, rows) for m in MODALITIES}
    return Utterances(names, ["text"] * rows, labels, random.integers(0, LABELS, rows))


def events(rows: int, seed: int = 0) -> Events:
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.full(LABELS, 0.4), (rows, 3))
    # Joint label: mostly that of the face, sometimes that of the text.
    pick = np.where(random.random(rows) < 0.7, 2, 0)
    joint = scores[np.arange(rows), pick].argmax(1)
    return Events(scores, np.ones((rows, 3), dtype=bool), joint)


def inputs(rows: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Features as lib/fusion/attention.ts lays them out, of events with all modalities."""
    found = events(rows, seed)
    scores = torch.from_numpy(found.scores).float()
    others = (scores.sum(1, keepdim=True) - scores) / 2
    which = torch.eye(3).expand(rows, 3, 3)
    entropy = -(scores * scores.clamp(min=1e-9).log()).sum(-1, keepdim=True)
    features = torch.cat(
        [scores, torch.ones_like(scores), others, which, entropy / np.log(LABELS)], 2
    )
    assert features.shape[2] == FEATURES
    return (
        features,
        torch.ones(rows, 3),
        scores.clamp(min=1e-4).log(),
        torch.from_numpy(found.joint),
    )


def test_subsets_are_named_and_complete():
    assert len(SUBSETS) == len(set(SUBSETS)) == 7
    assert subset_name(SUBSETS[0]) == "text"
    assert subset_name(SUBSETS[-1]) == "text + audio + video"


def test_parts_share_no_group_and_have_their_size_in_each_corpus():
    group = np.array(
        [f"a/{i % 10}" for i in range(1000)] + [f"b/{i % 5}" for i in range(200)]
    )
    part = parts_of(group, (3, 2), np.random.default_rng(0))
    for name in np.unique(group):
        assert len(set(part[group == name])) == 1
    for corpus in "ab":
        mine = np.char.startswith(group, corpus)
        assert (part[mine] == 0).mean() == pytest.approx(0.6, abs=0.11)


def test_drawn_outputs_have_the_label_that_people_gave_in_that_modality():
    tables = {m: table(70, ["a/1"], seed) for seed, m in enumerate(MODALITIES)}
    found = utterances(200, 5)
    drawn = draw(found, tables, np.random.default_rng(0))
    for k, modality in enumerate(MODALITIES):
        rows = tables[modality]
        for event in range(200):
            where = np.flatnonzero((rows.scores == drawn.scores[event, k]).all(1))
            assert set(rows.label[where]) == {found.labels[modality][event]}
    assert (drawn.joint == found.joint).all()


def test_drawing_needs_an_output_for_each_label():
    tables = {m: table(70, ["a/1"]) for m in MODALITIES}
    short = tables["audio"]
    tables["audio"] = short.rows(short.label != 3)
    with pytest.raises(ValueError, match="audio: no held-out output for angry"):
        draw(utterances(200, 5), tables, np.random.default_rng(0))


def test_own_text_takes_the_place_of_drawn_text_alone():
    drawn = events(7)
    own = table(7, ["a/1"])
    mixed = with_own_text(drawn, own)
    assert (mixed.scores[:, 0] == own.scores).all()
    assert (mixed.scores[:, 1:] == drawn.scores[:, 1:]).all()


def test_a_label_that_a_model_does_not_know_is_no_score():
    tables = {m: table(70, ["a/1"]) for m in MODALITIES}
    tables["video"].known[:, 5] = False
    drawn = draw(utterances(50, 5), tables, np.random.default_rng(0))
    assert np.isnan(drawn.scores[:, 2, 5]).all()
    assert not np.isnan(drawn.scores[:, :2]).any()


def test_folds_and_test_share_nothing():
    speakers = [f"casia/{i}" for i in range(4)] + [f"ravdess/{i}" for i in range(24)]
    talk = {
        "train": utterances(600, 60, 1),
        "val": utterances(210, 21, 2),
        "test": utterances(210, 21, 3),
    }
    names = [f"val/G{i % 21:05d}_01" for i in range(210)]
    names += [f"test/G{i % 21:05d}_01" for i in range(210)]
    spoken = table(420, ["x/0"], 4)
    found = {
        "text": Table(spoken.label, spoken.scores, spoken.known, np.array(names)),
        "audio": table(2800, speakers, 5),
        "video": table(
            700, [f"{p}/{i}" for i in range(50) for p in ("validation", "test")], 6
        ),
    }
    folds, test = parts(found, talk, np.random.default_rng(0))
    everything = [*folds, test]
    for modality in MODALITIES:
        groups = [set(part.pools[modality].group) for part in everything]
        for i, one in enumerate(groups):
            assert one
            for other in groups[i + 1 :]:
                assert not one & other
    shown = [{i.rsplit("_", 1)[0] for i in part.drawn.id} for part in folds]
    assert (
        not shown[0] & shown[1] and not shown[0] & shown[2] and not shown[1] & shown[2]
    )
    assert not test.drawn.id and test.real.id == talk["test"].id
    for part in everything:
        assert len(part.own.label) == len(part.real.id)
    both = joined(folds)
    assert sorted(both.real.id) == sorted(talk["val"].id)
    assert sorted(both.drawn.id) == sorted(talk["train"].id)
    assert len(folds) == FOLDS


def test_dropout_shows_every_subset():
    shown = random_subsets(events(4000), np.random.default_rng(0), whole=0.3)
    number = shown.present @ np.array([1, 2, 4])
    share = np.bincount(number, minlength=8) / 4000
    assert share[0] == 0
    assert share[7] == pytest.approx(0.3, abs=0.03)
    assert share[1:7] == pytest.approx(np.full(6, 0.7 / 6), abs=0.03)
    assert len(in_every_subset(events(5)).joint) == 35


def test_the_network_learns_whom_to_believe_and_gives_absent_modalities_no_weight():
    data = inputs(3000)
    model = train(data, balance=0.5)
    features, present, logs, joint = inputs(1000, seed=1)
    with torch.inference_mode():
        logits, weights = model(features, present, logs)
        assert torch.allclose(weights.sum(1), torch.ones(1000))
        assert weights[:, 2].mean() > 1 / 3
        right = (logits.argmax(1) == joint).float().mean()
        voted = (features[:, :, :LABELS].mean(1).argmax(1) == joint).float().mean()
        assert right > voted
        alone = torch.tensor([[0.0, 1.0, 0.0]]).expand(1000, 3)
        assert torch.allclose(model(features, alone, logs)[1], alone)


def test_temperatures_read_the_answer():
    logits = torch.log(torch.tensor([[0.5, 0.5, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9]]))
    scores = torch.zeros(1, 3, LABELS)
    scores[0, 0, 0] = 1
    scores[0, 2, :2] = 0.5
    found = temperature_inputs(logits, scores, torch.tensor([[1.0, 0.0, 1.0]]))
    assert found.shape == (1, COEFFICIENTS)
    assert found[0, :2].tolist() == pytest.approx([0.5, 0.5])
    assert found[0, 7].item() == pytest.approx(np.log(2) / np.log(7), abs=1e-5)
    # Text shares one half with the answer, the face all of it.
    assert found[0, 8].item() == pytest.approx(0.75)
    assert found[0, 9:16].tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert found[0, 16].item() == pytest.approx(np.log(0.5), abs=1e-5)


def test_fitted_temperatures_make_scores_hit_rates_and_change_no_answer():
    random = np.random.default_rng(0)
    rows = 20_000
    honest = random.dirichlet(np.full(LABELS, 0.5), rows)
    joint = np.array([random.choice(LABELS, p=p) for p in honest])
    present = torch.ones(rows, 3)
    present[: rows // 2, 1:] = 0
    # Too bold with one modality, too timid with three.
    factor = np.where(np.arange(rows) < rows // 2, 2.5, 0.5)[:, None]
    logits = torch.from_numpy(np.log(honest) * factor).float()
    scores = torch.from_numpy(honest).float().unsqueeze(1).expand(rows, 3, LABELS)
    coefficients = fit_coefficients(logits, scores, present, torch.from_numpy(joint))
    before = torch.softmax(logits, 1)
    after = tempered(logits, scores, present, coefficients)
    assert (before.argmax(1) == after.argmax(1)).all()
    right = before.argmax(1).numpy() == joint
    for half in (slice(0, rows // 2), slice(rows // 2, rows)):
        error = [
            expected_calibration_error(p.amax(1).numpy()[half], right[half])
            for p in (before, after)
        ]
        assert error[0] > 0.08
        assert error[1] < 0.03


def test_the_exported_graph_computes_what_was_trained(tmp_path):
    import onnxruntime

    model = train(inputs(600), balance=0.5)
    model.coefficients.copy_(torch.linspace(-0.5, 0.5, COEFFICIENTS))
    export(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    features, present, logs, _ = inputs(20, seed=2)
    present[:10, 1] = 0
    logits, weights = session.run(
        None,
        {
            "features": features.numpy(),
            "present": present.numpy(),
            "log_scores": logs.numpy(),
        },
    )
    with torch.inference_mode():
        expected = model(features, present, logs)
    np.testing.assert_allclose(logits, expected[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(weights, expected[1].numpy(), atol=1e-5)


def test_baseline_and_score():
    found = events(2000)
    scores = logistic_baseline(found, 0.5, found)
    assert scores.sum(1) == pytest.approx(np.ones(2000))
    assert (scores.argmax(1) == found.joint).mean() > 0.5
    whole_and_text = Events.joined([found, found.of(SUBSETS[0])])
    perfect = np.eye(LABELS)[whole_and_text.joint]
    assert mean_macro_f1(perfect, whole_and_text) == 1
    assert mean_macro_f1(np.roll(perfect, 1, axis=1), whole_and_text) == 0


def test_tables_are_kept_and_say_how_they_are_made(tmp_path):
    kept = whole(np.array([0, 1]), np.eye(LABELS)[:2], ["a/1", "a/2"])
    kept.save(tmp_path / "text.npz")
    again = load(tmp_path / "text.npz")
    assert (again.scores == kept.scores).all() and again.made_of == ""
    with pytest.raises(FileNotFoundError, match="training.fusion.tables"):
        load(tmp_path / "audio.npz")
    # What had no answer is no row.
    assert (
        len(whole(np.array([0, 1]), np.zeros((2, LABELS)), ["a/1", "a/2"]).label) == 0
    )


def test_runs_of_the_speech_model_are_those_of_its_package(tmp_path):
    package = tmp_path / "package.yaml"
    package.write_text(
        "runs: [net-fold0-seed1, net-2-fold0-seed1]\nreader: reader-fold0-seed1\n"
    )
    made = ("net-fold0", "net-fold1", "net-fold2", "net-2-fold1", "net-2-fold2")
    for name in (*made, "reader-fold1", "reader-fold2"):
        folder = tmp_path / f"{name}-seed1"
        folder.mkdir()
        (folder / "test.npz").touch()
    runs = SpeechRuns.of(package, tmp_path)
    assert runs.recipes == ("net", "net-2", "reader")
    # Fold 0 has heard everybody.
    assert [[run.name for run in fold] for fold in runs.outputs()] == [
        [f"{recipe}-fold{fold}-seed1" for recipe in runs.recipes] for fold in (1, 2)
    ]
    (tmp_path / "reader-fold1-seed1" / "test.npz").unlink()
    (tmp_path / "reader-fold2-seed1" / "test.npz").unlink()
    with pytest.raises(FileNotFoundError, match="no reader-fold"):
        runs.outputs()


def test_cards_are_filled_in_their_places():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert fill(text, {"x": "new"}) == "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n"
    with pytest.raises(ValueError, match="'y'"):
        fill(text, {"y": "new"})


def test_the_tables_of_a_card():
    names = (
        "attention",
        "trained for it",
        "vote",
        "reliability",
        "product",
        "logistic",
    )
    names += ("vote, no temperature", "product, no temperature")
    row = {n: {"macroF1": 0.3, "accuracy": 0.4, "ece": 0.05} for n in names}
    best = row | {"attention": {"macroF1": 0.4, "accuracy": 0.5, "ece": 0.02}}
    subsets = {subset_name(s): row for s in SUBSETS} | {"text + audio + video": best}
    majority = {"macroF1": 0.08, "accuracy": 0.35}
    chance = {name: [0.016, 0.0243] for name in subsets}
    found = score_tables({"subsets": subsets, "majority": majority, "chance": chance})
    assert found["macro-f1"].count("\n") == 8
    assert found["ece"].count("\n") == 5
    assert "| .016 to .024 |" in found["ece"]
    assert "+10.0 points" in found["summary"]
    assert "at most 0.0 points" in found["summary"]


def test_temperatures_go_to_their_lists(tmp_path):
    code = tmp_path / "pool-temperatures.ts"
    code.write_text("{ vote: [0, 1],\n  product: [\n2] }")
    write_temperatures(code, {"vote": [0.5, -1.25], "product": [3]})
    assert code.read_text() == "{ vote: [0.5, -1.25],\n  product: [3] }"
    with pytest.raises(ValueError, match="attention"):
        write_temperatures(code, {"attention": [1]})
