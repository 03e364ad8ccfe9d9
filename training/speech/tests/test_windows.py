"""Windows as the library cuts them, and random ones."""

import numpy as np
import pytest

from training.speech.windows import (
    FRAMES,
    library_windows,
    random_frames,
    window_starts,
)


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(10, [0]), (64, [0]), (70, [0]), (72, [0, 8]), (96, [0, 32]), (130, [0, 32, 64])],
)
def test_the_last_window_ends_with_the_sound_unless_little_is_left(
    frames, starts
) -> None:
    assert window_starts(frames) == starts


def test_a_short_sound_is_repeated() -> None:
    mel = np.arange(10, dtype=np.float32)[:, None] * np.ones((1, 128), np.float32)
    (window,) = library_windows(mel)
    assert window.shape == (128, FRAMES)
    assert np.allclose(window[0], np.arange(FRAMES) % 10)


def test_random_windows_without_stretching_are_pieces_of_the_sound() -> None:
    frames = random_frames(np.array([200, 90, 64]), np.random.default_rng(1), 0)
    assert frames.shape == (3, FRAMES)
    assert (np.diff(frames, axis=1) == 1).all()
    assert frames.min() >= 0 and (frames.max(1) < [200, 90, 64]).all()


def test_stretching_changes_the_pace_within_bounds() -> None:
    frames = random_frames(np.full(500, 1000), np.random.default_rng(2), 0.25)
    span = frames[:, -1] - frames[:, 0]
    assert span.min() >= 63 / 1.25 - 1 and span.max() <= 63 * 1.25 + 1
    assert span.min() < 58 and span.max() > 68


def test_a_short_sound_is_repeated_in_training_too() -> None:
    frames = random_frames(np.array([20]), np.random.default_rng(0), 0)
    assert set(frames[0]) == set(range(20))
    assert (np.diff(frames[0]) % 20 == 1).all()
