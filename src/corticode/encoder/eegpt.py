"""EEGPT: at each moment a transformer over channels, which a few summary tokens read out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import attend
from corticode.layer.montage import as_space, channel_index
from corticode.space import Space
from corticode.weights import WeightCard

_RATE_HZ = 256.0
_UV_PER_MV = 1000.0
_EPS = 1e-6  # of layer norms
_STD = 0.02  # of initial weights

# The electrodes that the network has an embedding for, front to back and left to right.
CHANNELS = (
    "Fp1", "Fpz", "Fp2",
    "AF7", "AF3", "AF4", "AF8",
    "F7", "F5", "F3", "F1", "Fz", "F2", "F4", "F6", "F8",
    "FT7", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "FT8",
    "T7", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8",
    "TP7", "CP5", "CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "TP8",
    "P7", "P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8",
    "PO7", "PO5", "PO3", "POz", "PO4", "PO6", "PO8",
    "O1", "Oz", "O2",
)  # fmt: skip
# Those it was pretrained on, and those that the paper's probing mixes other montages into.
PRETRAINED = tuple(name for name in CHANNELS if name not in ("AF7", "AF8", "PO5", "PO6"))
TEN_TWENTY = ("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2")


class EEGPT(NeuralEncoder):
    """Encoder of EEGPT (Wang et al. 2024), in the size whose weights were published ("large").

        x [b, channels, times] -> patches of 0.25 s, each channel's -> linear + channel embedding
          -> for each patch of time by itself: n_layers pre-norm blocks over [channels, summaries] -> norm(summaries)

    Input: EEG at 256 Hz in uV, average reference, of any channels that `CHANNELS` names; it was trained on 4 s and 58 channels, and
    mV are made of uV inside. Samples after the last whole patch are not read. Representation: one token per patch, its n_summaries
    summaries end to end. Parameters: 25,287,168. Trained on: PhysioNet-MI, HGD, TSU SSVEP, SEED and M3CV (`CARDS`), with the parts in
    `encoder/eegpt_pretraining.py`.

    Departures from the paper: none. Its smaller sizes, as emb_dim / n_summaries / n_layers / n_heads: tiny1 64/1/2/4,
    tiny2 64/4/2/4, tiny3 64/4/8/4, little 128/4/8/4, base1 256/1/6/4, base2 256/4/8/4, base3 512/1/6/8.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        256.
    space : Space, its plain form, or None
        Names the channels; None: the 58 of pretraining, or any where there is a mixture.
    emb_dim : int
        Length of a channel's token and of a summary.
    n_summaries : int
        S of the paper.
    n_layers, n_heads : int
    patch_samples : int
    mixture : bool
        Lead the channels, whatever they are, through a learned mixture to the 19 of the 10-20 system, no weight vector longer than 1,
        as the paper's probing does. Else channels are looked up by name.

    Raises
    ------
    SentenceError
        Another rate, windows shorter than a patch, or channels that the network does not know.

    Source
    ------
    Wang et al. 2024, "EEGPT: Pretrained Transformer for Universal and Reliable Representation of EEG Signals", NeurIPS;
    github.com/BINE022/EEGPT. Equals its outputs to 1e-5 (tests/encoder/test_eegpt.py). That the mixture has a bias is proposed.
    """

    rate_hz = _RATE_HZ
    batch_size = 32  # each window is 16 sequences

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        emb_dim: int = 512,
        n_summaries: int = 4,
        n_layers: int = 8,
        n_heads: int = 8,
        patch_samples: int = 64,
        mixture: bool = False,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.space = space.to_dict() if isinstance(space, Space) else space
        self.emb_dim, self.n_summaries, self.n_layers, self.n_heads = emb_dim, n_summaries, n_layers, n_heads
        self.patch_samples, self.mixture, self.n_patches = int(patch_samples), mixture, self.n_times // int(patch_samples)
        if not self.n_patches:
            raise SentenceError(
                f"EEGPT reads patches of {patch_samples} samples and got windows of {n_times} ({n_times / sfreq:.3g} s): take longer windows"
            )
        self.mix = nn.Conv1d(self.n_chans, len(TEN_TWENTY), 1) if mixture else None
        self.n_features, self.n_tokens = n_summaries * emb_dim, self.n_patches
        # made from the arguments, so not part of the state
        self.register_buffer("channels", self._channels(), persistent=False)
        self.embed = nn.Conv2d(1, emb_dim, (1, self.patch_samples), stride=(1, self.patch_samples))
        self.channel_embedding = nn.Embedding(len(CHANNELS), emb_dim)
        self.summaries = nn.Parameter(torch.empty(1, n_summaries, emb_dim))
        self.blocks = nn.ModuleList([Block(emb_dim, n_heads) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(emb_dim, eps=_EPS)
        start(self, self.summaries)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, patches, n_summaries emb_dim]."""
        return self._summarised(self.patches(x), self.channels).flatten(2)

    def patches(self, x: torch.Tensor) -> torch.Tensor:
        """Return the windows x [b, channels, times] in uV as the network reads them: patches [b, patches, channels, samples] in mV."""
        x = x[..., : self.n_patches * self.patch_samples] / _UV_PER_MV
        if self.mix is not None:
            x = functional.conv1d(x, torch.renorm(self.mix.weight, 2, 0, 1.0), self.mix.bias)
        return x.unflatten(-1, (self.n_patches, self.patch_samples)).transpose(1, 2)

    def masked(self, x: torch.Tensor, kept: torch.Tensor, space: Space | None = None) -> torch.Tensor:
        """Return summaries of what is kept of windows.

        Parameters
        ----------
        x : float tensor [b, channels, times], uV
        kept : int tensor [kept patches, channels of each]
            Places `patch * n_chans + channel`, a row for each patch of which something is kept, in the order of time; the same for all
            windows: see `eegpt_pretraining.draw_mask`.

        Returns
        -------
        z : float tensor [b, kept patches, n_summaries, emb_dim]
        """
        patches = self.patches(x)
        n_chans = patches.shape[2]
        return self._summarised(patches.flatten(1, 2)[:, kept], self.channels[kept % n_chans])

    def cam_layer(self):
        """Return the summaries of each patch, [b, n_summaries emb_dim, 1, patches]."""
        return self.norm, lambda z: z.unflatten(0, (-1, self.n_patches)).flatten(2).transpose(1, 2)[:, :, None]

    def filters(self):
        """Return what each feature of the embedding multiplies a patch by, [emb_dim, samples]."""
        return self.embed.weight.flatten(1)

    def _summarised(self, patches: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        """Return summaries [b, n, S, emb_dim] of patches [b, n, c, samples] of channels [c] or [n, c]."""
        # the convolution does not overlap: a product of matrices
        z = functional.linear(patches, self.embed.weight.flatten(1), self.embed.bias) + self.channel_embedding(channels)
        z = torch.cat([z.flatten(0, 1), self.summaries.expand(z.shape[0] * z.shape[1], -1, -1)], dim=1)  # [b n, c + S, emb_dim]
        for block in self.blocks[:-1]:
            z = block(z)
        return self.norm(self.blocks[-1](z, n_last=self.n_summaries)).unflatten(0, (-1, patches.shape[1]))

    def _channels(self) -> torch.Tensor:
        if self.mixture:
            return torch.tensor(channel_index(TEN_TWENTY, CHANNELS))
        names = PRETRAINED if self.space is None else as_space(self.space).names
        if len(names) != self.n_chans:
            raise SentenceError(
                f"EEGPT got {self.n_chans} channels and {len(names)} names: give their space=, or set model.encoder.mixture=true, "
                "which needs no names"
            )
        return torch.tensor(channel_index(names, CHANNELS, who="EEGPT"))


class Block(nn.Module):
    """One pre-norm transformer layer, whose queries and keys may be turned by their time.

    Parameters
    ----------
    emb_dim, n_heads : int
    """

    def __init__(self, emb_dim: int, n_heads: int):
        super().__init__()
        if emb_dim % n_heads:
            raise SentenceError(f"emb_dim={emb_dim} cannot be shared among n_heads={n_heads}: take a multiple")
        self.n_heads = n_heads
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(emb_dim, eps=_EPS), nn.LayerNorm(emb_dim, eps=_EPS)
        self.query_key_value, self.mix = nn.Linear(emb_dim, 3 * emb_dim), nn.Linear(emb_dim, emb_dim)
        self.widen, self.narrow = nn.Linear(emb_dim, 4 * emb_dim), nn.Linear(4 * emb_dim, emb_dim)

    def forward(self, x: torch.Tensor, angles: torch.Tensor | None = None, n_last: int = 0) -> torch.Tensor:
        """Return the layer's output.

        Parameters
        ----------
        x : float tensor [b, n, emb_dim]
        angles : float tensor [n, k], radians, or None
            By which the first k pairs of numbers of a head are turned.
        n_last : int
            How many of the last tokens are asked for; the others are not worked out. 0: all.
        """
        query, key, value = self.query_key_value(self.attention_norm(x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        if angles is not None:
            query, key = turned(query, angles), turned(key, angles)
        mixed = attend(query[..., -n_last:, :], key, value)  # [b, heads, n_last, d]
        x = x[:, -n_last:] + self.mix(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(functional.gelu(self.widen(self.feedforward_norm(x))))


def turned(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Return x [..., n, d] with its first k neighbouring pairs of numbers turned by angles [n, k]; the rest stays."""
    cos, sin, k = angles.cos(), angles.sin(), angles.shape[-1]
    even, odd = x[..., 0 : 2 * k : 2], x[..., 1 : 2 * k : 2]
    pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((pairs, x[..., 2 * k :]), dim=-1).to(x.dtype)


def start(module: nn.Module, *tokens: nn.Parameter) -> None:
    """Give initial weights: normal with a standard deviation of 0.02, cut at twice that; deeper layers add less to their shortcut."""
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear | nn.Conv2d | nn.Embedding):
                nn.init.trunc_normal_(part.weight, std=_STD, a=-2 * _STD, b=2 * _STD)
                if getattr(part, "bias", None) is not None:
                    nn.init.zeros_(part.bias)
        for token in tokens:
            nn.init.trunc_normal_(token, std=_STD, a=-2 * _STD, b=2 * _STD)
        for i, block in enumerate(module.blocks, start=1):
            for last in (block.mix, block.narrow):
                last.weight /= math.sqrt(2 * i)


def block_names(published: str, n_layers: int = 8) -> dict[str, str]:
    """Return published name -> name here for the blocks that stand under `published`."""
    parts = {
        "norm1": "attention_norm", "attn.qkv": "query_key_value", "attn.proj": "mix",
        "norm2": "feedforward_norm", "mlp.fc1": "widen", "mlp.fc2": "narrow",
    }  # fmt: skip
    return {
        f"{published}.{i}.{theirs}.{kind}": f"blocks.{i}.{ours}.{kind}"
        for i in range(n_layers)
        for theirs, ours in parts.items()
        for kind in ("weight", "bias")
    }


def pair_names(parts: Mapping[str, str]) -> dict[str, str]:
    """Return published name -> name here for the weight and the bias of each part."""
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in parts.items() for kind in ("weight", "bias")}


# published name -> name here, in each part of the published file
NAMES = {
    "summary_token": "summaries",
    "chan_embed.weight": "channel_embedding.weight",
    **pair_names({"patch_embed.proj": "embed", "norm": "norm"}),
    **block_names("blocks"),
}
PREDICTOR_NAMES = {
    "mask_token": "mask_token",
    "time_embed.freqs": "rotation.frequencies",
    **pair_names({"predictor_embed": "embed", "predictor_norm": "norm", "predictor_proj": "project"}),
    **block_names("predictor_blocks"),
}
RECONSTRUCTOR_NAMES = {
    "mask_token": "mask_token",
    "chan_embed.weight": "channel_embedding.weight",
    "time_embed.freqs": "rotation.frequencies",
    **pair_names({"reconstructor_embed": "embed", "reconstructor_norm": "norm", "reconstructor_proj": "project"}),
    **block_names("reconstructor_blocks"),
}


def _names(wanted: str) -> dict[str, str]:
    """Return the names of the whole file, all but one part left out."""
    parts = {"target_encoder": NAMES, "encoder": NAMES, "predictor": PREDICTOR_NAMES, "reconstructor": RECONSTRUCTOR_NAMES}
    return {f"{part}.{theirs}": ours if part == wanted else "" for part, names in parts.items() for theirs, ours in names.items()}


CARDS = (
    WeightCard(
        # the paper probes the moving average of the encoder
        name="eegpt_large",
        # The authors' own place, figshare.com/s/e37df4f8a907a866df4b (EEGPT/checkpoint/eegpt_mcae_58chs_4s_large4E.ckpt), opens in a
        # browser only. This copy has its 413 tensors without the optimiser's state; place and hash as a third party reports them.
        url="https://huggingface.co/eeg-telecom-paris/eegpt-large-official/resolve/main/weights.safetensors",
        sha256="c45c31cb42f68f8b9c630a7739a8084ae5dd6a6608a0d732a5165f180c755a96",
        licence="Apache-2.0 (of the authors' repository; none is stated with the file)",
        expects=Space("eeg", PRETRAINED, "uV", _RATE_HZ),
        n_times=1024,
        pretrained_on=("physionet_mi", "hgd", "tsu_ssvep", "seed", "m3cv"),
        names=_names("target_encoder"),
    ),
)
