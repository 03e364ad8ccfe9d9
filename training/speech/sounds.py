"""Waveforms: decoding with FFmpeg, and the channels that a voice may come through.

All sounds are float32, mono, 16 kHz. The changes here are made once, to waveforms; what can be done
to a picture of frequency over time while training is in `augment.py`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfiltfilt

RATE = 16_000
#: Files that one FFmpeg process decodes: its start costs more than the decoding.
AT_ONCE = 48


def _ffmpeg(arguments: list[str], data: bytes | None = None) -> bytes:
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-threads", "1", *arguments],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def decode(paths: list[Path]) -> list[np.ndarray]:
    """Each file as float32 `[samples]`. Raises RuntimeError with FFmpeg's words."""
    sounds = []
    for start in range(0, len(paths), AT_ONCE):
        part = paths[start : start + AT_ONCE]
        with tempfile.TemporaryDirectory() as folder:
            inputs = [word for path in part for word in ("-i", str(path))]
            outputs = []
            for i in range(len(part)):
                to = str(Path(folder) / f"{i}.f32")
                outputs += [
                    "-map",
                    f"{i}:a:0",
                    "-ac",
                    "1",
                    "-ar",
                    str(RATE),
                    "-f",
                    "f32le",
                    to,
                ]
            _ffmpeg(["-nostdin", *inputs, *outputs])
            sounds += [
                np.fromfile(Path(folder) / f"{i}.f32", "<f4") for i in range(len(part))
            ]
    return sounds


def through_codec(
    sounds: list[np.ndarray], codec: str, bitrate: str
) -> list[np.ndarray]:
    """The sounds encoded and decoded again, all in one stream with half a second between them.

    `codec` as FFmpeg names it, `libopus` or `libmp3lame`; lengths stay as they were.
    """
    gap = np.zeros(RATE // 2, np.float32)
    stream = np.concatenate([part for sound in sounds for part in (sound, gap)])
    container = {"libopus": "ogg", "libmp3lame": "mp3"}[codec]
    pcm = ["-f", "f32le", "-ar", str(RATE), "-ac", "1"]
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / f"sound.{container}")
        _ffmpeg(
            [*pcm, "-i", "pipe:0", "-c:a", codec, "-b:a", bitrate, file],
            stream.tobytes(),
        )
        decoded = np.frombuffer(
            _ffmpeg(["-nostdin", "-i", file, *pcm, "pipe:1"]), "<f4"
        )
    whole = np.zeros(len(stream), np.float32)
    whole[: len(decoded)] = decoded[: len(whole)]
    ends = np.cumsum([len(sound) + len(gap) for sound in sounds])
    return [
        whole[end - len(gap) - len(sound) : end - len(gap)].copy()
        for sound, end in zip(sounds, ends, strict=True)
    ]


def phone(sound: np.ndarray) -> np.ndarray:
    """A telephone call: 300 to 3,400 Hz at 8 kHz, 8-bit μ-law (ITU-T G.711), back at 16 kHz."""
    narrow = resample_poly(sound.astype(np.float64), 1, 2)
    narrow = sosfiltfilt(
        butter(4, (300, 3400), "bandpass", fs=RATE / 2, output="sos"), narrow
    )
    mu = 255
    # Calls are levelled before they are companded, and a quiet recording stays quiet afterwards.
    level = max(1e-6, float(np.abs(narrow).max()))
    x = narrow / level
    steps = np.round(
        (np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu) + 1) / 2 * 255
    )
    y = steps / 255 * 2 - 1
    x = np.sign(y) * np.expm1(np.abs(y) * np.log1p(mu)) / mu
    return resample_poly(x * level, 2, 1)[: len(sound)].astype(np.float32)


def pink(samples: int, random: np.random.Generator) -> np.ndarray:
    """Noise whose power falls by 3 dB an octave (flat under 20 Hz), mean power 1."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20)), samples)
    return noise / np.sqrt(np.mean(noise**2))


def babble(
    voices: list[np.ndarray], samples: int, random: np.random.Generator
) -> np.ndarray:
    """Several voices at once, each from a random place on, mean power 1."""
    sum_ = np.zeros(samples)
    for voice in voices:
        turns = -(-samples // len(voice))
        looped = np.roll(np.tile(voice, turns), int(random.integers(len(voice))))[
            :samples
        ]
        sum_ += looped / max(1e-9, np.sqrt(np.mean(voice**2)))
    return sum_ / np.sqrt(np.mean(sum_**2))


def speech_power(sound: np.ndarray) -> float:
    """Mean power of the louder half of the 32 ms blocks: pauses do not count."""
    blocks = sound[: len(sound) // 512 * 512].astype(np.float64).reshape(-1, 512)
    power = np.sort((blocks**2).mean(1))
    return float(power[len(power) // 2 :].mean())


def with_noise(sound: np.ndarray, noise: np.ndarray, ratio_db: float) -> np.ndarray:
    """Noise of power 1 added so that speech is `ratio_db` louder."""
    scale = np.sqrt(speech_power(sound) / 10 ** (ratio_db / 10))
    return (sound + scale * noise).astype(np.float32)


def speed(sound: np.ndarray, factor: float) -> np.ndarray:
    """Played faster (above 1) or slower: pace, pitch and formants move together."""
    return resample_poly(sound.astype(np.float64), 100, round(100 * factor)).astype(
        np.float32
    )


def reverberate(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A far microphone in a room: decaying noise of 0.2 to 0.7 s (60 dB) behind the direct sound.

    The level of the whole stays what it was.
    """
    decay = random.uniform(0.2, 0.7)
    direct_db = random.uniform(-3, 9)
    time = np.arange(int(decay * RATE)) / RATE
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail[: int(0.003 * RATE)] = 0
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.sum(tail**2))
    tail[0] = 1
    wet = fftconvolve(sound, tail)[: len(sound)]
    return (wet * np.sqrt(np.mean(sound**2) / max(1e-12, np.mean(wet**2)))).astype(
        np.float32
    )
