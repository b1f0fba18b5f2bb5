"""MVCNet: a convolutional branch and a transformer over channels, brought together by contrast between views of a window."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Attention
from corticode.layer.patch_stem import PatchStem

_PATCH_S = 0.5
_BRANCHES = ("both", "cnn")
_LEAST_HIDDEN = 128


class MVCNet(NeuralEncoder):
    """Network of MVCNet, Wang et al. (2025); its losses are `objective.multi_view.MultiView`.

        convolutions  x -> spatial and temporal filters, mean of each patch                               [b, patches, n_filters]
        transformer   x -> one layer over channels, a channel's samples being its token -> two linear layers     the same shape

    Input: EEG, any rate; the paper has 3 to 5 s at 250 or 512 Hz, aligned by person (`align=euclidean`). Representation: a token per
    patch, the mean of both branches'. The classifier is linear on all of them (`head.linear.Linear(pool="flatten")`). Parameters:
    54,128,954 with it at 22 channels x 1000 samples of 250 Hz x 2 classes, of which the convolutions have 5,696: the layer over
    channels takes whole windows for tokens, and its output is flattened. Trained on: nothing, learns from scratch.

    What answers: the paper speaks of fused representations of both branches. Its released code answers by the convolutions alone, and
    its figures are those (`branches="cnn"`); lines that classify both side by side stand in it, switched off. By default one
    classifier answers for either branch here and the answers are averaged (`branches="both"`; for a linear head that is its answer to
    the mean). It learns from the convolutions, as in the released code: where it learned from both side by side, it knew the fit rows by
    heart through the transformer and nobody else's.

    Departures from the paper: patches and filters keep their durations at other rates (the paper has 128 samples at 512 Hz);
    windows of whole patches keep the last one, where its code leaves out the last sample of each window, and with it the patch that it would
    have completed. The layer over channels has one layer and two heads, as the code runs it; its comment says two layers.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_filters : int
        Filters of the convolutions, the length of a token.
    kernel_length : int or None
        Samples of the temporal filters; None takes an odd number of a quarter of a second (63 at 250 Hz).
    patch_length : int or None
        Samples of a patch; None takes half a second (125 at 250 Hz).
    n_heads : int
        Of the layer over channels. Samples at the end of a window that cannot be shared among them are left out there.
    branches : str
        What answers: 'both', or 'cnn' alone while the transformer is there to learn from. No weight depends on it.
    drop_prob, transformer_drop_prob : float
        Of the patches; of the layer over channels.

    Raises
    ------
    SentenceError
        Windows are shorter than one patch; `branches` is unknown.

    Source
    ------
    Wang et al. 2025, Knowledge-Based Systems 328:114205, arXiv:2502.17482; github.com/wzwvv/MVCNet.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_filters: int = 64,
        kernel_length: int | None = None,
        patch_length: int | None = None,
        n_heads: int = 2,
        branches: str = "both",
        drop_prob: float = 0.5,
        transformer_drop_prob: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_filters, self.kernel_length, self.patch_length, self.n_heads = n_filters, kernel_length, patch_length, n_heads
        self.branches, self.drop_prob, self.transformer_drop_prob = branches, drop_prob, transformer_drop_prob
        if branches not in _BRANCHES:
            raise SentenceError(f"model.encoder.branches={branches} is unknown: pick {' or '.join(_BRANCHES)}")
        kernel = kernel_length or 2 * int(self.sfreq / 8) + 1
        patch = patch_length or max(1, int(_PATCH_S * self.sfreq))
        n_patches, self._length = self.n_times // patch, self.n_times - self.n_times % n_heads
        if n_patches < 1 or self._length < n_heads:
            raise SentenceError(
                f"MVCNet needs windows of {max(patch, n_heads)} samples or more, one patch, and got {n_times} ({n_times / sfreq:g} s at "
                f"{sfreq:g} Hz): take longer windows, or set model.encoder.patch_length= lower"
            )
        self.n_features, self.n_tokens = n_filters, n_patches
        n_values = n_patches * n_filters
        self.stem = PatchStem(self.n_chans, n_filters, kernel, patch, drop_prob)
        self.relate = ChannelLayer(self._length, n_heads, transformer_drop_prob)
        self.project = nn.Sequential(
            nn.Linear(self.n_chans * self._length, 4 * n_values), nn.LayerNorm(4 * n_values), nn.ReLU(), nn.Linear(4 * n_values, n_values), nn.Tanh()
        )  # fmt: skip

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, n_filters]."""
        return self._convolved(x) if self.branches == "cnn" else torch.stack(self.both(x)).mean(dim=0)

    def both(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each branch makes of windows [b, channels, times]: two times [b, patches, n_filters]."""
        convolved = self._convolved(x)
        return convolved, self.project(self.relate(x[..., : self._length]).flatten(1)).view_as(convolved)

    def _convolved(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem(x).transpose(1, 2)

    def cam_layer(self):
        """Return the patches of the convolutional branch: [b, n_filters, 1, patches]."""
        return self.stem, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [n_filters, samples]."""
        return self.stem.temporal[:, 0]


class ChannelLayer(nn.Module):
    """A transformer layer [b, channels, times] -> the same: norms after the shortcuts, rectified hidden layer."""

    def __init__(self, n_times: int, n_heads: int, drop_prob: float):
        super().__init__()
        hidden = max(2 * n_times, _LEAST_HIDDEN)
        self.attention, self.attention_norm = Attention(n_times, n_heads, drop_prob), nn.LayerNorm(n_times)
        self.widen, self.narrow, self.feedforward_norm = nn.Linear(n_times, hidden), nn.Linear(hidden, n_times), nn.LayerNorm(n_times)
        self.dropout = nn.Dropout(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each channel's samples beside what it takes from the other channels."""
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        hidden = self.dropout(functional.relu(self.widen(x)))
        return self.feedforward_norm(x + self.dropout(self.narrow(hidden)))
