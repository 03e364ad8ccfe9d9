"""Writes librosa-reference.json: what librosa gives for the signal of `signal.ts`.

    pip install librosa==0.11.0
    python test/audio/make-librosa-reference.py > test/audio/librosa-reference.json
"""

import json
import sys

import librosa
import numpy as np

RATE, FFT, HOP, SAMPLES = 16000, 1024, 640, 8000


def signal():
    """The same numbers as `referenceSignal` in `signal.ts`."""
    n = np.arange(SAMPLES, dtype=np.float64)
    t = n / RATE
    tones = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.1 * np.sin(2 * np.pi * 1830 * t + 0.5)
    chirp = 0.2 * np.sin(2 * np.pi * (300 * t + 2500 * t * t))
    state, noise = 12345, np.empty(SAMPLES)
    for i in range(SAMPLES):
        state = (state * 1103515245 + 12345) % 2147483648
        noise[i] = state / 1073741824 - 1
    return (tones + chirp + 0.02 * noise).astype(np.float32).astype(np.float64)


def rounded(array, digits=4):
    return np.round(np.asarray(array, dtype=np.float64), digits).tolist()


def main():
    y = signal()
    stft = librosa.stft(y, n_fft=FFT, hop_length=HOP, window="hann", center=False)
    power = np.abs(stft) ** 2
    out = {
        "librosa": librosa.__version__,
        "rate": RATE, "fft": FFT, "hop": HOP, "samples": SAMPLES,
        "signal": rounded(y[:5], 7),
        "logMel": {}, "bank": {},
    }  # fmt: skip
    for name, htk, norm in (("slaney", False, "slaney"), ("htk", True, None)):
        bank = librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=128, fmin=50, fmax=8000, htk=htk, norm=norm, dtype=np.float64)  # fmt: skip
        out["logMel"][name] = rounded(librosa.power_to_db(bank @ power, amin=1e-10, top_db=None))
        small = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, fmin=0, fmax=7600, htk=htk, norm=norm, dtype=np.float64)  # fmt: skip
        # Each row as the index of its first weight, then the weights.
        starts = [int(np.flatnonzero(row)[0]) if row.any() else 0 for row in small]
        out["bank"][name] = [
            [start, *rounded(np.trim_zeros(row), 7)] for start, row in zip(starts, small)
        ]
    mel = librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=128, fmin=0, fmax=8000, dtype=np.float64)
    decibels = librosa.power_to_db(mel @ power, amin=1e-10, top_db=None)
    mfcc = librosa.feature.mfcc(S=decibels, n_mfcc=40)
    out["mfcc"] = rounded(mfcc)
    out["mfccTopDb"] = rounded(librosa.feature.mfcc(S=librosa.power_to_db(mel @ power, top_db=30), n_mfcc=13))  # fmt: skip
    out["delta"] = rounded(librosa.feature.delta(mfcc, width=9))
    out["delta2"] = rounded(librosa.feature.delta(mfcc, width=9, order=2))
    out["chroma"] = rounded(librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=FFT, tuning=0.0, norm=np.inf))  # fmt: skip
    out["centroid"] = rounded(librosa.feature.spectral_centroid(S=np.abs(stft), sr=RATE)[0], 3)
    out["zeroCrossings"] = int(np.sum(librosa.zero_crossings(y, pad=False)))
    out["rms"] = rounded(librosa.feature.rms(y=y, frame_length=FFT, hop_length=HOP, center=False)[0], 7)  # fmt: skip
    json.dump(out, sys.stdout, separators=(",", ":"))


main()
