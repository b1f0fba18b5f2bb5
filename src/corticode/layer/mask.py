"""Which tokens are hidden in masked pretraining."""

from __future__ import annotations

import torch


def random_mask(n: int, n_tokens: int, share: float = 0.5, generator: torch.Generator | None = None) -> torch.Tensor:
    """Return a mask in which each row hides the same number of tokens, drawn by itself.

    Parameters
    ----------
    n : int
        Rows.
    n_tokens : int
    share : float
        Of the tokens that are hidden, rounded down to whole ones.
    generator : torch.Generator or None
        Where the draws come from, and on which device; None: torch's own, on the CPU.

    Returns
    -------
    mask : bool tensor [n, n_tokens]
        True where a token is hidden.
    """
    device = None if generator is None else generator.device
    order = torch.rand(n, n_tokens, generator=generator, device=device).argsort(dim=1)
    return order < int(n_tokens * share)
