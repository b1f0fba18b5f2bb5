"""What BaRISTA is pretrained with: whole places are hidden, and their tokens foretold from all others."""

from __future__ import annotations

import torch
from torch import nn

from corticode.encoder.barista import BaRISTA, standard
from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout

_N_LINEAR = 5


class Predictor(nn.Module):
    """An encoder, the vector that stands for what is hidden, and the layers that are there for pretraining alone.

    The published files hold neither the vector nor the layers; the width of the hidden ones is not said, and that of a token here.

    Parameters
    ----------
    encoder : BaRISTA
        Trained in place.
    drop_prob : float
        Behind each layer but the last.

    Source
    ------
    Oganesian et al. 2025, NeurIPS, arXiv:2512.12135.
    """

    def __init__(self, encoder: BaRISTA, drop_prob: float = 0.1):
        super().__init__()
        d = encoder.emb_dim
        self.encoder, self.drop_prob = encoder, drop_prob
        self.mask_token = nn.Parameter(0.02 * torch.randn(d))
        layers = [part for _ in range(_N_LINEAR) for part in (nn.Linear(d, d), nn.GELU(), Dropout(drop_prob))]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Foretell tokens of hidden channels.

        Parameters
        ----------
        x : tensor [b, channels, times], space.unit
        mask : bool tensor [b, channels]
            True: hidden, in all pieces.

        Returns
        -------
        foretold : tensor [b, pieces channels, emb_dim]
            Of use where the channel is hidden; to be compared with `placed(pieces(standard(x)))` of a teacher.
        """
        tokens = self.encoder.pieces(standard(x))  # [b, pieces, channels, emb_dim]
        tokens = torch.where(mask[:, None, :, None], self.mask_token.to(tokens.dtype), tokens)
        return self.layers(self.encoder.relate(self.encoder.placed(tokens)))


def hidden_places(places: torch.Tensor, n: int, share: float = 0.3, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw which channels are hidden: places at random, each with all its channels, until there are enough.

    Parameters
    ----------
    places : int tensor [channels]
        Number of each channel's place at the scale that is hidden (its own number, its parcel, its lobe).
    n : int
        Rows to draw for.
    share : float
        Of the channels that are hidden, at least, unless all would be: the place that was drawn last is seen in any case.
    generator : torch.Generator or None

    Returns
    -------
    mask : bool tensor [n, channels]

    Raises
    ------
    SentenceError
        All channels lie in one place.
    """
    found, place, sizes = torch.unique(places, return_inverse=True, return_counts=True)
    if len(found) < 2:
        raise SentenceError(
            f"all {len(places)} channels lie in one place, and nothing would be seen with it hidden: hide a smaller scale, "
            "or say where channels lie with model.encoder.places="
        )
    order = torch.rand(n, len(found), generator=generator).argsort(dim=1)  # [n, places]
    before = sizes[order].cumsum(dim=1) - sizes[order]
    hidden = before < share * len(places)
    hidden[:, -1] = False
    return torch.zeros_like(hidden).scatter_(1, order, hidden)[:, place]
