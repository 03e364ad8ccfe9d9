import torch

from training.face.augment import geometry
from training.face.train_trunk import widen
from training.face.trunk import Trunk


def test_a_wider_trunk_gives_the_answers_of_the_one_that_it_starts_from() -> None:
    torch.manual_seed(2)
    small = Trunk(8, (10, 12, 16), 1)
    # Statistics of its own, so that a normalisation that is not taken over would show.
    small.train()(torch.rand(32, 1, 48, 48))
    wide = Trunk(12, (16, 20, 24), 1)
    widen(wide, small.state_dict())
    x = torch.rand(5, 1, 48, 48)
    torch.testing.assert_close(wide.eval()(x), small.eval()(x))


def test_the_new_channels_of_a_wider_trunk_learn() -> None:
    torch.manual_seed(2)
    small, wide = Trunk(8, (10, 12, 16), 1), Trunk(12, (16, 20, 24), 1)
    widen(wide, small.state_dict())
    wide.train()(torch.rand(8, 1, 48, 48)).logsumexp(1).sum().backward()
    assert wide.classify.weight.grad[:, 16:].abs().max() > 0


def test_a_window_shows_pixels_of_the_picture_at_its_own_scale() -> None:
    torch.manual_seed(4)
    ramp = torch.arange(48.0).expand(64, 1, 48, 48) / 48
    cut = geometry(ramp, 0, 0, 0, 0, window=40)
    assert cut.shape == (64, 1, 40, 40)
    steps = (cut[:, 0, 20, 1:] - cut[:, 0, 20, :-1]).abs() * 48
    # The aspect may change by six parts in a hundred.
    assert steps.mean(1).min() > 0.9 and steps.mean(1).max() < 1.1
    starts = cut[:, 0, 20, 0] * 48
    assert starts.max() - starts.min() > 4
