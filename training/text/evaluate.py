"""Evaluates a model folder through the very library that the nodes run, files as shipped.

python -m training.text.evaluate models/text-bilstm smp-usual/test goemotions/test
python -m training.text.evaluate models/text-bilstm --file mine.jsonl --language zh
python -m training.text.evaluate models/text-bilstm smp-usual/dev --rules

Writes scores, confusion matrix and reliability diagram of each set into runs/evaluation/<model>/.
A labelled file holds JSON lines {text, label}, the label one of the seven or a usual synonym.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.text.corpora import CORPORA, load_split, read_jsonl
from training.text.frontend import ROOT
from training.text.labels import ALIASES, EMOTIONS, INDEX
from training.text.metrics import calibration_noise, confusion, report

PREDICT = Path(__file__).with_name("predict.mjs")


@dataclass(frozen=True)
class LabelledSet:
    """Texts with gold distributions `[rows, 7]`; `absent` are classes that no row could have."""

    name: str
    texts: list[str]
    language: str | None
    target: np.ndarray
    absent: tuple[str, ...] = ()

    def single(self) -> LabelledSet:
        """The rows that have one label."""
        one = (self.target > 0).sum(1) == 1
        texts = [t for t, keep in zip(self.texts, one, strict=True) if keep]
        return replace(self, texts=texts, target=self.target[one])


def corpus_set(data: Path, name: str) -> LabelledSet:
    """A split of a corpus, `<corpus>/<split>`, all rows that have a label among the seven."""
    corpus, _, split = name.partition("/")
    rows = load_split(data, corpus, split)
    return LabelledSet(
        name,
        [r.text for r in rows],
        CORPORA[corpus].language,
        np.stack([r.target for r in rows]),
        CORPORA[corpus].absent,
    )


def file_set(path: Path, language: str | None, absent: tuple[str, ...]) -> LabelledSet:
    """A person's own labelled file."""
    texts, gold = [], []
    for number, record in enumerate(read_jsonl(path), 1):
        emotion = ALIASES.get(record["label"])
        if emotion is None:
            raise ValueError(
                f"{path}:{number}: label {record['label']!r} is none of {sorted(ALIASES)}"
            )
        texts.append(record["text"])
        gold.append(INDEX[emotion])
    return LabelledSet(path.stem, texts, language, np.eye(7)[gold], absent)


def answers(
    model: Path, texts: Sequence[str], language: str | None, options: Sequence[str]
) -> list[str]:
    """The lines that predict.mjs writes about `texts`, with its `options`."""
    lines = [
        json.dumps(
            {"id": i, "text": t} | ({"language": language} if language else {}),
            ensure_ascii=False,
        )
        for i, t in enumerate(texts)
    ]
    done = subprocess.run(
        [
            *("node", str(PREDICT), str(model)),
            *options,
        ],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"predict.mjs failed: {done.stderr.strip()[-2000:]}")
    return done.stdout.splitlines()


def predict(
    model: Path,
    texts: Sequence[str],
    language: str | None,
    precision: str | None,
    rules: bool = False,
) -> np.ndarray:
    """Calibrated probabilities `[rows, 7]` from the library; zeros for a text without content."""
    options = [*([precision] if precision else []), *(["--rules"] if rules else [])]
    out = np.zeros((len(texts), len(EMOTIONS)))
    for line in answers(model, texts, language, options):
        record = json.loads(line)
        for emotion, score in record["scores"].items():
            out[record["id"], INDEX[emotion]] = score
    return out


def evaluate(
    model: Path,
    labelled: LabelledSet,
    precision: str | None = None,
    rules: bool = False,
) -> tuple[dict, np.ndarray, np.ndarray]:
    """Scores, probabilities `[rows, 7]` and gold `[rows]` of the rows with one label.

    Probabilities of classes that the corpus' annotators could not give are taken out and the rest
    divided by its sum; `Open` in the scores is with all seven left in the running. `eceNoise` is the
    calibration error that a perfectly calibrated model would show on as many rows, its mean and its
    95th percentile.
    """
    labelled = labelled.single()
    gold = labelled.target.argmax(1)
    raw = predict(model, labelled.texts, labelled.language, precision, rules)
    allowed = np.array([e not in labelled.absent for e in EMOTIONS])
    masked = np.where(allowed, raw, 0)
    probabilities = masked / np.clip(masked.sum(1, keepdims=True), 1e-12, None)
    scores = report(probabilities, gold) | {"set": labelled.name}
    noise = calibration_noise(probabilities.max(1))
    scores |= {"eceNoise": noise[0], "eceNoise95": noise[1]}
    if labelled.absent:
        whole = report(raw, gold)
        scores |= {"macroF1Open": whole["macroF1"], "eceOpen": whole["ece"]}
    return scores, probabilities, gold


