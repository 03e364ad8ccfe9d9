"""Answers of a linear model on n-grams of characters, mixed into those of a finished run, as a teacher.

    python -m training.text.linear zh-mixed text-zh-bert-soup --corpora smp-usual=.5,ocemotion=.8

The two err on different texts: on the development sets their mean is better than either. Every row is
answered by a linear model that was fitted without it (cross-fitting), since one that has learnt a
row's label by heart teaches nothing. Writes runs/NAME/teacher.npz, for a recipe's `teachers`, and
prints development macro-F1 of the run, of the linear model and of their mean. Rows of other corpora
keep the run's answer. Needs RUN/teacher.npz (`predict.py`).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from tokenizers import Tokenizer

from training.text.build import build_model
from training.text.corpora import CORPORA, Row
from training.text.dataset import Encoded
from training.text.dedup import without_duplicates
from training.text.labels import EMOTIONS
from training.text.metrics import masked_probabilities, report
from training.text.predict import predict
from training.text.prepare import RUNS, all_evaluation_rows, load_rows
from training.text.recipe import read_recipe
from training.text.tokenizer import encode

#: Keeps the logarithm of a probability finite.
TINY = 1e-6


def log_probabilities(
    train: list[tuple[str, int]], texts: list[str], chinese: bool
) -> np.ndarray:
    """Log-probabilities `[texts, 7]` of one-against-rest logistic regressions on TF-IDF of n-grams:
    one to three characters in Chinese, two to four within words otherwise.

    Rare classes are weighted up by the root of their frequency. A class that `train` lacks gets
    `log(TINY)`.
    """
    vectors = TfidfVectorizer(
        analyzer="char" if chinese else "char_wb",
        ngram_range=(1, 3) if chinese else (2, 4),
        min_df=2,
        sublinear_tf=True,
    )
    gold = np.array([label for _, label in train])
    x = vectors.fit_transform([text for text, _ in train])
    weights = {c: float((gold == c).mean() ** -0.5) for c in np.unique(gold)}
    model = SGDClassifier(
        loss="log_loss",
        alpha=1e-5,
        max_iter=15,
        tol=None,
        average=True,
        class_weight=weights,
        random_state=0,
    ).fit(x, gold)
    z = model.decision_function(vectors.transform(texts))
    if z.ndim == 1:  # Of two classes scikit-learn gives the second alone.
        z = np.stack([-z, z], axis=1)
    p = 1 / (1 + np.exp(-z))
    out = np.zeros((len(texts), 7))
    out[:, model.classes_] = p / p.sum(1, keepdims=True)
    return np.log(out + TINY)


def cross_fitted(rows: list[Row], folds: int, seed: int = 0) -> np.ndarray:
    """Log-probabilities `[rows, 7]`; those of a row come from a model fitted on the other folds."""
    pairs = [(plain(r), int(r.target.argmax())) for r in rows]
    chinese = rows[0].language == "zh"
    fold = np.random.default_rng(seed).permutation(len(rows)) % folds
    out = np.zeros((len(rows), 7))
    for k in range(folds):
        # A row with several labels is answered, but teaches nobody.
        others = [
            p for p, r, f in zip(pairs, rows, fold, strict=True) if f != k and r.single
        ]
        texts = [p[0] for p, f in zip(pairs, fold, strict=True) if f == k]
        out[fold == k] = log_probabilities(others, texts, chinese)
    return out


def mixed(
    logits: np.ndarray, linear: np.ndarray, allowed: np.ndarray, share: float
) -> np.ndarray:
    """Log-probabilities `[rows, 7]` of the geometric mean, the linear model weighing `share` beside 1.

    `linear` speaks of the `allowed` classes `[7]` alone: the others keep their part of the whole.
    """
    whole = masked_probabilities(logits, np.ones(7, dtype=bool))
    own = masked_probabilities(logits, allowed)
    both = (np.log(own + TINY) + share * linear) / (1 + share)
    mean = masked_probabilities(both, allowed) * whole[:, allowed].sum(1, keepdims=True)
    return np.log(np.where(allowed, mean, whole) + TINY)


def plain(row: Row) -> str:
    """The normalised text; Chinese without the blanks of its segmentation."""
    words = row.normalised.split()
    return ("" if row.language == "zh" else " ").join(words)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("run")
    parser.add_argument("--corpora", required=True, help="CORPUS=SHARE,…")
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    run = RUNS / arguments.run
    recipe = read_recipe(run / "recipe.yaml", {"init": ""})
    torch.set_num_threads(recipe.threads)
    model = build_model(recipe, run)
    model.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    evaluation = all_evaluation_rows(arguments.data, recipe.segmentation)
    with np.load(run / "teacher.npz") as saved:
        answers = dict(zip(map(str, saved["ids"]), saved["logits"], strict=True))
    for item in arguments.corpora.split(","):
        name, share = item.split("=")
        allowed = np.array([e not in CORPORA[name].absent for e in EMOTIONS])
        train, _ = without_duplicates(
            load_rows(arguments.data, [name], "train", recipe.segmentation), evaluation
        )
        train = [r for r in train if r.id in answers]
        logits = np.stack([answers[r.id] for r in train])
        found = mixed(
            logits, cross_fitted(train, arguments.folds), allowed, float(share)
        )
        answers |= zip((r.id for r in train), found, strict=True)

        dev = [r for r in evaluation if r.single and r.id.startswith(f"{name}/dev/")]
        ids = encode(tokenizer, [r.normalised for r in dev], recipe.max_tokens)
        logits = predict(model, [Encoded(r, i) for r, i in zip(dev, ids, strict=True)])
        pairs = [(plain(r), int(r.target.argmax())) for r in train if r.single]
        chinese = CORPORA[name].language == "zh"
        linear = log_probabilities(pairs, [plain(r) for r in dev], chinese)
        gold = np.array([r.target.argmax() for r in dev])
        scores = [
            report(masked_probabilities(x, allowed), gold)["macroF1"]
            for x in (logits, linear, mixed(logits, linear, allowed, float(share)))
        ]
        print(
            f"{name} dev macro-F1: {arguments.run} {scores[0]:.4f}, linear {scores[1]:.4f}, "
            f"mean {scores[2]:.4f}",
            flush=True,
        )
    out = RUNS / arguments.name
    out.mkdir(parents=True, exist_ok=True)
    np.savez(
        out / "teacher.npz",
        ids=np.array(list(answers)),
        logits=np.stack(list(answers.values())).astype(np.float32),
    )


if __name__ == "__main__":
    main()
