"""The networks of TFM-Tokenizer: what one channel's spectrum and signal become before and after the codebook."""

from __future__ import annotations

import torch
from torch import nn

from corticode.errors import SentenceError
from corticode.layer.linear_attention import linear_stack

FRAME, HOP = 200, 100  # samples: one second every half second
N_BINS = 100  # of 1 Hz, from 0 Hz on
BAND = 5  # bins that are read, and masked, together
_GROUPS = 16


def n_frames(n_times: int) -> int:
    """Return the number of frames in a window of so many samples.

    Raises
    ------
    SentenceError
        There is not one.
    """
    if n_times < FRAME:
        raise SentenceError(f"TFM-Tokenizer reads frames of {FRAME} samples and got windows of {n_times}: take longer windows")
    return (n_times - FRAME) // HOP + 1


def spectrum(x: torch.Tensor) -> torch.Tensor:
    """Return the magnitude of the short-time Fourier transform, in 32 bits whatever the precision around.

    Parameters
    ----------
    x : float tensor [b, times]

    Returns
    -------
    S : float tensor [b, 100 bins, frames]
    """
    with torch.autocast(x.device.type, enabled=False):
        frames = x.float().unfold(-1, FRAME, HOP) * torch.hann_window(FRAME, device=x.device)
        return torch.fft.rfft(frames).abs()[..., :N_BINS].mT


def stem(n_out: int, emb_dim: int, length: int, stride: int) -> nn.Sequential:
    """Return three convolutions, the first of which cuts a row of numbers [b, 1, n] into pieces [b, n_out, pieces]."""
    return nn.Sequential(
        nn.Conv1d(1, emb_dim, length, stride=stride), nn.GELU(), nn.GroupNorm(_GROUPS, emb_dim),
        nn.Conv1d(emb_dim, emb_dim, 1), nn.GELU(), nn.GroupNorm(_GROUPS, emb_dim),
        nn.Conv1d(emb_dim, n_out, 1), nn.GELU(), nn.GroupNorm(_GROUPS, n_out),
    )  # fmt: skip


class Bands(nn.Module):
    """The spectrum of each frame by itself: bands -> transformer over bands -> gated sum, [b, 100, frames] -> [b, frames, emb_dim / 2].

    Parameters
    ----------
    emb_dim : int
    depth, n_heads : int
    drop_prob : float
    """

    def __init__(self, emb_dim: int, depth: int, n_heads: int, drop_prob: float):
        super().__init__()
        n_bands, pieces = N_BINS // BAND, N_BINS // BAND // 5
        n_filters = emb_dim // 2 // pieces
        self.stem = stem(emb_dim, emb_dim, BAND, BAND)
        self.blocks = linear_stack(emb_dim, n_heads, depth, drop_prob)
        self.gate, self.value = (nn.Conv1d(emb_dim, n_filters, n_bands // pieces, stride=n_bands // pieces) for _ in range(2))

    def forward(self, S: torch.Tensor) -> torch.Tensor:
        """Return what each frame's spectrum says."""
        b, bins, frames = S.shape
        z = self.stem(S.mT.reshape(b * frames, 1, bins)).mT  # [b frames, bands, emb_dim]
        z = self.blocks(z).mT
        return (self.gate(z).sigmoid() * self.value(z)).reshape(b, frames, -1)


class Motifs(nn.Module):
    """Signal and spectrum of one channel -> unit vectors, one per frame: what the codebook's codes are compared with.

    Parameters
    ----------
    emb_dim : int
        Length of a code.
    band_depth, frame_depth : int
        Layers over the bands of a frame, and over the frames.
    n_heads : int
    drop_prob : float

    Raises
    ------
    SentenceError
        emb_dim is not a multiple of 32.
    """

    def __init__(self, emb_dim: int, band_depth: int, frame_depth: int, n_heads: int, drop_prob: float):
        super().__init__()
        if emb_dim % (2 * _GROUPS):
            raise SentenceError(f"emb_dim={emb_dim} is normalised in {_GROUPS} groups of each half: take a multiple of {2 * _GROUPS}")
        self.bands = Bands(emb_dim, band_depth, n_heads, drop_prob)
        self.samples = stem(emb_dim // 2, emb_dim, FRAME, HOP)
        self.blocks = linear_stack(emb_dim, n_heads, frame_depth, drop_prob)

    def forward(self, x: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
        """Describe frames.

        Parameters
        ----------
        x : float tensor [b, times]
        S : float tensor [b, 100, frames]
            Its spectrum, or what a mask has left of it.

        Returns
        -------
        z : float tensor [b, frames, emb_dim]
            Of length 1.
        """
        z = torch.cat([self.bands(S), self.samples(x[:, None]).mT], dim=-1)
        return nn.functional.normalize(self.blocks(z), dim=-1)


class Spectra(nn.Module):
    """Codes -> spectrum: [b, frames, emb_dim] -> [b, 100, frames].

    Parameters
    ----------
    emb_dim, depth, n_heads : int
    drop_prob : float
    """

    def __init__(self, emb_dim: int, depth: int, n_heads: int, drop_prob: float):
        super().__init__()
        self.blocks = linear_stack(emb_dim, n_heads, depth, drop_prob)
        self.layers = nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.Tanh(), nn.Linear(emb_dim, N_BINS))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the reconstructed spectrum."""
        return self.layers(self.blocks(codes)).mT
