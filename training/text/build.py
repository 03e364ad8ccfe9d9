"""From a recipe and a run folder to a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.text.labels import GOEMOTIONS
from training.text.models.bilstm import BiLstmClassifier, BiLstmConfig
from training.text.models.encoder import (
    EncoderClassifier,
    EncoderConfig,
    load_pretrained,
)
from training.text.prepare import base_folder
from training.text.recipe import Recipe


def build_model(recipe: Recipe, run: Path) -> nn.Module:
    """A fresh model with pre-trained or initialised weights, as the recipe says.

    `recipe.init` names a run to start from: its best weights, or its encoder after further
    pre-training.
    """
    embedding = torch.from_numpy(np.load(run / "embedding.npy"))
    if recipe.architecture == "bilstm":
        model = BiLstmClassifier(BiLstmConfig(len(embedding), **recipe.model))
        model.embedding.weight.data.copy_(embedding)
        if recipe.init:
            best = run.parent / recipe.init / "best.pt"
            model.load_state_dict(torch.load(best, weights_only=True))
        return model
    if recipe.architecture != "encoder":
        raise ValueError(
            f"architecture {recipe.architecture!r}: expected bilstm or encoder"
        )
    folder = base_folder(recipe.base)
    options = dict(recipe.model)
    config = EncoderConfig.read(folder, dropout=options.pop("dropout", 0.1))
    config = EncoderConfig(**{**vars(config), "vocabulary": len(embedding), **options})
    model = EncoderClassifier(config, fine=len(GOEMOTIONS) if recipe.fine else 0)
    load_pretrained(model.encoder, folder, embedding)
    if recipe.init:
        folder = run.parent / recipe.init
        if (folder / "encoder.pt").exists():
            state = torch.load(folder / "encoder.pt", weights_only=True)
            model.encoder.load_state_dict(state)
        else:
            model.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
    return model
