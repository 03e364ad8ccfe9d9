"""Tokenizers on a made-up base: nothing reachable is lost, bracket tokens stay whole."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from training.text.tokenizer import SPECIAL, bracket_tokens, encode, joint, pruned


def base(folder: Path, pieces: list[str]) -> Path:
    """A pre-trained folder with these pieces, each row of its table filled with the piece's id."""
    folder.mkdir()
    vocabulary = {t: i for i, t in enumerate([*SPECIAL, *pieces])}
    spec = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    table = torch.arange(len(vocabulary)).float()[:, None].expand(-1, 8).contiguous()
    table = table + torch.randn(len(vocabulary), 8) * 1e-3
    save_file(
        {"embeddings.word_embeddings.weight": table}, folder / "model.safetensors"
    )
    return folder


ZH = ["[unused1]", "允", "悲", "今", "天", "##天", "[", "]", "##d", "goo"]
EN = ["good", "day", "##s", "a", "##a", "!"]


def test_pruning_drops_only_what_cannot_occur(tmp_path: Path) -> None:
    built = pruned(base(tmp_path / "zh", ZH), ["今天[允悲]"] * 3, least=2)
    tokenizer = Tokenizer.from_str(json.dumps(built.tokenizer))
    vocabulary = tokenizer.get_vocab()
    assert "[unused1]" not in vocabulary and "##天" not in vocabulary
    assert len(built.embedding) == len(vocabulary)
    assert tokenizer.encode("今天[允悲]good").tokens == [
        "[CLS]",
        "今",
        "天",
        "[允悲]",
        "goo",
        "##d",
        "[SEP]",
    ]


def test_a_bracket_token_starts_as_the_mean_of_its_pieces(tmp_path: Path) -> None:
    built = pruned(base(tmp_path / "zh", ZH), ["[允悲]"] * 3, least=2)
    vocabulary = Tokenizer.from_str(json.dumps(built.tokenizer)).get_vocab()
    row = {t: built.embedding[i] for t, i in vocabulary.items()}
    assert np.allclose(row["[允悲]"], (row["允"] + row["悲"]) / 2, atol=1e-5)


def test_words_fall_back_to_characters(tmp_path: Path) -> None:
    zh, en = base(tmp_path / "zh", ZH), base(tmp_path / "en", EN)
    texts = ["今天 悲"] * 9 + ["允"] * 3
    built = joint(zh, en, texts, ["good days!"] * 5, 4, words=True, least_word=8)
    tokenizer = Tokenizer.from_str(json.dumps(built.tokenizer))
    assert tokenizer.encode("今天 天今 good", add_special_tokens=False).tokens == [
        "今天",
        "天",
        "##今",
        "good",
    ]


def test_a_long_text_is_cut_before_its_last_special_token(tmp_path: Path) -> None:
    built = pruned(base(tmp_path / "zh", ZH), [], least=2)
    tokenizer = Tokenizer.from_str(json.dumps(built.tokenizer))
    (ids,) = encode(tokenizer, ["今天今天今天"], 5)
    assert len(ids) == 5 and ids[0] == 2 and ids[-1] == 3


def test_tokens_are_counted_once_a_text() -> None:
    assert bracket_tokens(["[泪][泪]", "[笑]", "[笑]"], 2) == ["[笑]"]
