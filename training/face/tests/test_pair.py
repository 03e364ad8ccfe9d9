import math

import pytest
import torch

from training.face.clip_models import FaceCnnLstm
from training.face.pair import Pair, build, mirrored
from training.face.trunk import Trunk

RECIPES = [
    {"stem": 8, "widths": [8, 12], "blocks": 1, "dropout": 0.3},
    {"stem": 8, "widths": [8, 16], "blocks": [1, 2], "dropout": 0.3, "gate": 4},
]


@pytest.fixture
def trunks() -> list[Trunk]:
    torch.manual_seed(6)
    return [build(recipe).eval() for recipe in RECIPES]


def test_a_pair_says_what_its_trunks_say_in_their_shares(trunks: list[Trunk]) -> None:
    faces = torch.rand(3, 1, 48, 48)
    pair = Pair(trunks, [0.4, 0.7]).eval()
    with torch.no_grad():
        expected = 0.4 * trunks[0](faces) + 0.7 * trunks[1](faces)
        assert torch.allclose(pair(faces), expected, atol=1e-5)
        assert pair.features(faces).shape == (3, 28)


def test_the_temporal_head_gives_a_still_the_logits_of_the_pair(trunks: list[Trunk]) -> None:
    pair = Pair(trunks, [0.5, 0.5]).eval()
    faces = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        answer = FaceCnnLstm(pair, mirror=False, hidden=8).eval()(faces[:, None].expand(-1, 4, -1, -1, -1))
        assert torch.allclose(answer.logits, pair(faces), atol=1e-4)


def test_a_recipe_with_trunks_becomes_a_pair_that_takes_its_weights(trunks: list[Trunk]) -> None:
    pair = Pair(trunks, [0.5, 0.5]).eval()
    other = build({"trunks": RECIPES}).eval()
    other.load_state_dict(pair.state_dict())
    faces = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        assert torch.equal(other(faces), pair(faces))


def test_the_mirror_image_is_told_the_same(trunks: list[Trunk]) -> None:
    images = torch.randint(0, 256, (4, 48, 48), dtype=torch.uint8)
    straight, other = mirrored(trunks[1], images), mirrored(trunks[1], images.flip(2))
    assert straight == pytest.approx(other, abs=1e-2)
    assert math.isclose(float(torch.from_numpy(straight).exp().sum()), 4, rel_tol=1e-4)
