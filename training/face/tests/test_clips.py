import numpy as np
import pytest
import torch

from training.face import ck48
from training.face.clip_data import even_weights
from training.face.clip_models import FRAMES, Face3dCnnLstm, FaceCnnLstm
from training.face.motion import (
    MIRRORED,
    SIDE,
    ClipMaker,
    Stills,
    augment_clips,
    fields,
    measure,
    moved,
    ramps,
    similarity,
    symmetric,
    warp,
)
from training.face.trunk import Trunk


@pytest.fixture
def trunk() -> Trunk:
    torch.manual_seed(2)
    model = Trunk(stem=8, widths=(8, 16, 24), blocks=2)
    # Running statistics as after some training, so that a mistake in taking them over shows.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


def excited(model: torch.nn.Module) -> torch.nn.Module:
    """With weights where the head starts from zero."""
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return model.eval()


@pytest.mark.parametrize("frames", [1, 2, 16])
def test_a_still_gets_the_logits_of_the_trunk(trunk: Trunk, frames: int) -> None:
    model = excited(FaceCnnLstm(trunk, mirror=False, hidden=8))
    faces = torch.rand(3, 1, 48, 48)
    with torch.no_grad():
        answer = model(faces[:, None].expand(-1, frames, -1, -1, -1))
        assert torch.allclose(answer.logits, trunk(faces), atol=1e-4)
    assert torch.allclose(answer.weights, torch.full((3, frames), 1 / frames), atol=1e-5)
    assert answer.saliency.shape == (3, 6, 6)
    assert (answer.saliency >= 0).all()


def test_a_mirror_picture_gets_the_same_answer(trunk: Trunk) -> None:
    model = excited(FaceCnnLstm(trunk, mirror=True, hidden=8))
    clip = torch.rand(2, 5, 1, 48, 48)
    with torch.no_grad():
        one, other = model(clip), model(clip.flip(4))
    assert torch.allclose(one.logits, other.logits, atol=1e-4)
    assert torch.allclose(one.saliency, other.saliency.flip(2), atol=1e-4)


def test_the_order_of_the_frames_matters(trunk: Trunk) -> None:
    model = excited(FaceCnnLstm(trunk, mirror=False, hidden=8))
    clip = torch.rand(1, 6, 1, 48, 48)
    with torch.no_grad():
        assert not torch.allclose(model(clip).logits, model(clip.flip(1)).logits, atol=1e-3)


def test_saliency_adds_up_to_the_winning_logit_where_nothing_speaks_against_it(trunk: Trunk) -> None:
    with torch.no_grad():
        trunk.classify.weight.abs_()
        trunk.classify.bias.zero_()
        answer = FaceCnnLstm(trunk, mirror=False).eval()(torch.rand(2, 1, 1, 48, 48))
    assert torch.allclose(answer.saliency.mean((1, 2)), answer.logits.amax(1), rtol=1e-4)


