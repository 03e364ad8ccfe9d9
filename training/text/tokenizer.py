"""Builds the `tokenizer.json` that training and the nodes share, and the embeddings that go with it.

Three kinds, all WordPiece, so that `@huggingface/tokenizers` (JavaScript) and `tokenizers` (Rust)
read them alike:

- `pruned`: a pre-trained encoder's vocabulary without the pieces that its pre-tokenizer can never
  produce, plus the frequent bracket tokens (`[允悲]`, `[laughing]`) into which the front end turns
  emoji and emoticons.
- `joint-characters`, `joint-words`: one small vocabulary for Chinese and English together.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BRACKET_TOKEN = re.compile(r"\[[^\[\]\s]{1,12}\]")
_HAN = r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_UNREACHABLE = re.compile(rf"^(?:\[unused\d+\]|##{_HAN}+)$")
_HAN_CHARACTER = re.compile(_HAN)


@dataclass(frozen=True)
class Built:
    """A tokenizer with one embedding a token, float32 `[vocabulary, width]`."""

    tokenizer: dict
    embedding: np.ndarray


def read_embedding(folder: Path) -> np.ndarray:
    """The token table of a `BertModel` checkpoint, float32 `[vocabulary, width]`."""
    state = load_file(folder / "model.safetensors")
    for name in (
        "embeddings.word_embeddings.weight",
        "bert.embeddings.word_embeddings.weight",
    ):
        if name in state:
            return state[name].float().numpy()
    raise KeyError(f"{folder}/model.safetensors holds no word embeddings")


def bracket_tokens(texts: Iterable[str], least: int) -> list[str]:
    """Bracket tokens that occur in at least `least` texts, most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(BRACKET_TOKEN.findall(text)))
    return [token for token, n in counts.most_common() if n >= least]


def pruned(folder: Path, texts: Sequence[str], least: int = 15) -> Built:
    """A pre-trained encoder's tokenizer, without what it cannot produce and with bracket tokens.

    Chinese characters reach WordPiece one by one, so a piece `##字` is never looked up; neither is
    `[unused7]`. Leaving them out changes no token of any text. A bracket token's embedding starts
    as the mean of the pieces between its brackets.
    """
    spec = _read_spec(folder)
    table = read_embedding(folder)
    old = spec["model"]["vocab"]
    kept = [t for t in SPECIAL] + [
        t
        for t in sorted(old, key=old.get)
        if t not in SPECIAL and not _UNREACHABLE.match(t)
    ]
    pieces = Tokenizer.from_str(json.dumps(spec, ensure_ascii=False))
    new = [t for t in bracket_tokens(texts, least) if t not in kept]
    rows = [table[old[t]] for t in kept] + [_mean_of(pieces, t, table) for t in new]
    return Built(_spec(kept, new, han_apart=True), np.stack(rows).astype(np.float32))


def joint(
    zh: Path,
    en: Path,
    texts_zh: Sequence[str],
    texts_en: Sequence[str],
    width: int,
    words: bool,
    least: int = 3,
    least_word: int = 8,
) -> Built:
    """One vocabulary for both languages, initialised from two encoders' embeddings.

    English pieces come from `en`, Chinese characters from `zh`; both tables are reduced to `width`
    by PCA over the pieces that are kept. With `words`, Chinese comes segmented with blanks
    and a vocabulary of frequent words is added, which falls back to characters.
    """
    en_old, zh_old = (
        _read_spec(en)["model"]["vocab"],
        _read_spec(zh)["model"]["vocab"],
    )
    english = [
        t for t in sorted(en_old, key=en_old.get) if not _HAN_CHARACTER.search(t)
    ]
    english = [t for t in english if t not in SPECIAL and not _UNREACHABLE.match(t)]
    han = [t for t in sorted(zh_old, key=zh_old.get) if re.fullmatch(_HAN, t)]
    full = Tokenizer.from_str(
        json.dumps(_spec([*SPECIAL, *english, *han], [], han_apart=True))
    )
    counts: Counter[str] = Counter()
    for text in (*texts_zh, *texts_en):
        counts.update(full.encode(text, add_special_tokens=False).tokens)
    single = {t for t in english if len(t.removeprefix("##")) == 1 and t.isascii()}
    kept_en = [t for t in english if counts[t] >= least or t in single]
    kept_zh = [t for t in han if counts[t] >= 2]
    table_en = _reduce(read_embedding(en)[[en_old[t] for t in kept_en]], width)
    table_zh = _reduce(read_embedding(zh)[[zh_old[t] for t in kept_zh]], width)
    vector = dict(zip(kept_en, table_en, strict=True)) | dict(
        zip(kept_zh, table_zh, strict=True)
    )
    tokens = [*SPECIAL, *kept_en, *kept_zh]
    if words:
        frequent: Counter[str] = Counter()
        for text in texts_zh:
            frequent.update(
                w for w in text.split() if re.fullmatch(f"{_HAN}{{2,8}}", w)
            )
        for word, n in frequent.most_common():
            if n < least_word:
                break
            tokens.append(word)
            vector[word] = np.mean(
                [vector.get(c, np.zeros(width)) for c in word], axis=0
            )
        for character in kept_zh:
            tokens.append(f"##{character}")
            vector[f"##{character}"] = vector[character]
    brackets = bracket_tokens([*texts_zh, *texts_en], 15)
    for token in brackets:
        inner = full.encode(token[1:-1], add_special_tokens=False).tokens
        vector[token] = np.mean(
            [vector.get(t, np.zeros(width)) for t in inner] or [np.zeros(width)], axis=0
        )
    random = np.random.default_rng(0)
    everything = [*tokens, *[t for t in brackets if t not in SPECIAL]]
    rows = [
        vector[t] if t in vector else random.normal(0, 0.1, width) for t in everything
    ]
    rows[0] = np.zeros(width)
    return Built(
        _spec(tokens, everything[len(tokens) :], han_apart=not words),
        np.stack(rows).astype(np.float32),
    )


def encode(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> list[list[int]]:
    """Ids with [CLS] and [SEP], at most `longest`; the end of a longer text is cut, [SEP] kept."""
    rows = []
    for start in range(0, len(texts), 4096):
        for encoding in tokenizer.encode_batch_fast(list(texts[start : start + 4096])):
            ids = encoding.ids
            rows.append(ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]])
    return rows


def _reduce(table: np.ndarray, width: int) -> np.ndarray:
    centred = table - table.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    low = centred @ axes[:width].T
    return low * (0.3 / low.std())


def _mean_of(pieces: Tokenizer, token: str, table: np.ndarray) -> np.ndarray:
    ids = pieces.encode(token[1:-1], add_special_tokens=False).ids
    return table[ids].mean(axis=0) if ids else table.mean(axis=0)


def _read_spec(folder: Path) -> dict:
    spec = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return spec | {"truncation": None, "padding": None}


def _spec(tokens: Sequence[str], added: Sequence[str], han_apart: bool) -> dict:
    """A WordPiece `tokenizer.json`. The front end has normalised and lower-cased already."""
    vocabulary = {t: i for i, t in enumerate(tokens)}
    extra = [(t, vocabulary[t], True) for t in SPECIAL]
    extra += [(t, len(tokens) + i, False) for i, t in enumerate(added)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": t,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": special,
            }
            for t, i, special in extra
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": han_apart,
            "strip_accents": True,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            ],
            "special_tokens": {
                t: {"id": t, "ids": [vocabulary[t]], "tokens": [t]}
                for t in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }
