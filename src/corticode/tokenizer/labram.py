"""VQ-NSP, LaBraM's tokenizer: a second of a channel becomes the code from which its spectrum can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.layer import patch_transformer as network
from corticode.layer.montage import as_space
from corticode.layer.quantizer import DirectionQuantizer
from corticode.space import Space
from corticode.tokenizer.base import Tokenizer, Tokens
from corticode.weights import WeightCard

_UNIT_UV = 100.0  # the network counts in 0.1 mV


class VQNSP(Tokenizer):
    """Vector-quantised neural spectrum prediction (Jiang, Zhao, Lu 2024).

        x / 100 -> patches of 200 samples -> convolutions -> n_layers blocks -> linear, tanh, linear -> nearest of n_codes directions
          -> linear -> n_decoder_layers blocks -> amplitude and phase of the patch's spectrum

    Input: as `encoder.labram.LaBraM`: EEG in uV at 200 Hz, 1 to 16 whole seconds, channels by name. Codes: one per channel and second,
    channels outside. Targets: amplitude and phase of the Fourier transform of each patch, all 200 frequencies, each standardised over a
    window. Parameters that are trained at defaults: 7,522,640, and a book of 8192 x 64.

    Departures from the paper: none known; how weights start is recalled, not read.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    space : Space, its dict form, or None
        Names of the channels; needed.
    emb_dim : int
        Length of a token, a multiple of 100.
    n_layers, n_decoder_layers, n_heads : int
    n_codes, code_dim : int
        Words in the book, and the length of one.
    beta : float
        Weight of the commitment to codes.
    decay : float
        How slowly codes follow what they stand for.
    kmeans : bool
        Place the codes by k-means on the first training batch.

    Raises
    ------
    SentenceError
        Another rate, too short or too long windows, or channels it has no vector for.

    Source
    ------
    Jiang, Zhao, Lu 2024, ICLR, arXiv:2405.18765; github.com/935963004/LaBraM. Checked against it to 1e-5 (tests/tokenizer/test_labram.py).
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
        n_decoder_layers: int = 3,
        n_heads: int = 10,
        n_codes: int = 8192,
        code_dim: int = 64,
        beta: float = 1.0,
        decay: float = 0.99,
        kmeans: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        named = as_space(space)
        self.space = None if named is None else named.to_dict()
        self.emb_dim, self.n_layers, self.n_decoder_layers, self.n_heads = emb_dim, n_layers, n_decoder_layers, n_heads
        self.n_codes, self.code_dim, self.beta, self.decay, self.kmeans = n_codes, code_dim, beta, decay, kmeans
        self.grid, self.n_features = (self.n_chans, network.steps(self.n_times, self.sfreq, "VQNSP")), code_dim
        # made from the arguments, so not part of the state
        self.register_buffer("rows", network.rows(named, self.n_chans, "VQNSP"), persistent=False)
        self.convolution = network.PatchConvolution(emb_dim)
        self.encoder, self.decoder = (
            network.PatchTransformer(emb_dim, n, n_heads, bias=True, norm_heads=False, scale=None) for n in (n_layers, n_decoder_layers)
        )
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(emb_dim, eps=1e-6), nn.LayerNorm(emb_dim, eps=1e-6)
        # published weights keep this linear layer as a convolution of one pixel
        self.squeeze, self.widen = _two_layers(emb_dim, code_dim), nn.Conv2d(code_dim, emb_dim, 1)
        self.amplitude, self.phase = _two_layers(emb_dim, network.PATCH), _two_layers(emb_dim, network.PATCH)
        self.quantizer = DirectionQuantizer(n_codes, code_dim, beta, decay, kmeans)

    def forward(self, x, space=None):
        """Tokenize and rebuild windows [b, channels, times] in uV; in training the book learns."""
        quantized = self.quantizer(self._described(x))
        return Tokens(quantized.codes, quantized.z, self.rebuild(quantized.z), quantized.loss)

    def tokenize(self, x, space=None):
        """Return codes int [b, channels seconds]."""
        return self.quantizer.codes(self._described(x))

    def embed(self, codes):
        """Return the codes' vectors [b, channels seconds, code_dim]."""
        return self.quantizer.embed(codes)

    def rebuild(self, embedded):
        """Return 'amplitude' and 'phase' [b, channels seconds, 200], as standardised as the targets are."""
        tokens = functional.linear(embedded, self.widen.weight[:, :, 0, 0], self.widen.bias)
        z = self.decoder_norm(self.decoder(tokens, self.rows))
        return {"amplitude": self.amplitude(z), "phase": self.phase(z)}

    def targets(self, x):
        """Return 'amplitude' and 'phase' [b, channels seconds, 200] of each patch's Fourier transform, standardised over the window."""
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.fft(network.patched(x.float() / _UNIT_UV, self.grid[1]))
            return {"amplitude": _standard(spectrum.abs()), "phase": _standard(spectrum.angle())}

    def _described(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is quantised [b, channels seconds, code_dim]."""
        tokens = self.convolution(network.patched(x / _UNIT_UV, self.grid[1]))
        return self.squeeze(self.encoder_norm(self.encoder(tokens, self.rows)))


def _two_layers(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_in), nn.Tanh(), nn.Linear(n_in, n_out))


def _standard(values: torch.Tensor) -> torch.Tensor:
    """Return values [b, tokens, frequencies] with mean 0 and variance 1 in each window."""
    mean, spread = values.mean(dim=(1, 2), keepdim=True), values.std(dim=(1, 2), keepdim=True)
    return (values - mean) / spread


def _published() -> dict[str, str]:
    """Return names of the published tokenizer's weights -> names here."""
    names = {f"encoder.patch_embed.{theirs}": f"convolution.{ours}" for theirs, ours in network.published_convolution().items()}
    for part, n_layers in (("encoder", 12), ("decoder", 3)):
        blocks = network.published_transformer(n_layers, bias=True, norm_heads=False, scale=False)
        names |= {f"{part}.{theirs}": f"{part}.{ours}" for theirs, ours in blocks.items()}
    layers = {"encoder.fc_norm": "encoder_norm", "decoder.fc_norm": "decoder_norm", "decoder.patch_embed.proj": "widen"}
    for theirs, ours in {"encode_task_layer": "squeeze", "decode_task_layer": "amplitude", "decode_task_layer_angle": "phase"}.items():
        layers |= {f"{theirs}.{i}": f"{ours}.{i}" for i in (0, 2)}
    names |= {f"{theirs}.{n}": f"{ours}.{n}" for theirs, ours in layers.items() for n in ("weight", "bias")}
    book = {"embedding.weight": "book", "cluster_size": "counts", "embedding.initted": "started"}
    return names | {f"quantize.{theirs}": f"quantizer.{ours}" for theirs, ours in book.items()} | _UNUSED


# kept in the file and not used by its rule of learning
_UNUSED = {"quantize.embedding.cluster_size": "", "quantize.embedding.embed_avg": ""}
# The people it has seen are unknown, as is the file's hash: see the cards of encoder.labram.
CARDS = (
    WeightCard(
        name="labram_vqnsp",
        url="https://github.com/935963004/LaBraM/raw/main/checkpoints/vqnsp.pth",
        licence="MIT",
        expects=Space("eeg", network.CHANNELS, "uV", network.PATCH),
        pretrained_on=None,
        names=_published(),
    ),
)