def test_the_inflated_network_gives_a_still_what_the_trunk_gives_it(trunk: Trunk) -> None:
    model = Face3dCnnLstm(8, (8, 16, 24), 2, 0.3, hidden=8).eval()
    model.inflate(trunk)
    faces = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        answer = model(faces[:, None].expand(-1, FRAMES, -1, -1, -1))
        assert torch.allclose(answer.logits, trunk(faces), atol=1e-3)
    assert answer.weights.shape == (2, FRAMES // 2)
    assert answer.saliency.shape == (2, 6, 6)


def test_intensity_reaches_the_apex_and_stays_between_0_and_1() -> None:
    torch.manual_seed(0)
    found = ramps(2000)
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    assert (found.amax(1) > 0.9).float().mean() > 0.95
    rising = (found[:, -1] > found[:, 0] + 0.2).float().mean()
    assert 0.4 < rising < 0.75


def test_similarity_finds_turn_scale_and_shift() -> None:
    source = np.random.default_rng(1).normal(size=(12, 2))
    angle, scale = 0.4, 1.7
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = source @ linear.T + [3, -2]
    assert np.allclose(moved(source, similarity(source, target)), target)


def test_mirroring_twice_changes_nothing() -> None:
    assert (MIRRORED[MIRRORED] == np.arange(68)).all()
    one_sided = np.zeros((68, 2), np.float32)
    one_sided[48] = [2, -2]
    both = symmetric(one_sided)
    assert both[48].tolist() == [1, -1]
    assert both[54].tolist() == [-1, -1]


def test_a_warp_moves_what_is_near_a_point_and_leaves_the_rest() -> None:
    points = torch.full((1, 68, 2), 24.0)
    points[0, :, 0] = torch.linspace(4, 44, 68)
    points[0, :48, 1] = 8
    points[0, 48:, 1] = 36
    shifts = torch.zeros(1, 68, 2)
    shifts[0, 48:, 1] = 3
    field = fields(points, shifts).sum(1)
    image = torch.zeros(1, 1, SIDE, SIDE)
    image[0, 0, 36, 34] = image[0, 0, 8, 24] = 1
    found = warp(image, field)
    assert found[0, 0, 39, 34] > 0.3
    assert found[0, 0, 36, 34] < 0.1
    assert found[0, 0, 8, 24] > 0.99


def shapes(n: int) -> np.ndarray:
    """Faces [n, 68, 2] that differ in place and size, label 1 with wider mouths."""
    random = np.random.default_rng(4)
    base = random.uniform(12, 36, (68, 2))
    base[:, 0] = (base[:, 0] + 48 - base[MIRRORED, 0]) / 2
    base[:, 1] = (base[:, 1] + base[MIRRORED, 1]) / 2
    found = np.stack([(base - 24) * random.uniform(0.8, 1.1) + 24 + random.uniform(-2, 2, 2) for _ in range(n)])
    found[n // 2 :, 48] += [-2, 0]
    found[n // 2 :, 54] += [2, 0]
    return found.astype(np.float32)


@pytest.fixture
def maker() -> ClipMaker:
    torch.manual_seed(6)
    n = 24
    labels = np.arange(n) // (n // 2)
    points = shapes(n)
    everything = np.concatenate([points] + [points[:1]] * 5)
    displacements = measure(everything, np.concatenate([labels, np.arange(2, 7)]))
    points[-1] = np.nan
    images = np.random.default_rng(8).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    return ClipMaker(Stills(images, np.eye(7, dtype=np.float32)[labels], points), displacements)


def test_the_displacement_of_a_label_is_what_its_faces_have_moved(maker: ClipMaker) -> None:
    shift = maker.displacements.shift
    assert np.allclose(shift[0], 0)
    assert shift[1, 48, 0] < -1 and shift[1, 54, 0] > 1
    assert np.abs(shift[1, STILL]).max() < 0.3


STILL = [i for i in range(68) if i not in (48, 54)]


def test_clips_end_at_their_picture_or_pass_it(maker: ClipMaker) -> None:
    chosen = torch.arange(24)
    clips = maker.make(chosen)
    assert clips.shape == (24, FRAMES, 1, SIDE, SIDE)
    assert clips.min() >= 0 and clips.max() <= 1 + 1e-6
    still = maker.images[chosen][:, None, None].float() / 255
    closest = (clips - still).abs().mean((2, 3, 4)).amin(1)
    assert (closest < 0.05).float().mean() > 0.8


def test_clips_of_real_frames_end_with_them(maker: ClipMaker) -> None:
    triples = torch.tensor([[3, 4, 5], [12, 13, 14]])
    clips = maker.make_real(triples)
    for row, triple in enumerate(triples):
        real = maker.images[triple][:, None].float() / 255
        assert torch.equal(clips[row, -1], real[2])
        assert any(torch.equal(frame, real[0]) for frame in clips[row])


def test_augmented_clips_keep_shape_and_range(maker: ClipMaker) -> None:
    torch.manual_seed(9)
    clips = maker.make(torch.arange(16))
    before = clips.clone()
    after = augment_clips(clips)
    assert torch.equal(clips, before)
    assert after.shape == clips.shape
    assert after.min() >= 0 and after.max() <= 1
    assert (after - clips).abs().mean() > 0.01


def test_folds_keep_people_together_and_share_out_labels() -> None:
    random = np.random.default_rng(1)
    subjects = np.repeat([f"S{i:03d}" for i in range(60)], 6)
    labels = np.repeat(random.integers(1, 7, 120), 3)
    frames = ck48.Frames(np.zeros((360, 48, 48), np.uint8), labels, subjects, subjects)
    fold = ck48.folds(frames)
    assert all(len(set(fold[subjects == s])) == 1 for s in set(subjects))
    counts = np.array([np.bincount(labels[fold == k], minlength=7) for k in range(10)])
    assert counts.sum(1).max() - counts.sum(1).min() <= 18
    assert (counts[:, 1:] > 0).mean() > 0.9


def test_a_sequence_without_three_frames_is_named() -> None:
    names = np.array(["S1_1", "S1_1", "S2_1", "S2_1", "S2_1"])
    frames = ck48.Frames(np.zeros((5, 48, 48), np.uint8), np.ones(5, int), names, names)
    with pytest.raises(ValueError, match="S1_1: expected three frames, got 2"):
        ck48.triples(frames)


def test_stills_are_drawn_as_often_as_their_label_stands_in_the_set(maker: ClipMaker) -> None:
    maker.seen[:8] = False
    weights = even_weights(maker)
    labels = maker.targets.argmax(1)
    assert (weights[~maker.seen] == 0).all()
    shares = torch.bincount(labels, weights, minlength=7)[:2]
    assert torch.allclose(shares, torch.bincount(labels).float()[:2])
