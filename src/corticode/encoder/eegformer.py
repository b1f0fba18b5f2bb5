"""EEGFormer-style: a transformer over pieces of each channel's spectrum, supervised from scratch."""

from __future__ import annotations

import math

import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError

# The spectrum is read in bands of this width, one every _STEP_HZ.
_WIDTH_HZ = 2.0
_STEP_HZ = 1.0
# Power below this share of the window's mean power is silence: a filtered-out band shall not be read.
_FLOOR = 1e-6
_FFN_RATIO = 2


class EEGFormer(NeuralEncoder):
    """EEGFormer-style encoder, small enough to learn from a few hundred windows.

        x [b, channels, times] -> log power in bands -> patches of neighbouring bands -> linear + position
          -> transformer, each channel by itself with shared weights -> one token per channel

    Input: windows of at least half a second, any unit (it does not see the gain). Representation: one token for the mean
    spectrum and, where there are several channels, one per channel; a head that keeps channels apart is
    `head.linear.Linear(pool="flatten")`. Parameters at defaults: 19,048 whatever the channels, 19,418 with that head for 22
    channels and 2 classes. Trained on: nothing, learns from scratch.

    Departures from the paper (Chen et al. 2024), which pretrains by vector quantisation, published no code and leaves much
    unsaid. From the paper: amplitudes in the frequency domain, patches with shared linear embedding and learned positions,
    a transformer that treats channels alike, tokens of all channels pooled. Own choices:

    * power is averaged in bands of 2 Hz, one per Hz, before the logarithm: single bins of a short window are mostly noise;
    * only `low_hz` to `high_hz` is read;
    * instance normalisation splits the window: its mean spectrum over channels is standardised over bands, and each channel
      is its difference from that mean, standardised band by band with running statistics of the training windows. Made
      per channel, as in the paper, it would take away how strong a rhythm is here compared with there;
    * pre-norm blocks that start as the identity, no class token, ReLU, 2 layers of 32 in place of 6 to 12 of 128;
    * a channel's patches are concatenated and brought to `channel_dim` numbers, not averaged.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    emb_dim : int
        Length of a patch's embedding.
    n_layers, n_heads : int
    patch_hz, stride_hz : float
        Width of a patch of the spectrum, and from one patch to the next. The last one is padded by repetition.
    low_hz, high_hz : float
        Part of the spectrum that is read; cut at half the rate.
    channel_dim : int
        Numbers that are kept of a channel, the length of a token.
    drop_prob : float

    Raises
    ------
    SentenceError
        The windows are too short, or their rate too low, for one patch.

    Source
    ------
    Chen et al. 2024, arXiv:2401.10278. No reference code or weights exist to compare with.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        emb_dim: int = 32,
        n_layers: int = 2,
        n_heads: int = 2,
        patch_hz: float = 6.0,
        stride_hz: float = 6.0,
        low_hz: float = 4.0,
        high_hz: float = 40.0,
        channel_dim: int = 8,
        drop_prob: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.emb_dim, self.n_layers, self.n_heads, self.channel_dim, self.drop_prob = emb_dim, n_layers, n_heads, channel_dim, drop_prob
        self.patch_hz, self.stride_hz, self.low_hz, self.high_hz = patch_hz, stride_hz, low_hz, high_hz
        bands = _bands(self.n_times, self.sfreq, low_hz, high_hz)
        self._patch, self._stride = max(1, round(patch_hz / _STEP_HZ)), max(1, round(stride_hz / _STEP_HZ))
        n_bands = bands.shape[1]
        if n_bands < self._patch:
            raise SentenceError(
                f"EEGFormer reads {low_hz:g} to {high_hz:g} Hz in patches of {patch_hz:g} Hz, and at {self.sfreq:g} Hz the signal ends at "
                f"{self.sfreq / 2:g} Hz: set model.encoder.low_hz=, high_hz= and patch_hz= to what these data hold"
            )
        n_patches = math.ceil((n_bands - self._patch) / self._stride) + 1
        self._padding = (n_patches - 1) * self._stride + self._patch - n_bands
        self.n_features, self.n_tokens = channel_dim, 1 + (self.n_chans if self.n_chans > 1 else 0)
        # made from the arguments, so not part of the state
        self.register_buffer("bands", bands, persistent=False)
        self.band_norm = nn.BatchNorm1d(n_bands, affine=False)
        self.embed = nn.Linear(self._patch, emb_dim)
        self.position = nn.Parameter(0.02 * torch.randn(n_patches, emb_dim))
        self.blocks = nn.ModuleList([Block(emb_dim, n_heads, drop_prob) for _ in range(n_layers)])
        self.squeeze = nn.Linear(n_patches * emb_dim, channel_dim)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, 1 + channels, channel_dim]: the mean spectrum, then each channel's difference from it."""
        spectra = self.spectra(x)  # [b, tokens, bands]
        spectra = torch.cat([spectra, spectra[..., -1:].expand(-1, -1, self._padding)], dim=-1)
        z = self.embed(spectra.flatten(0, 1).unfold(1, self._patch, self._stride)) + self.position  # [b tokens, patches, emb_dim]
        for block in self.blocks:
            z = block(z)
        return self.squeeze(z.flatten(1)).unflatten(0, spectra.shape[:2])

    def cam_layer(self):
        """Return the tokens of the channels, without that of their mean: [b, channel_dim, channels, 1]; None for one channel."""
        if self.n_chans == 1:
            return None
        return self.squeeze, lambda z: z.unflatten(0, (-1, self.n_tokens))[:, 1:].transpose(1, 2)[..., None]

    def spectra(self, x: torch.Tensor) -> torch.Tensor:
        """Return normalised log power [b, 1 + channels, bands], in 32 bits whatever the precision around."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            power = torch.fft.rfft(x - x.mean(dim=-1, keepdim=True)).abs().square() @ self.bands  # [b, channels, bands]
            silence = _FLOOR * power.mean(dim=(1, 2), keepdim=True) + torch.finfo(power.dtype).tiny
            log_power = torch.log(power + silence)
            mean = log_power.mean(dim=1, keepdim=True)
            spread = mean.std(dim=-1, keepdim=True, correction=0)
            standard = (mean - mean.mean(dim=-1, keepdim=True)) / (spread + 1e-6)
            if self.n_chans == 1:
                return standard
            difference = self.band_norm((log_power - mean).flatten(0, 1)).view_as(log_power)
            return torch.cat([standard, difference], dim=1)


class Block(nn.Module):
    """One pre-norm transformer layer on short sequences [b, n, d], starting as the identity."""

    def __init__(self, emb_dim: int, n_heads: int, drop_prob: float):
        super().__init__()
        if emb_dim % n_heads:
            raise SentenceError(f"emb_dim={emb_dim} cannot be shared among n_heads={n_heads}: take a multiple")
        self.n_heads = n_heads
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(emb_dim), nn.LayerNorm(emb_dim)
        self.query_key_value, self.mix = nn.Linear(emb_dim, 3 * emb_dim), nn.Linear(emb_dim, emb_dim)
        self.widen, self.narrow = nn.Linear(emb_dim, _FFN_RATIO * emb_dim), nn.Linear(_FFN_RATIO * emb_dim, emb_dim)
        self.dropout = nn.Dropout(drop_prob)
        for last in (self.mix, self.narrow):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, same shape."""
        b, n, d = z.shape
        query, key, value = (
            self.query_key_value(self.attention_norm(z)).view(b, n, 3, self.n_heads, d // self.n_heads).permute(2, 0, 3, 1, 4)
        )
        # a handful of patches: plain products are faster here than the fused kernel
        share = (query @ key.transpose(-1, -2) / math.sqrt(d // self.n_heads)).softmax(dim=-1)
        z = z + self.dropout(self.mix((share @ value).transpose(1, 2).reshape(b, n, d)))
        return z + self.dropout(self.narrow(torch.relu(self.widen(self.feedforward_norm(z)))))


def _bands(n_times: int, sfreq: float, low_hz: float, high_hz: float) -> torch.Tensor:
    """Return the weights [frequencies, bands] that average a power spectrum into bands."""
    if n_times / sfreq < 1 / _WIDTH_HZ:
        raise SentenceError(
            f"EEGFormer resolves {_WIDTH_HZ:g} Hz and needs windows of {1 / _WIDTH_HZ:g} s or more, got {n_times / sfreq:.3g} s "
            f"({n_times} samples at {sfreq:g} Hz): take longer windows"
        )
    frequencies = torch.fft.rfftfreq(n_times, 1 / sfreq, dtype=torch.float64)
    n_bands = max(0, math.floor((min(high_hz, sfreq / 2) - low_hz - _WIDTH_HZ) / _STEP_HZ + 1e-9 + 1))
    centres = low_hz + _WIDTH_HZ / 2 + _STEP_HZ * torch.arange(n_bands, dtype=torch.float64)
    inside = ((frequencies[:, None] - centres).abs() <= _WIDTH_HZ / 2 + 1e-9).double()
    return (inside / inside.sum(dim=0) / n_times).float()
