"""Further pre-training of an encoder on the corpora's texts by masked language modelling.

python -m training.text.mlm training/text/recipes/text-zh-mlm.yaml

Reads the same recipe format as `train`; labels are ignored. Writes runs/NAME/encoder.pt, which a
fine-tuning recipe takes up with `init: NAME`, and the tokenizer, which it must share.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from training.text.build import build_model
from training.text.dataset import collate, epoch_batches, epoch_rows
from training.text.models.encoder import Encoder
from training.text.optim import schedule
from training.text.prepare import RUNS, prepare
from training.text.recipe import read_recipe

MASK = 4
FIRST_PIECE = 5


def mask_tokens(
    ids: Tensor, vocabulary: int, generator: torch.Generator, share: float = 0.15
) -> tuple[Tensor, Tensor]:
    """BERT's corruption (Devlin et al. 2019): of `share` of the pieces 80 % become [MASK], 10 %
    another piece, 10 % stay. `ids` int64 `[batch, tokens]`; answers the corrupted ids and bool
    `[batch, tokens]`, true where the model has to predict. Special tokens are never chosen."""
    draw = torch.rand(ids.shape, generator=generator)
    chosen = (draw < share) & (ids >= FIRST_PIECE)
    kind = torch.rand(ids.shape, generator=generator)
    other = torch.randint(FIRST_PIECE, vocabulary, ids.shape, generator=generator)
    corrupted = torch.where(chosen & (kind < 0.8), MASK, ids)
    corrupted = torch.where(chosen & (kind >= 0.8) & (kind < 0.9), other, corrupted)
    return corrupted, chosen


class MaskedModel(nn.Module):
    """An encoder with BERT's prediction head, its output layer tied to the embeddings."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        width = encoder.config.width
        self.encoder = encoder
        self.transform = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=encoder.config.norm_epsilon)
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocabulary))

    def forward(self, ids: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
        """Scores over the vocabulary at the chosen places only, `[places, vocabulary]`."""
        states = self.encoder(ids, mask)[chosen]
        hidden = self.norm(F.gelu(self.transform(states)))
        return hidden @ self.encoder.tokens.weight.T + self.bias


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.recipe)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    run = RUNS / recipe.name
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(yaml.safe_dump(dataclasses.asdict(recipe)))
    data = prepare(recipe, arguments.data, run)
    model = MaskedModel(build_model(recipe, run).encoder)
    model.train()
    optimiser = torch.optim.AdamW(
        model.parameters(), recipe.rate, weight_decay=recipe.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(recipe.seed)
    lengths = [len(r.ids) for r in data.train]
    groups: dict[str, list[int]] = {}
    for i, r in enumerate(data.train):
        groups.setdefault(r.row.corpus, []).append(i)
    batches: list[list[int]] = []
    for epoch in range(-int(-recipe.epochs // 1)):
        rows = epoch_rows(groups, recipe.corpora, epoch, recipe.seed)
        batches += epoch_batches(rows, lengths, recipe.batch, recipe.seed + epoch)
    batches = batches[: int(len(batches) * recipe.epochs / -(-recipe.epochs // 1))]
    started, running = time.time(), 0.0
    for step, index in enumerate(batches):
        batch = collate([data.train[i] for i in index], multiple=8)
        ids, chosen = mask_tokens(batch.ids, model.encoder.config.vocabulary, generator)
        if not chosen.any():
            continue
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
            scores = model(ids, batch.mask, chosen)
        loss = F.cross_entropy(scores.float(), batch.ids[chosen])
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(step, len(batches), recipe.warmup)
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        optimiser.zero_grad()
        running += float(loss.detach())
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}/{len(batches)} loss {running / 100:.4f} "
                f"{time.time() - started:.0f} s",
                flush=True,
            )
            running = 0.0
            torch.save(model.encoder.state_dict(), run / "encoder.pt")
    torch.save(model.encoder.state_dict(), run / "encoder.pt")


if __name__ == "__main__":
    main()
