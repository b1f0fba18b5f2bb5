"""DBConformer: one transformer relates stretches of time, another relates channels, and their answers meet at the end."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Block
from corticode.layer.patch_stem import PatchStem

_PATCH_S = 0.5
_CHANNEL_KERNEL, _CHANNEL_STRIDE = 25, 5


class DBConformer(NeuralEncoder):
    """Dual-branch convolutional transformer of Wang et al. (2025).

        time      x -> spatial and temporal filters, mean of each patch: a token per patch   -> blocks -> mean over patches        \\
        channels  x -> filters, ELU, mean over time, for each channel alone: a token each    -> blocks -> mean weighed by attention / [2 d]

    Input: EEG, any rate; the paper has 4 to 5 s at 250 Hz, or 512 Hz, aligned by person (`align=euclidean`). Representation: one
    token of 2 d values, those of time before those of channels. The paper's classifier is `head.mlp.MLP(hidden=(64, 32),
    drop_prob=(0.5, 0.3))` on it. Parameters: 93,746 with that head at 22 channels x 1000 samples of 250 Hz x 2 classes, an eighth of the
    EEG-Conformer, as the paper says. Trained on: nothing, learns from scratch.

    Departures from the paper: patches and filters of the branch of time keep their durations at other rates (`patch_length`,
    `kernel_length`; the paper has 128 samples at 512 Hz); windows of whole patches keep the last one, where the paper's code leaves out the
    last sample of each window, and with it the patch that it would have completed; scores of channels have no bias, which their softmax
    would take out again (its code has this one parameter more). As in its code, products of queries and keys
    are divided by sqrt(d), not by the root of a head's share.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    emb_dim : int
        d, the length of a token in both branches.
    kernel_length : int or None
        Samples of the temporal filters of the branch of time; None takes an odd number of a quarter of a second (63 at 250 Hz).
    patch_length : int or None
        Samples of a patch; None takes half a second (125 at 250 Hz).
    n_spatial : int
        Filters of each channel in the branch of channels.
    n_layers : int
        Blocks of each branch; the paper takes 2, and 4 for BNCI2014-002.
    n_heads : int
    drop_prob : float
        After the patches, and in the blocks.

    Raises
    ------
    SentenceError
        Windows are shorter than one patch.

    Source
    ------
    Wang et al. 2025, IEEE J. Biomed. Health Inform., doi 10.1109/JBHI.2025.3622725, arXiv:2506.21140; github.com/wzwvv/DBConformer.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        emb_dim: int = 40,
        kernel_length: int | None = None,
        patch_length: int | None = None,
        n_spatial: int = 16,
        n_layers: int = 2,
        n_heads: int = 10,
        drop_prob: float = 0.5,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.emb_dim, self.kernel_length, self.patch_length = emb_dim, kernel_length, patch_length
        self.n_spatial, self.n_layers, self.n_heads, self.drop_prob = n_spatial, n_layers, n_heads, drop_prob
        kernel = kernel_length or 2 * int(self.sfreq / 8) + 1
        patch = patch_length or max(1, int(_PATCH_S * self.sfreq))
        if self.n_times < patch:
            raise SentenceError(
                f"DBConformer needs windows of {patch} samples or more, one patch, and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows, or set model.encoder.patch_length= lower"
            )
        self.n_features, self.n_tokens = 2 * emb_dim, 1

        def blocks() -> nn.Sequential:
            return nn.Sequential(*(Block(emb_dim, n_heads, drop_prob, scale=emb_dim**-0.5) for _ in range(n_layers)))

        self.stem = PatchStem(self.n_chans, emb_dim, kernel, patch, drop_prob)
        self.patch_place = nn.Parameter(torch.randn(self.n_times // patch, emb_dim))
        self.patch_blocks = blocks()
        self.channel_filters = nn.Conv1d(1, n_spatial, _CHANNEL_KERNEL, stride=_CHANNEL_STRIDE, padding=_CHANNEL_KERNEL // 2)
        self.channel_token = nn.Linear(n_spatial, emb_dim)
        self.channel_place = nn.Parameter(torch.randn(self.n_chans, emb_dim))
        self.channel_blocks = blocks()
        self.channel_score = nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.Tanh(), nn.Linear(emb_dim, 1, bias=False))

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, 1, 2 emb_dim]."""
        return torch.cat((self._in_time(x), self._over_channels(x)), dim=1)[:, None]

    def _in_time(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(x).transpose(1, 2) + self.patch_place  # [b, patches, d]
        return self.patch_blocks(tokens).mean(dim=1)

    def _over_channels(self, x: torch.Tensor) -> torch.Tensor:
        tokens, weights = self.channels(x)
        return (weights[..., None] * tokens).sum(dim=1)

    def channels(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the branch of channels before its end: tokens [b, channels, d] and the weight of each channel [b, channels], sum 1."""
        b, c, _ = x.shape
        z = functional.elu(self.channel_filters(x.reshape(b * c, 1, -1)), inplace=True).mean(dim=2)  # [b channels, n_spatial]
        tokens = self.channel_blocks(self.channel_token(z).view(b, c, -1) + self.channel_place)
        return tokens, self.channel_score(tokens)[..., 0].softmax(dim=1)

    def cam_layer(self):
        """Return the tokens of the branch of time: [b, emb_dim, 1, patches]."""
        return self.patch_blocks, lambda z: z.transpose(1, 2)[:, :, None]

    def filters(self):
        """Return the temporal filters of the branch of time, [emb_dim, samples]."""
        return self.stem.temporal[:, 0]