def multi_label(probabilities: np.ndarray, target: np.ndarray, least: float) -> float:
    """Macro-F1 over the seven as in the GoEmotions paper: every class above `least` is predicted,
    and the likeliest one in any case. `probabilities`, `target` `[rows, 7]`."""
    chosen = probabilities >= least
    chosen[np.arange(len(chosen)), probabilities.argmax(1)] = True
    gold = target > 0
    hits = (chosen & gold).sum(0)
    both = chosen.sum(0) + gold.sum(0)
    return float(np.mean(2 * hits / np.clip(both, 1, None)))


def multi_label_protocol(model: Path, data: Path, corpus: str) -> dict:
    """The paper's protocol for GoEmotions: all rows, also those with several labels; the threshold
    that is best on the development set, macro-F1 on the test set."""
    dev, test = (corpus_set(data, f"{corpus}/{split}") for split in ("dev", "test"))
    on_dev = predict(model, dev.texts, dev.language, None)
    candidates = np.arange(0.1, 0.61, 0.02)
    scores = [multi_label(on_dev, dev.target, t) for t in candidates]
    least = float(candidates[int(np.argmax(scores))])
    on_test = predict(model, test.texts, test.language, None)
    return {
        "rows": len(test.texts),
        "threshold": round(least, 2),
        "macroF1": multi_label(on_test, test.target, least),
    }


def coverage_curve(
    probabilities: np.ndarray, gold: np.ndarray, shares: Sequence[float]
) -> list[dict]:
    """Accuracy when only the share of rows with the highest confidence is answered."""
    order = np.argsort(-probabilities.max(1))
    correct = (probabilities.argmax(1) == gold)[order]
    confidence = probabilities.max(1)[order]
    out = []
    for share in shares:
        n = max(1, round(share * len(gold)))
        out.append(
            {
                "coverage": share,
                "threshold": round(float(confidence[n - 1]), 3),
                "accuracy": round(float(correct[:n].mean()), 4),
            }
        )
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("sets", nargs="*", metavar="CORPUS/SPLIT")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--language", choices=("zh", "en"))
    parser.add_argument(
        "--absent", default="", help="comma-separated classes of --file"
    )
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"))
    parser.add_argument(
        "--rules", action="store_true", help="with the lexicon rules that nodes apply"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--multi-label",
        metavar="CORPUS",
        help="score rows with several labels too, by a threshold chosen on the development set",
    )
    arguments = parser.parse_args()
    out = arguments.out or ROOT / "runs" / "evaluation" / arguments.model.name
    out.mkdir(parents=True, exist_ok=True)
    wanted = [corpus_set(arguments.data, name) for name in arguments.sets]
    if arguments.file:
        absent = tuple(a for a in arguments.absent.split(",") if a)
        wanted.append(file_set(arguments.file, arguments.language, absent))
    if arguments.multi_label:
        scores = multi_label_protocol(
            arguments.model, arguments.data, arguments.multi_label
        )
        print(f"{arguments.multi_label}, multi-label: {scores}", flush=True)
    for labelled in wanted:
        scores, probabilities, gold = evaluate(
            arguments.model, labelled, arguments.precision, arguments.rules
        )
        scores["coverage"] = coverage_curve(
            probabilities, gold, (1, 0.9, 0.8, 0.7, 0.5)
        )
        stem = labelled.name.replace("/", "-")
        np.savez(
            out / f"{stem}.npz",
            probabilities=probabilities,
            gold=gold,
            confusion=confusion(gold, probabilities.argmax(1), len(EMOTIONS)),
        )
        (out / f"{stem}.json").write_text(json.dumps(scores, indent=1) + "\n")
        print(
            f"{labelled.name}: {scores['rows']} rows, macro-F1 {scores['macroF1']:.4f}, "
            f"weighted-F1 {scores['weightedF1']:.4f}, accuracy {scores['accuracy']:.4f}, "
            f"ECE {scores['ece']:.4f} (noise {scores['eceNoise']:.4f}, "
            f"{scores['eceNoise95']:.4f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
