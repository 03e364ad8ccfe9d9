import pytest
import torch

from training.face.augment import augment, blur, jpeg, light, mixup, occlude
from training.face.trunk import Trunk


@pytest.fixture
def faces() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.rand(16, 1, 48, 48)


@pytest.mark.parametrize("change", [light, blur, jpeg, occlude])
def test_changes_keep_shape_range_and_the_input(change, faces: torch.Tensor) -> None:
    before = faces.clone()
    after = change(faces, share=1.0)
    assert after.shape == faces.shape
    assert after.min() >= 0 and after.max() <= 1
    assert torch.equal(faces, before)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("change", [light, blur, jpeg, occlude])
def test_nothing_changes_without_a_share(change, faces: torch.Tensor) -> None:
    assert torch.equal(change(faces, share=0.0), faces)


def test_a_seed_repeats_a_batch() -> None:
    images = torch.randint(0, 256, (8, 48, 48), dtype=torch.uint8)
    torch.manual_seed(5)
    first = augment(images, 40)
    torch.manual_seed(5)
    assert torch.equal(first, augment(images, 40))
    assert first.shape == (8, 1, 40, 40)


def test_mixup_mixes_pictures_and_targets_alike() -> None:
    torch.manual_seed(1)
    targets = torch.eye(7)
    x, y = mixup(targets[:, None, None, :], targets, alpha=0.5)
    assert torch.allclose(x[:, 0, 0], y)
    assert torch.allclose(y.sum(1), torch.ones(7))


def test_the_trunk_does_not_see_light_or_contrast(faces: torch.Tensor) -> None:
    model = Trunk(stem=8, widths=(8, 16), blocks=1).eval()
    with torch.no_grad():
        assert torch.allclose(model(faces), model(faces * 0.3 + 0.2), atol=1e-3)
        flat = model(torch.zeros(1, 1, 48, 48))
    assert torch.isfinite(flat).all()


@pytest.mark.parametrize("count", range(1, 8))
def test_few_faces_can_be_blurred(count: int) -> None:
    faces = torch.rand(count, 1, 48, 48)
    assert blur(faces, share=1.0).shape == faces.shape
