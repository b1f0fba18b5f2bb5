"""CBraMod: a transformer that relates each patch of a channel to its own row (time) and its own column (channels)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Attention, Block
from corticode.layer.dropout import Dropout
from corticode.space import Space
from corticode.weights import WeightCard

_RATE_HZ = 200.0
PATCH = 200  # samples, one second
_UV = 100.0  # what the network counts as one
_PIECES, _GROUPS = 8, 5  # stretches of a patch that the first convolution makes, groups of filters that are normalised together
_PLACE_KERNEL = (19, 7)  # channels x patches


class CBraMod(NeuralEncoder):
    """Criss-cross transformer of Wang et al. (2025).

        x -> patches of 1 s [b, channels, patches, 200]
          -> convolutions + spectrum: a token per patch -> + depth-wise convolution over the grid of channels and patches
          -> n_layers x (half of the features looks along the patches of its channel, the other half across channels; then linear layers)

    Input: EEG in µV at 200 Hz; it is divided by 100 inside. Any number of channels, one second or more; what is left behind the last whole
    second is not read. Channels have no names here, but an order: position is told by neighbours in the list, so keep the
    order of the weights as far as it goes (`CARDS`). Filter statistics are shared by all patches of a window.
    Representation: one token per channel and second, all of the first channel's before the second's. The paper's classifiers are
    `head.mlp.MLP(hidden=(200 * patches, 200), drop_prob=0.1)`, and `head.linear.Linear(pool="mean" or "flatten")`. Parameters: 4,883,600
    whatever the channels. Trained on (card `cbramod`): TUEG, 19 channels referred to a common reference, 30 s, 0.3 to 75 Hz without 60 Hz,
    windows with amplitudes from 100 µV on left out.

    Departures from the paper: none in the network. The paper's sets have whole seconds; see above for others.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    emb_dim : int
        Length of a token, a multiple of 40.
    n_layers : int
    n_heads : int
        Half of them look along time, half across channels.
    drop_prob : float

    Raises
    ------
    SentenceError
        Another rate, windows shorter than a second, or a length of tokens that cannot be shared out.

    Source
    ------
    Wang et al. 2025, ICLR, arXiv:2412.07236; github.com/wjq-learning/CBraMod. Checked against its outputs to 1e-5
    (tests/encoder/test_cbramod.py).
    """

    rate_hz = _RATE_HZ

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        emb_dim: int = 200,
        n_layers: int = 12,
        n_heads: int = 8,
        drop_prob: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.emb_dim, self.n_layers, self.n_heads, self.drop_prob = emb_dim, n_layers, n_heads, drop_prob
        self.n_patches = self.n_times // PATCH
        if not self.n_patches:
            raise SentenceError(f"CBraMod reads whole seconds and got {n_times} samples at {sfreq:g} Hz: take longer windows")
        self.n_features, self.n_tokens = emb_dim, self.n_chans * self.n_patches
        self.embed = PatchEmbedding(emb_dim, drop_prob)
        self.blocks = nn.Sequential(*(CrissCrossBlock(emb_dim, n_heads, drop_prob) for _ in range(n_layers)))
        # what stands for a hidden patch: zeros that are not trained, kept because published weights have them
        self.register_buffer("mask_patch", torch.zeros(PATCH))
        self.apply(_initialise)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, channels * patches, emb_dim]."""
        return self.blocks(self.embed(self.patches(x))).flatten(1, 2)

    def masked(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return tokens of windows some of whose patches are hidden, for pretraining.

        Parameters
        ----------
        x : float tensor [b, channels, times], µV
        mask : bool tensor [b, channels, patches]
            True where a patch is hidden. The paper draws each with probability 0.5.

        Returns
        -------
        tokens : float tensor [b, channels, patches, emb_dim]
        """
        patches = self.patches(x)
        return self.blocks(self.embed(torch.where(mask[..., None], self.mask_patch.to(patches.dtype), patches)))

    def patches(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network reads, and pretraining has to give back: [b, channels, patches, 200], in 100 µV."""
        return x[..., : self.n_patches * PATCH].unflatten(-1, (self.n_patches, PATCH)) / _UV

    def cam_layer(self):
        """Return the last block: [b, emb_dim, channels, patches]."""
        return (self.blocks[-1], lambda z: z.permute(0, 3, 1, 2)) if self.n_layers else None

    def filters(self):
        """Return the filters of the first convolution, [emb_dim / 8, 49]."""
        return self.embed.convolutions[0].weight[:, 0, 0]


class Reconstruction(nn.Module):
    """Patches [b, channels, patches, 200] from tokens [b, channels, patches, emb_dim]: the last layer of pretraining.

    The paper compares them with `CBraMod.patches` by squared error, at hidden patches alone.

    Parameters
    ----------
    emb_dim : int
    """

    def __init__(self, emb_dim: int = 200):
        super().__init__()
        self.emb_dim = emb_dim
        self.layer = nn.Linear(emb_dim, PATCH)
        self.apply(_initialise)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return patches, in 100 µV."""
        return self.layer(tokens)


class PatchEmbedding(nn.Module):
    """Patches [b, channels, patches, 200] -> tokens [b, channels, patches, emb_dim], which know their neighbours in the grid.

    Parameters
    ----------
    emb_dim : int
    drop_prob : float
        Of what the spectrum adds.
    """

    def __init__(self, emb_dim: int, drop_prob: float):
        super().__init__()
        if emb_dim % (_PIECES * _GROUPS):
            raise SentenceError(
                f"CBraMod has tokens of {_PIECES} values for each of a multiple of {_GROUPS} filters: take emb_dim=40, 80 ... 200"
            )
        n_filters = emb_dim // _PIECES
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(1, n_filters, (1, 49), stride=(1, 25), padding=(0, 24)),
                *(nn.Conv2d(n_filters, n_filters, (1, 3), padding=(0, 1)) for _ in range(2)),
            ]
        )
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, n_filters) for _ in range(3))
        self.spectrum, self.dropout = nn.Linear(PATCH // 2 + 1, emb_dim), Dropout(drop_prob)
        self.place = nn.Conv2d(emb_dim, emb_dim, _PLACE_KERNEL, padding="same", groups=emb_dim)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return tokens."""
        grid = patches.shape[1:3]
        z = patches.flatten(1, 2)[:, None]  # [b, 1, channels patches, 200]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            z = functional.gelu(norm(convolution(z)))
        z = z.transpose(1, 2).flatten(2).unflatten(1, grid)  # [b, channels, patches, filters 8]
        with torch.autocast(patches.device.type, enabled=False):  # half precision has no spectrum of 200 samples
            magnitude = torch.fft.rfft(patches.float(), norm="forward").abs()
        z = z + self.dropout(self.spectrum(magnitude))
        return z + self.place(z.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class CrissCross(nn.Module):
    """Attention on a grid [b, channels, patches, d]: the first half of d across channels, the second along patches.

    Parameters
    ----------
    n_features : int
        d.
    n_heads : int
        Of both halves together.
    drop_prob : float
        Of attention weights.

    Raises
    ------
    SentenceError
        The halves cannot be shared among their heads.
    """

    def __init__(self, n_features: int, n_heads: int, drop_prob: float):
        super().__init__()
        if n_heads % 2 or n_features % n_heads:
            raise SentenceError(
                f"tokens of {n_features} numbers cannot be halved and shared among n_heads={n_heads}: take an even number that divides them"
            )
        self.across_channels = Attention(n_features // 2, n_heads // 2, drop_prob)
        self.along_patches = Attention(n_features // 2, n_heads // 2, drop_prob)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return each token's mixture of its column, and of its row."""
        half = z.shape[-1] // 2
        columns, rows = z[..., :half].transpose(1, 2), z[..., half:]
        columns = self.across_channels(columns.flatten(0, 1)).unflatten(0, columns.shape[:2]).transpose(1, 2)
        rows = self.along_patches(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        return torch.cat((columns, rows), dim=-1)


class CrissCrossBlock(Block):
    """A pre-norm transformer layer with criss-cross attention, [b, channels, patches, d] -> the same."""

    def __init__(self, n_features: int, n_heads: int, drop_prob: float):
        super().__init__(n_features, n_heads, drop_prob)
        self.attention = CrissCross(n_features, n_heads, drop_prob)


def _initialise(module: nn.Module) -> None:
    """Draw weights as the paper's code does, where that is not torch's way."""
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, Attention):  # after its layers
        nn.init.xavier_uniform_(module.query_key_value.weight)
        nn.init.zeros_(module.query_key_value.bias)
        nn.init.zeros_(module.mix.bias)


# -- published weights ----------------------------------------------------------------------------------------------

# The last layer of pretraining, which no card puts into the encoder: published name -> name in `Reconstruction`.
RECONSTRUCTION_NAMES = {"proj_out.0.weight": "layer.weight", "proj_out.0.bias": "layer.bias"}


def published_names(n_layers: int = 12) -> dict[str, str]:
    """Return published name -> name in `CBraMod`; '' for what is not the encoder's."""
    names = {"patch_embedding.mask_encoding": "mask_patch", **dict.fromkeys(RECONSTRUCTION_NAMES, "")}
    layers = {"positional_encoding.0": "place", "spectral_proj.0": "spectrum"}
    for i in range(3):
        layers |= {f"proj_in.{3 * i}": f"convolutions.{i}", f"proj_in.{3 * i + 1}": f"norms.{i}"}
    names |= {f"patch_embedding.{theirs}.{n}": f"embed.{ours}.{n}" for theirs, ours in layers.items() for n in ("weight", "bias")}
    parts = {"linear1.": "widen.", "linear2.": "narrow.", "norm1.": "attention_norm.", "norm2.": "feedforward_norm."}
    for theirs, ours in (("self_attn_s", "attention.across_channels"), ("self_attn_t", "attention.along_patches")):
        parts |= {f"{theirs}.in_proj_": f"{ours}.query_key_value.", f"{theirs}.out_proj.": f"{ours}.mix."}
    for i in range(n_layers):
        names |= {f"encoder.layers.{i}.{theirs}{n}": f"blocks.{i}.{ours}{n}" for theirs, ours in parts.items() for n in ("weight", "bias")}
    return names


_TUEG = ["FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "FZ", "CZ", "PZ"]
CARDS = (
    WeightCard(
        name="cbramod",
        url="https://huggingface.co/weighting666/CBraMod/resolve/500543c7e30bda1b22bfd51a49301b238dee21fd/pretrained_weights.pth",
        licence="Apache-2.0",  # as others quote the page of the weights; the code is MIT
        expects=Space("eeg", tuple(_TUEG), "uV", _RATE_HZ),
        n_times=6000,
        sha256="0792cb808c14e6b7a2bb2ce1dff379bc47bc54c49a779825bdfeb33bf8157178",  # as several public projects note it
        pretrained_on=("tueg",),
        names=published_names(),
    ),
)
