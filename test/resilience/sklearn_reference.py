"""Writes sklearn-reference.ts: what scikit-learn makes of the texts in the tests.

    python -m pip install scikit-learn
    python test/resilience/sklearn_reference.py > test/resilience/sklearn-reference.ts
"""

import json
import re
import sys
import unicodedata
import warnings

import numpy as np
import sklearn
from scipy.special import softmax
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

MOST_CODE_POINTS = 2000
BLANKS = re.compile(
    "[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+"
)


def normalise(text: str) -> str:
    """What `normaliseForNgrams` does."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text[:MOST_CODE_POINTS])
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    text = re.sub(r"https?://[!-~]+", " ", text)
    text = re.sub(r"(.)\1{3,}", r"\1\1\1", text, flags=re.DOTALL)
    return re.sub("^ | $", "", BLANKS.sub(" ", text))[:MOST_CODE_POINTS]


def block(analyzer: str, low: int, high: int, features: int) -> HashingVectorizer:
    return HashingVectorizer(
        preprocessor=normalise,
        lowercase=False,
        analyzer=analyzer,
        ngram_range=(low, high),
        token_pattern=r"[a-z0-9'\u00df-\u00f6\u00f8-\u024f]+",
        n_features=features,
        norm=None,
        alternate_sign=False,
    )


TEXTS = [
    "I'm so happy today",
    "不是不开心，只是有点累",
    "Ｓｏｏｏｏｏ　good!!!!! https://a.b/c?d=1",
    "",
    " \u3000\ufeff ",
    "😀😀 哈哈哈哈哈",
    "don’t you DARE",
    "Çà et là, l’été ΣΑΣ İ",
    "ﷺ\x00\t\n end",
    "a\ud800b",
    "x" + "\u0301" * 9,
    "今天天气 good day ".join(str(i) for i in range(400)),
]


def texts() -> list[dict]:
    vectoriser = make_pipeline(
        make_union(block("char", 1, 3, 512), block("word", 1, 2, 256)),
        TfidfTransformer(use_idf=False, sublinear_tf=True, norm="l2"),
    )
    # The weights of the test: integers from a formula, a scale and a bias for each label.
    weight = ((np.arange(768 * 7) * 7919) % 255 - 127).reshape(768, 7)
    scale = np.float32([0.01, 0.02, 0.015, 0.012, 0.03, 0.011, 0.02]).astype(float)
    bias = np.float32([0.1, -0.2, 0.3, 0, -0.1, 0.05, 0]).astype(float)
    rows = []
    for text, vector in zip(TEXTS, vectoriser.fit_transform(TEXTS)):
        logits = (vector @ (weight * scale)).ravel() + bias
        entries = sorted((int(i), float(v)) for i, v in zip(vector.indices, vector.data))
        rows.append(
            {
                "text": text,
                "count": len(entries),
                "first": entries[:3],
                "scores": [float(score) for score in softmax(logits / 1.5)],
            }
        )
    return rows


def features() -> dict:
    grid = np.arange(30 * 4).reshape(30, 4)
    x = np.sin(grid * 1.7) * [1, 10, 0.1, 5] + [0, 100, -1, 3]
    y = [i * i % 3 if i % 5 else 2 for i in range(30)]
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=10).fit(scaler.transform(x), y)
    sample = [0.3, 104, -1.05, 1.0]
    unknown = [0.3, scaler.mean_[1], -1.05, 1.0]
    return {
        "mean": scaler.mean_.tolist(),
        "std": scaler.scale_.tolist(),
        "weight": model.coef_.T.tolist(),
        "bias": model.intercept_.tolist(),
        "sample": sample,
        "scores": model.predict_proba(scaler.transform([sample]))[0].tolist(),
        "secondUnknown": model.predict_proba(scaler.transform([unknown]))[0].tolist(),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"// Written by sklearn_reference.py with scikit-learn {sklearn.__version__}.")
    print(f"export const TEXTS = {json.dumps(texts(), indent=1)};\n")
    print(f"export const FEATURES = {json.dumps(features(), indent=1)};")
    sys.stdout.flush()
