"""BERT encoder with a pooled classification head; reads the standard `BertModel` weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from training.text.models.pooling import AttentionPooling


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a BERT encoder (Devlin et al. 2019)."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    special: tuple[int, int] = (2, 3)

    @staticmethod
    def read(folder: Path, dropout: float = 0.1) -> EncoderConfig:
        """From the `config.json` of a pre-trained folder."""
        c = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return EncoderConfig(
            vocabulary=c["vocab_size"],
            width=c["hidden_size"],
            layers=c["num_hidden_layers"],
            heads=c["num_attention_heads"],
            inner=c["intermediate_size"],
            positions=c["max_position_embeddings"],
            norm_epsilon=c["layer_norm_eps"],
            dropout=dropout,
        )


def locked_dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout with one mask a row for all its tokens (Gal and Ghahramani 2016), `x` `[batch, tokens,
    width]`. Drawing a number for every element would take a tenth of a step on a CPU."""
    if not training or rate == 0:
        return x
    keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= rate
    return x * (keep.to(x.dtype) / (1 - rate))


class Layer(nn.Module):
    """Self-attention and feed-forward block, post-norm as in BERT."""

    def __init__(self, c: EncoderConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.dropout = c.dropout
        self.query = nn.Linear(c.width, c.width)
        self.key = nn.Linear(c.width, c.width)
        self.value = nn.Linear(c.width, c.width)
        self.out = nn.Linear(c.width, c.width)
        self.attention_norm = nn.LayerNorm(c.width, eps=c.norm_epsilon)
        self.up = nn.Linear(c.width, c.inner)
        self.down = nn.Linear(c.inner, c.width)
        self.norm = nn.LayerNorm(c.width, eps=c.norm_epsilon)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """`x` `[batch, tokens, width]`, `bias` `[batch, 1, 1, tokens]` added to the scores."""
        batch, tokens, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, tokens, self.heads, width // self.heads).transpose(
                1, 2
            )

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        # Written out: the fused kernel's backward pass on a CPU takes twice as long.
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5
        mixed = torch.softmax(scores + bias.to(scores.dtype), dim=-1).to(v.dtype) @ v
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, width)
        x = self.attention_norm(
            x + locked_dropout(self.out(mixed), self.dropout, self.training)
        )
        inner = self.down(F.gelu(self.up(x)))
        return self.norm(x + locked_dropout(inner, self.dropout, self.training))


class Encoder(nn.Module):
    """Token ids to token states."""

    def __init__(self, c: EncoderConfig) -> None:
        super().__init__()
        self.config = c
        self.tokens = nn.Embedding(c.vocabulary, c.width)
        self.positions = nn.Embedding(c.positions, c.width)
        self.segment = nn.Parameter(torch.zeros(c.width))
        self.norm = nn.LayerNorm(c.width, eps=c.norm_epsilon)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`ids`, `mask` `[batch, tokens]` → states `[batch, tokens, width]`."""
        place = torch.arange(ids.shape[1], device=ids.device)
        x = self.tokens(ids) + self.positions(place) + self.segment
        x = locked_dropout(self.norm(x), self.config.dropout, self.training)
        bias = ((1 - mask.to(x.dtype)) * -1e4)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        return x


class EncoderClassifier(nn.Module):
    """Seven logits from [CLS] and an attention-weighted mean of the last layer.

    With `fine > 0` a second head predicts that many finer categories; it serves training only and
    is left out of the exported graph.
    """

    def __init__(self, c: EncoderConfig, classes: int = 7, fine: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(c)
        self.pooling = AttentionPooling(c.width, 128, c.special)
        self.classify = nn.Linear(2 * c.width, classes)
        self.fine = nn.Linear(2 * c.width, fine) if fine else None
        nn.init.normal_(self.classify.weight, std=0.02)
        nn.init.zeros_(self.classify.bias)

    def pooled(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[batch, 2 · width]` and token weights `[batch, tokens]`."""
        states = self.encoder(ids, mask)
        mean, weights = self.pooling(states, ids, mask)
        both = torch.cat([states[:, 0].float(), mean], dim=-1)
        return F.dropout(both, self.encoder.config.dropout, self.training), weights

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[batch, classes]` and token weights `[batch, tokens]`."""
        features, weights = self.pooled(ids, mask)
        return self.classify(features), weights

    def forward_training(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Logits, and the finer categories' where there is such a head."""
        features, _ = self.pooled(ids, mask)
        out = {"logits": self.classify(features)}
        if self.fine is not None:
            out["fine"] = self.fine(features)
        return out

    def parameter_depth(self, name: str) -> int:
        """0 for the embeddings, 1… for the layers, layers + 1 for the heads."""
        layers = self.encoder.config.layers
        if name.startswith("encoder.layers."):
            return 1 + int(name.split(".")[2])
        return 0 if name.startswith("encoder.") else layers + 1


_LAYER_KEYS = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "norm",
}


def load_pretrained(encoder: Encoder, folder: Path, embedding: Tensor) -> None:
    """Fills an encoder from a `BertModel` checkpoint.

    `embedding` `[vocabulary, width]` replaces the checkpoint's table, for a tokenizer whose
    vocabulary was pruned or grown (see `tokenizer.py`).
    """
    state = load_file(folder / "model.safetensors")
    state = {k.removeprefix("bert."): v.float() for k, v in state.items()}
    mapped = {
        "tokens.weight": embedding,
        "positions.weight": state["embeddings.position_embeddings.weight"],
        "segment": state["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": state["embeddings.LayerNorm.weight"],
        "norm.bias": state["embeddings.LayerNorm.bias"],
    }
    for i in range(encoder.config.layers):
        for theirs, ours in _LAYER_KEYS.items():
            for kind in ("weight", "bias"):
                mapped[f"layers.{i}.{ours}.{kind}"] = state[
                    f"encoder.layer.{i}.{theirs}.{kind}"
                ]
    encoder.load_state_dict(mapped)
