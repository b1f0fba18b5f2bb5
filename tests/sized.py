"""Batteries over all networks stay quick: large networks are made small, and windows have the rate that a network takes."""

from __future__ import annotations

from corticode import catalogue
from corticode.compose import compose

# What batteries check does not depend on how many numbers a network has.
SMALLER = {
    "bendr": {"emb_dim": 32, "hidden_dim": 48, "feedforward_dim": 64, "n_layers": 2},
    "barista": {"n_layers": 2},
    "eegdm": {"n_layers": 2, "emb_dim": 16, "n_states": 4, "n_fusion_layers": 1, "n_heads": 2},
    "eegpt": {"emb_dim": 32, "n_layers": 2},
    "labram": {"emb_dim": 100, "n_layers": 2, "n_heads": 5},
}


def small(model: str) -> list[str]:
    """Return the words that make a model small."""
    return [f"model.encoder.{key}={value}" for key, value in SMALLER.get(model, {}).items()]


def sized(model: str, n_times: int = 256, sfreq: float = 128.0) -> tuple[int, float]:
    """Return samples and rate of as long a window at the one rate that this model takes, where it takes one alone."""
    encoder = compose([f"model={model}"])["model"].get("encoder") or {}
    rate = getattr(catalogue.locate(encoder["_target_"]), "rate_hz", None) if encoder else None
    return (n_times, sfreq) if rate is None else (round(n_times * rate / sfreq), rate)
