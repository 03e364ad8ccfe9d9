"""What happens to pictures and sounds on the way into training."""

import numpy as np
import pytest
import torch

from training.speech.augment import (
    Microphone,
    Voices,
    hz_of,
    level_columns,
    masked,
    mel_of,
    warp_matrix,
    warp_table,
)
from training.speech.model import SEQUENCE, cosine_basis
from training.speech.sounds import (
    RATE,
    babble,
    phone,
    pink,
    reverberate,
    speech_power,
    speed,
    through_codec,
    with_noise,
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def tone() -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.float32)


def peak_hz(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * RATE / len(sound))


def test_mel_and_hertz_are_inverse_and_meet_slaney() -> None:
    hz = np.array([0, 200, 1000, 6400.0])
    assert np.allclose(hz_of(mel_of(hz)), hz)
    assert np.allclose(mel_of(hz), [0, 3, 15, 42])


def test_warping_moves_a_line_up_by_the_factor() -> None:
    edges = np.linspace(mel_of(50), mel_of(8000), 130)
    centres = hz_of(edges[1:-1])
    band = int(np.argmin(np.abs(centres - 1200)))
    assert centres[int(np.rint(warp_table(1.2)[band]))] == pytest.approx(1000, rel=0.03)
    # A bump wide enough for 40 cepstra to hold it.
    bump = np.exp(-(((np.arange(128) - 60) / 6) ** 2))
    basis = cosine_basis()
    moved = basis.T @ warp_matrix(1.1) @ basis @ bump
    expected = centres[60] * 1.1
    assert centres[int(moved.argmax())] == pytest.approx(expected, rel=0.03)
    assert np.allclose(warp_matrix(1.0), np.eye(40), atol=1e-9)


def test_other_voices_change_half_of_the_rows_and_only_cepstra(random) -> None:
    sequence = torch.randn(200, SEQUENCE, 64)
    heard = Voices(0.2)(sequence.clone(), random)
    same = (heard == sequence).all(dim=2)
    assert same[:, 40:].all()
    assert 0.35 < same[:, :40].all(1).float().mean() < 0.65


def test_a_gain_is_heard_alike_in_cepstra_and_statistics(random) -> None:
    names = ["mfcc0.mean", "level.mean", "level.sd", "level.p90", "pitch.mean"]
    assert list(level_columns(names)) == pytest.approx([np.sqrt(40), 1, 0, 1, 0])
    sequence = torch.zeros(50, SEQUENCE, 64)
    heard, values = Microphone(names, 3.0, 0.0)(sequence, torch.zeros(50, 5), random)
    gain = values[:, 1]
    assert 1.5 < gain.std() < 4.5
    # A decibel on all of 128 bands, normalised by 20 dB.
    assert torch.allclose(heard[:, 0, 7], gain * np.sqrt(128) / 20, atol=1e-4)
    assert heard[:, 1:].abs().max() == 0 and values[:, [2, 4]].abs().max() == 0


def test_a_tilt_is_a_smooth_curve_over_the_bands(random) -> None:
    sequence = torch.zeros(20, SEQUENCE, 64)
    heard, _ = Microphone([], 0.0, 2.0)(sequence, torch.zeros(20, 0), random)
    bands = heard[:, :40, 0].numpy() @ cosine_basis() * 20
    assert np.abs(np.diff(bands, axis=1)).max() < 1
    assert np.abs(bands.mean(1)).max() < 0.1 and np.abs(bands).max() > 1


def test_gaps_and_missing_features_are_the_mean(random) -> None:
    rows = torch.ones(60, SEQUENCE, 64)
    hidden = masked(rows, random, 10, 0.1) == 0
    whole_features, whole_frames = hidden.all(2), hidden.all(1)
    assert 0.05 < whole_features.float().mean() < 0.15
    assert whole_frames.sum(1).max() <= 10 and whole_frames.any()
    assert torch.equal(masked(rows, random, 0, 0.0), rows)


def test_noise_on_a_sound_has_the_ratio_asked_for(tone, random) -> None:
    for noise in (pink(RATE, random), babble([tone, tone[::-1].copy()], RATE, random)):
        difference = with_noise(tone, noise, 10) - tone
        assert 10 * np.log10(
            speech_power(tone) / np.mean(difference**2)
        ) == pytest.approx(10, abs=0.2)


def test_a_call_has_no_bass_and_no_treble() -> None:
    time = np.arange(RATE) / RATE
    for hz, kept in ((100, False), (1000, True), (5000, False)):
        sound = (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)
        power = np.mean(phone(sound) ** 2) / np.mean(sound**2)
        assert (power > 0.5) == kept


def test_a_faster_sound_is_shorter_and_higher(tone) -> None:
    faster = speed(tone, 1.25)
    assert len(faster) == pytest.approx(RATE / 1.25, abs=2)
    assert peak_hz(faster) == pytest.approx(1250, abs=3)


def test_a_room_rings_on_at_the_same_level(random) -> None:
    click = np.zeros(RATE, np.float32)
    click[:400] = random.normal(size=400)
    wet = reverberate(click, random)
    assert np.mean(wet**2) == pytest.approx(np.mean(click**2), rel=0.01)
    assert np.mean(wet[800:3000] ** 2) > 0


@pytest.mark.parametrize(
    ("codec", "bitrate"), [("libopus", "16k"), ("libmp3lame", "32k")]
)
def test_a_codec_gives_each_sound_back_in_its_place(tone, codec, bitrate) -> None:
    quiet = np.zeros(RATE // 3, np.float32)
    first, second = through_codec([tone, quiet], codec, bitrate)
    assert len(first) == len(tone) and len(second) == len(quiet)
    assert peak_hz(first) == pytest.approx(1000, abs=5)
    middle = slice(2000, -2000)
    assert np.std(first[middle]) == pytest.approx(np.std(tone), rel=0.2)
    assert np.abs(second[middle]).max() < 0.01
