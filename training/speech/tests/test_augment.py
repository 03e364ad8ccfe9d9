"""What happens to pictures and sounds on the way into training."""

import numpy as np
import pytest
import torch

from training.speech.augment import (
    add_noise,
    add_power,
    colour,
    hz_of,
    mask_rows,
    mel_of,
    narrow,
    ring,
    speech_level,
    warp,
)
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
    band = int(np.argmin(np.abs(centres - 1000)))
    picture = torch.full((1, 128, 64), -80.0)
    picture[0, band] = -20
    moved = warp(picture, np.array([1.2]))
    assert centres[int(moved[0, :, 0].argmax())] == pytest.approx(1200, rel=0.03)
    assert torch.allclose(warp(picture, np.array([1.0])), picture, atol=1e-2)


def test_powers_add() -> None:
    same = torch.tensor([-40.0])
    assert add_power(same, same).item() == pytest.approx(-36.99, abs=0.01)
    assert add_power(same, torch.tensor([-100.0])).item() == pytest.approx(
        -40, abs=0.01
    )


def test_noise_has_the_ratio_asked_for(random) -> None:
    speech = torch.full((2, 128, 64), -90.0)
    speech[:, :, 10:50] = -30
    noise = torch.full((2, 128, 64), -70.0)
    noisy = add_noise(speech, noise, torch.tensor([10.0, 20.0]))
    level = speech_level(speech)
    assert noisy[0, 0, 0].item() == pytest.approx(level[0].item() - 10, abs=0.1)
    assert noisy[1, 0, 0].item() == pytest.approx(level[1].item() - 20, abs=0.1)


def test_masks_and_colours_keep_the_shape(random) -> None:
    pictures = torch.rand(4, 128, 64) * 20 - 60
    masked = mask_rows(pictures.clone(), random, 20, 10, 2)
    changed = (masked != pictures).float().mean().item()
    assert 0.02 < changed < 0.6
    assert torch.equal(mask_rows(pictures.clone(), random, 0, 0, 2), pictures)
    assert torch.equal(colour(pictures, random, 0, 0), pictures)
    louder = colour(pictures, random, 5, 0) - pictures
    assert torch.allclose(louder, louder[:, :1, :1].expand_as(louder), atol=1e-4)


def test_a_narrow_channel_keeps_the_middle_and_loses_the_ends(random) -> None:
    pictures = torch.full((8, 128, 64), -30.0)
    heard = narrow(pictures, random)
    edges = np.linspace(mel_of(50), mel_of(8000), 130)
    middle = int(np.argmin(np.abs(hz_of(edges[1:-1]) - 1500)))
    assert torch.allclose(heard[:, middle], pictures[:, middle])
    assert (heard[:, -1] < -30).all() and heard.min() >= -100
    call = narrow(pictures, random, calls=1)
    above = hz_of(edges[1:-1]) > 4000
    assert (call[:, torch.from_numpy(above)] == -100).all()
    assert torch.allclose(call[:, middle], pictures[:, middle])


def test_a_room_rings_on_and_only_adds(random) -> None:
    pictures = torch.full((3, 128, 64), -90.0)
    pictures[:, :, 20] = -20
    heard = ring(pictures, random)
    assert (heard >= pictures - 1e-3).all()
    assert torch.allclose(heard[:, :, :20], torch.tensor(-90.0), atol=4)
    assert (heard[:, 0, 21] > -60).all() and (
        heard[:, 0, 21:30].diff(dim=1) < 0.01
    ).all()


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
