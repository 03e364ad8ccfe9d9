"""Trains `fusion-attention` from the outputs of the models of single modalities."""
