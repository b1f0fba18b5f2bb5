"""What EEGPT is pretrained with: masks, a predictor of hidden summaries, and a reconstructor of hidden patches.

x -- kept patches --> EEGPT.masked --> z --> Predictor --> summaries at all times --> with z where it is: Reconstructor --> hidden patches
"""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from corticode.encoder.eegpt import CHANNELS, EEGPT, Block, start
from corticode.errors import SentenceError
from corticode.layer.stateful import StatefulModule

_EPS = 1e-6
_SLOWEST = 10_000.0
# the paper counts time in steps of two patches
_PATCHES_PER_STEP = 2


class Rotation(nn.Module):
    """Angles that tell a token's time: half of each head's pairs turn, each pair at a speed of its own.

    Parameters
    ----------
    n_features : int
        Length of a head's queries and keys.
    """

    def __init__(self, n_features: int):
        super().__init__()
        turning = n_features // 2
        # published files hold them, so they are part of the state
        self.register_buffer("frequencies", _SLOWEST ** (-torch.arange(0, turning, 2) / turning))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return angles [n, pairs], radians, of tokens at the times of these patches, int [n]."""
        return patches[:, None] / _PATCHES_PER_STEP * self.frequencies


class Predictor(StatefulModule):
    """Predict the summaries of all patches from those of the patches that were kept.

        z -> linear, mask tokens at hidden times -> blocks over all [patches, summaries], turned by time -> norm -> linear

    Parameters
    ----------
    n_patches, emb_dim, n_summaries, n_layers, n_heads : int
        As the encoder's; 25,747,456 trained parameters and 16 frequencies at defaults.

    Source
    ------
    See `EEGPT`; equals its outputs to 1e-5 (tests/encoder/test_eegpt.py).
    """

    def __init__(self, n_patches: int = 16, emb_dim: int = 512, n_summaries: int = 4, n_layers: int = 8, n_heads: int = 8):
        super().__init__()
        self.n_patches = n_patches
        self.mask_token = nn.Parameter(torch.empty(1, 1, n_summaries, emb_dim))
        self.embed = nn.Linear(emb_dim, emb_dim)
        self.rotation = Rotation(emb_dim // n_heads)
        self.blocks = nn.ModuleList([Block(emb_dim, n_heads) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(emb_dim, eps=_EPS)
        self.project = nn.Linear(emb_dim, emb_dim)
        self.register_buffer("times", torch.arange(n_patches).repeat_interleave(n_summaries), persistent=False)
        start(self, self.mask_token)

    @classmethod
    def beside(cls, encoder: EEGPT) -> Self:
        """Return one of the encoder's sizes."""
        return cls(encoder.n_patches, encoder.emb_dim, encoder.n_summaries, encoder.n_layers, encoder.n_heads)

    def forward(self, z: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Return predicted summaries.

        Parameters
        ----------
        z : float tensor [b, kept patches, summaries, emb_dim]
            What `EEGPT.masked` gave.
        patches : int tensor [kept patches]
            Which patches these are.

        Returns
        -------
        predicted : float tensor [b, patches, summaries, emb_dim]
            Of all patches, kept ones too. `joined` puts what is known in its place.
        """
        z = self.embed(z)
        z = self.mask_token.to(z.dtype).expand(z.shape[0], self.n_patches, -1, -1).index_copy(1, patches, z)
        n_summaries, z = z.shape[2], z.flatten(1, 2)  # time by time, its summaries within
        angles = self.rotation(self.times)
        for block in self.blocks:
            z = block(z, angles)
        return self.project(self.norm(z)).unflatten(1, (-1, n_summaries))


class Reconstructor(StatefulModule):
    """Reconstruct hidden patches from the summaries of all times.

        joined summaries -> linear; beside them for each hidden patch: mask token + channel embedding
          -> blocks, turned by time -> norm(mask tokens) -> linear to samples

    Parameters
    ----------
    channels : int tensor [channels]
        Places of the channels in `eegpt.CHANNELS`: an encoder's `channels`.
    n_patches, emb_dim, n_summaries, n_layers, n_heads, patch_samples : int
        As the encoder's; 25,547,840 trained parameters and 16 frequencies at defaults.

    Source
    ------
    See `EEGPT`; equals its outputs to 1e-5 (tests/encoder/test_eegpt.py).
    """

    def __init__(
        self,
        channels: torch.Tensor,
        n_patches: int = 16,
        emb_dim: int = 512,
        n_summaries: int = 4,
        n_layers: int = 8,
        n_heads: int = 8,
        patch_samples: int = 64,
    ):
        super().__init__()
        self.mask_token = nn.Parameter(torch.empty(1, 1, emb_dim))
        self.embed = nn.Linear(emb_dim, emb_dim)
        self.channel_embedding = nn.Embedding(len(CHANNELS), emb_dim)
        self.rotation = Rotation(emb_dim // n_heads)
        self.blocks = nn.ModuleList([Block(emb_dim, n_heads) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(emb_dim, eps=_EPS)
        self.project = nn.Linear(emb_dim, patch_samples)
        self.register_buffer("channels", torch.as_tensor(channels).clone(), persistent=False)
        self.register_buffer("times", torch.arange(n_patches).repeat_interleave(n_summaries), persistent=False)
        start(self, self.mask_token)

    @classmethod
    def beside(cls, encoder: EEGPT) -> Self:
        """Return one of the encoder's sizes and channels."""
        sizes = (encoder.n_patches, encoder.emb_dim, encoder.n_summaries, encoder.n_layers, encoder.n_heads, encoder.patch_samples)
        return cls(encoder.channels, *sizes)

    def forward(self, z: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return reconstructed patches.

        Parameters
        ----------
        z : float tensor [b, patches, summaries, emb_dim]
            What `joined` gave.
        hidden : int tensor [m]
            Places `patch * n_chans + channel` of the patches that are asked for.

        Returns
        -------
        samples : float tensor [b, m, patch_samples], standardised: the paper compares it with patches of mean 0 and variance 1
        """
        n_chans = len(self.channels)
        asked = self.mask_token + self.channel_embedding(self.channels[hidden % n_chans])  # [1, m, emb_dim]
        angles = self.rotation(torch.cat((self.times, hidden // n_chans)))
        z = self.embed(z.flatten(1, 2))
        z = torch.cat((z, asked.to(z.dtype).expand(z.shape[0], -1, -1)), dim=1)
        for block in self.blocks[:-1]:
            z = block(z, angles)
        return self.project(self.norm(self.blocks[-1](z, angles, n_last=len(hidden))))


def joined(z: torch.Tensor, predicted: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return predicted summaries [b, patches, summaries, emb_dim] with the known ones z [b, kept patches, ...] in their places."""
    return predicted.index_copy(1, patches, z.to(predicted.dtype))


def draw_mask(
    n_patches: int,
    n_chans: int,
    generator: torch.Generator | None = None,
    hide_time: float = 0.5,
    keep_channels: float = 12 / 58,
    ask: float = 0.2,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw what is kept of a batch of windows and what is asked for.

    Some patches of time are hidden altogether, and all of their channels are asked for. Of the others a few channels are kept, and some
    of the rest are asked for.

    Parameters
    ----------
    n_patches, n_chans : int
    generator : torch.Generator or None
    hide_time : float
        Probability of a patch of time to be hidden. At least one is and at least one is not, so that there is always something to
        learn from and to predict (own choice).
    keep_channels : float
        Share of the channels kept at other times; the paper keeps 12 of 58.
    ask : float
        Probability of each other channel to be asked for.

    Returns
    -------
    kept : int tensor [kept patches, channels of each]
        Places `patch * n_chans + channel`; the patches of `Predictor.forward` are `kept[:, 0] // n_chans`.
    hidden : int tensor [m]
        Places that are asked for, in order.

    Raises
    ------
    SentenceError
        There is one patch only.
    """
    if n_patches < 2:
        raise SentenceError(f"EEGPT predicts hidden times from others and these windows are {n_patches} patch long: take longer windows")
    n_hidden = int((torch.rand(n_patches, generator=generator) < hide_time).sum().clamp(1, n_patches - 1))
    times = torch.randperm(n_patches, generator=generator)[n_hidden:].sort().values
    n_kept = max(1, round(keep_channels * n_chans))
    channels = torch.rand(len(times), n_chans, generator=generator).argsort(dim=1)[:, :n_kept].sort(dim=1).values
    kept = times[:, None] * n_chans + channels
    wanted = torch.ones(n_patches, n_chans, dtype=torch.bool)
    wanted[times] = torch.rand(len(times), n_chans, generator=generator) < ask
    wanted.view(-1)[kept.flatten()] = False
    return kept, wanted.flatten().nonzero()[:, 0]
