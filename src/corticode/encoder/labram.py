"""LaBraM: a transformer over seconds of channels that was pretrained to guess the code of hidden ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.layer import patch_transformer as network
from corticode.layer.montage import as_space
from corticode.layer.stateful import StatefulModule
from corticode.space import Space
from corticode.weights import WeightCard

_UNIT_UV = 100.0  # the network counts in 0.1 mV
_SCALE = 0.1


class LaBraM(NeuralEncoder):
    """LaBraM of Jiang, Zhao and Lu (2024), as it is fine-tuned.

        x / 100 -> patches of 200 samples -> convolutions: a token each -> + vector of its channel + vector of its second
          -> n_layers pre-norm blocks, with a summary token -> the patches' tokens

    Input: EEG at 200 Hz, 1 to 16 whole seconds (what is left at the end is not read), channels by 10-10 name or as the bipolar pairs of
    `layer.patch_transformer.CHANNELS`; the paper filters 0.1 to 75 Hz with a notch at 50 Hz. Amplitudes are taken in uV and divided by
    100 inside. Representation: one token per channel and second, channels outside. The paper's classifier is
    `head.norm_linear.NormLinear`. Parameters: 5,820,740 with it and 4 classes (base). Large is emb_dim 400, n_layers 24, n_heads 16;
    huge is 800, 48, 16. Trained on: see `CARDS`; else learns from scratch.

    Departures from the paper: none known; how the paper's drop path grows over the layers and how weights start are recalled, not read.
    Its learning rate that falls from layer to layer is `adapt.layer_decay=0.65`.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    space : Space, its dict form, or None
        Names of the channels; needed.
    emb_dim : int
        Length of a token, a multiple of 100.
    n_layers, n_heads : int
    drop_path : float
        How often the last layer's additions are left out of a row in training; it rises evenly from the first layer's 0.

    Raises
    ------
    SentenceError
        Another rate, too short or too long windows, or channels it has no vector for.

    Source
    ------
    Jiang, Zhao, Lu 2024, ICLR, arXiv:2405.18765; github.com/935963004/LaBraM. Checked against it to 1e-5 (tests/encoder/test_labram.py).
    """

    rate_hz = float(network.PATCH)

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        emb_dim: int = 200,
        n_layers: int = 12,
        n_heads: int = 10,
        drop_path: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        named = as_space(space)
        self.space = None if named is None else named.to_dict()
        self.emb_dim, self.n_layers, self.n_heads, self.drop_path = emb_dim, n_layers, n_heads, drop_path
        self.n_steps = network.steps(self.n_times, self.sfreq, "LaBraM")
        self.n_features, self.n_tokens = emb_dim, self.n_chans * self.n_steps
        # made from the arguments, so not part of the state
        self.register_buffer("rows", network.rows(named, self.n_chans, "LaBraM"), persistent=False)
        self.convolution = network.PatchConvolution(emb_dim)
        self.summary, self.channel_table, self.step_table = network.tables(emb_dim)
        self.blocks = network.stack(n_layers, emb_dim, n_heads, bias=False, norm_heads=True, scale=_SCALE, drop_path=drop_path)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, channels seconds, emb_dim] of windows in uV."""
        return self.relate(self.embed(x), self.rows)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens [b, channels seconds, emb_dim] as they enter the transformer, without channel and second."""
        return self.convolution(network.patched(x / _UNIT_UV, self.n_steps))

    def relate(self, tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return what the transformer makes of `embed`'s tokens, same shape, with these rows of the table of channels [1 + channels]."""
        z = network.placed(tokens, rows, self.summary, self.channel_table, self.step_table)
        for block in self.blocks:
            z = block(z)
        return z[:, 1:]

    def cam_layer(self):
        """Return the last block without the summary: [b, emb_dim, channels, seconds]; None where there is none."""
        if not self.n_layers:
            return None
        return self.blocks[-1], lambda z: z[:, 1:].unflatten(1, (self.n_chans, self.n_steps)).permute(0, 3, 1, 2)

    def filters(self):
        """Return the temporal filters of the first convolution [k, 15]."""
        return self.convolution.first.weight[:, 0, 0]


class MaskedLaBraM(StatefulModule):
    """An encoder in masked pretraining: from the tokens that are left it guesses the code of each hidden one.

    A hidden patch's token is replaced before channel and second are added. As in the paper's code, the summary here takes the vector of the first
    channel in place of its own.

    Parameters
    ----------
    encoder : LaBraM
        Learns; the paper sets drop_path=0.
    n_codes : int
        Of the tokenizer.
    """

    def __init__(self, encoder: LaBraM, n_codes: int = 8192):
        super().__init__()
        self.encoder, self.n_codes = encoder, n_codes
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, encoder.n_features), std=0.02))
        self.norm, self.predict = nn.LayerNorm(encoder.n_features, eps=1e-6), nn.Linear(encoder.n_features, n_codes)
        nn.init.trunc_normal_(self.predict.weight, std=0.02)
        nn.init.zeros_(self.predict.bias)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return a guess for each hidden token.

        Parameters
        ----------
        x : float tensor [b, channels, times], uV
        mask : bool tensor [b, n_tokens]
            True where a token is hidden; `layer.mask.random_mask` draws the paper's.

        Returns
        -------
        logits : float tensor [hidden tokens, n_codes]
            In the order of codes[mask].
        """
        return self._guess(self.encoder.embed(x), mask)

    def symmetric(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return guesses for what the mask hides and, from what it hides, for the rest: those of codes[mask] and of codes[~mask]."""
        tokens = self.encoder.embed(x)  # the same for both
        logits = self._guess(torch.cat([tokens, tokens]), torch.cat([mask, ~mask]))
        hidden = int(mask.sum())
        return logits[:hidden], logits[hidden:]

    def _guess(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        tokens = torch.where(mask[..., None], self.mask_token.to(tokens.dtype), tokens)
        rows = self.encoder.rows
        z = self.encoder.relate(tokens, torch.cat([rows[1:2], rows[1:]]))
        return self.predict(self.norm(z[mask]))  # only what is asked for: the book is large


def _published(student: str, encoder: str) -> dict[str, str]:
    """Return names of the published base network's weights -> names here."""
    names = {f"patch_embed.{theirs}": f"convolution.{ours}" for theirs, ours in network.published_convolution().items()}
    names |= network.published_transformer(12, bias=False, norm_heads=True, scale=True)
    return {student + theirs: encoder + ours for theirs, ours in names.items()}


# the file also has two last layers that nothing uses
_UNUSED = dict.fromkeys(
    (f"{layer}.{n}" for layer in ("student.lm_head", "projection_head.0") for n in ("weight", "bias")),
    "",
)
_LAST = ("student.mask_token", *(f"{layer}.{n}" for layer in ("student.norm", "lm_head") for n in ("weight", "bias")))
_HERE = ("mask_token", "norm.weight", "norm.bias", "predict.weight", "predict.bias")
# 2,500 hours of about 20 data sets, of which no complete list was found: `pretrained_on` stays unknown. So does the file's hash.
_FACTS = {
    "url": "https://github.com/935963004/LaBraM/raw/main/checkpoints/labram-base.pth",
    "licence": "MIT",
    "expects": Space("eeg", network.CHANNELS, "uV", network.PATCH),
    "pretrained_on": None,
}
CARDS = (
    WeightCard(name="labram_base", names=_published("student.", "") | dict.fromkeys(_LAST, "") | _UNUSED, **_FACTS),
    WeightCard(
        name="labram_base_masked", names=_published("student.", "encoder.") | dict(zip(_LAST, _HERE, strict=True)) | _UNUSED, **_FACTS
    ),
)
