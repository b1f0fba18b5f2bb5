"""TFM-Tokenizer: each half second of each channel becomes a word for what its spectrum and its shape have in common."""

from __future__ import annotations

import torch
from torch.nn import functional

from corticode.layer.linear_attention import published_names
from corticode.layer.quantile import by_quantile
from corticode.layer.quantizer import MeanQuantizer
from corticode.space import Space
from corticode.tokenizer.base import Tokenizer, Tokens
from corticode.tokenizer.tfm_network import BAND, N_BINS, Motifs, Spectra, n_frames, spectrum
from corticode.weights import WeightCard

RATE_HZ = 200.0
# What the published weights saw: the rows of CHANNELS in this order.
CHANNELS = (
    "FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2",
    "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
)  # fmt: skip


class TFMTokenizer(Tokenizer):
    """TFM-Tokenizer of Pradeepkumar et al. (2026), "2x2x8": one channel at a time, whatever the montage.

        x / quantile -> frames of 1 s, one every 0.5 s
        spectrum of a frame -> bands -> transformer -> gated sum --+
        samples of a frame  -> convolutions -----------------------+-> transformer -> unit vector -> nearest of n_codes
        codes -> transformer -> spectrum

    Input: windows at 200 Hz, one second or more, any unit (each channel of a window is divided by the 95 % quantile of its
    absolute values); the paper took 16 bipolar channels, 0.1 to 75 Hz, notch at 50 Hz. Samples after the last whole frame
    are not read. Codes: one per frame and channel. Rebuilt: 'spectrum', the magnitudes of 0 to 99 Hz in bins of 1 Hz.
    Parameters: 641,812, and a codebook of 524,288 numbers. Trained on: TUEV, TUAB or CHB-MIT, or several of these (`CARDS`).

    Departures from the paper: none known. In training a random half of the bands and of the frames is kept, the rest of
    the spectrum is 0, and a second pass sees what the first did not; the samples stay as they are in both, as in the
    paper's code.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    n_codes : int
        Words in the book.
    emb_dim : int
        Length of a code, a multiple of 32.
    band_depth, frame_depth, rebuild_depth : int
        Layers over the bands of a frame, over frames, and behind the codes: the paper's 2x2x8.
    n_heads : int
    drop_prob : float
    beta : float
        How strongly vectors are drawn to their codes.
    decay : float
        Of the codes' moving means.
    standardise : bool
        False where the windows have been divided by that quantile before.

    Raises
    ------
    SentenceError
        Another rate, or windows shorter than a second.

    Source
    ------
    Pradeepkumar et al. 2026, ICLR (arXiv:2502.16060); github.com/Jathurshan0330/TFM-Tokenizer at d716ab9. Equal to it to 1e-5 with
    equal weights (tests/tokenizer/test_tfm.py).
    """

    rate_hz = RATE_HZ

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_codes: int = 8192,
        emb_dim: int = 64,
        band_depth: int = 2,
        frame_depth: int = 2,
        rebuild_depth: int = 8,
        n_heads: int = 8,
        drop_prob: float = 0.2,
        beta: float = 1.0,
        decay: float = 0.99,
        standardise: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_codes, self.emb_dim, self.n_heads, self.drop_prob = n_codes, emb_dim, n_heads, drop_prob
        self.band_depth, self.frame_depth, self.rebuild_depth = band_depth, frame_depth, rebuild_depth
        self.beta, self.decay, self.standardise = beta, decay, standardise
        self.n_features, self.grid = emb_dim, (self.n_chans, n_frames(self.n_times))
        self.motifs = Motifs(emb_dim, band_depth, frame_depth, n_heads, drop_prob)
        self.quantizer = MeanQuantizer(n_codes, emb_dim, beta, decay)
        self.spectra = Spectra(emb_dim, rebuild_depth, n_heads, drop_prob)

    def forward(self, x: torch.Tensor, space: Space | None = None, keep: torch.Tensor | None = None) -> Tokens:
        """Tokenize and rebuild.

        Parameters
        ----------
        x : float tensor [b, channels, times], any unit
        space : not read
        keep : bool tensor [100, frames] or None
            What is seen of the spectrum; None: all.
        """
        rows = self._rows(x)
        S = spectrum(rows)
        z, codes, loss = self.quantizer(self.motifs(rows, S if keep is None else S * keep))
        embedded = z.reshape(x.shape[0], self.n_tokens, self.emb_dim)
        return Tokens(codes.reshape(x.shape[0], self.n_tokens), embedded, self.rebuild(embedded), loss)

    def tokenize(self, x, space=None):
        """Return codes int [b, channels * frames], channel by channel; in 32 bits whatever the precision around."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            rows = self._rows(x.float())
            codes = self.quantizer.nearest(self.quantizer.ready(self.motifs(rows, spectrum(rows))))
        return codes.reshape(x.shape[0], self.n_tokens)

    def embed(self, codes):
        """Return the codes' vectors [b, n_tokens, emb_dim]."""
        return self.quantizer.embed(codes)

    def rebuild(self, embedded):
        """Return {'spectrum': [b, channels, 100, frames]} of vectors [b, n_tokens, emb_dim]."""
        S = self.spectra(embedded.reshape(-1, self.grid[1], self.emb_dim))
        return {"spectrum": S.unflatten(0, (-1, self.n_chans))}

    def targets(self, x):
        """Return {'spectrum': [b, channels, 100, frames]} of windows."""
        return {"spectrum": spectrum(self._rows(x)).unflatten(0, (-1, self.n_chans))}

    def losses(self, x, space=None, keep: torch.Tensor | None = None):
        """Return the terms of the training loss: of a pass that sees `keep` and of one that sees the rest, added.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        space : not read
        keep : bool tensor [100, frames] or None
            None: `mask()` in training, everything, in one pass, in evaluation.
        """
        if keep is None and self.training:
            keep = self.mask().to(x.device)
        target = self.targets(x)["spectrum"]
        passes = [self(x, space, seen) for seen in ((None,) if keep is None else (keep, ~keep))]
        return {
            "spectrum": sum(functional.mse_loss(tokens.rebuilt["spectrum"], target) for tokens in passes),
            "quantizer": sum(tokens.loss for tokens in passes),
        }

    def mask(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw what a first pass sees: half of the bands of 5 Hz, in half of the frames; bool [100, frames].

        Parameters
        ----------
        generator : torch.Generator or None
            None: the one that dropout draws from.
        """
        bands, frames = N_BINS // BAND, self.grid[1]
        kept_bands = torch.randperm(bands, generator=generator) >= bands // 2
        kept_frames = torch.randperm(frames, generator=generator) >= frames // 2
        return kept_bands.repeat_interleave(BAND)[:, None] & kept_frames

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        """Return each channel of each window as a row [b channels, times]."""
        rows = x.flatten(0, 1)
        return by_quantile(rows) if self.standardise else rows


def _names() -> dict[str, str]:
    """Return published name -> name here."""
    names = {
        "quantizer.embedding.weight": "quantizer.book",
        "quantizer.cluster_size": "quantizer.counts",
        "quantizer.ema_w": "quantizer.sums",
    }
    stems = {"freq_patch_embedding": "motifs.bands.stem", "temporal_patch_embedding": "motifs.samples"}
    parts = {f"{theirs}.{i}": f"{ours}.{i}" for theirs, ours in stems.items() for i in (0, 2, 3, 5, 6, 8)}
    parts |= {"freq_patch_embedding_2_atten.0": "motifs.bands.gate", "freq_patch_embedding_2.0": "motifs.bands.value"}
    parts |= {"decoder.0": "spectra.layers.0", "decoder.2": "spectra.layers.2"}
    names |= {f"{theirs}.{n}": f"{ours}.{n}" for theirs, ours in parts.items() for n in ("weight", "bias")}
    stacks = {"freq_encoder": ("motifs.bands.blocks", 2), "temporal_encoder": ("motifs.blocks", 2), "decoder": ("spectra.blocks", 8)}
    for theirs, (ours, depth) in stacks.items():
        names |= published_names(f"trans_{theirs}.transformer.layers.layers", ours, depth)
    return names


NAMES = _names()
PUBLISHED = "https://github.com/Jathurshan0330/TFM-Tokenizer/raw/d716ab9fec905fffebe235915244a20a8c6edde7/pretrained_weigths"


def _card(name: str, folder: str, pretrained_on: tuple[str, ...] | None, n_times: int | None = None) -> WeightCard:
    return WeightCard(
        name=name,
        url=f"{PUBLISHED}/{folder}/tfm_tokenizer_last.pth",
        licence="MIT",
        expects=Space("eeg", CHANNELS, "uV", RATE_HZ),
        n_times=n_times,
        sha256=None,  # not seen: noted at the first download
        pretrained_on=pretrained_on,
        names=NAMES,
    )


# The words of one tokenizer mean nothing to a token encoder that was trained on another's.
CARDS = (
    _card("tfm_tokenizer", "multiple_dataset_settings/Pretrained_tfm_tokenizer_2x2x8", None),  # which data sets: unknown
    _card("tfm_tokenizer_tuev", "single_dataset_settings/TUEV_tfm_tokenizer_2x2x8", ("tuev",), 1000),
    _card("tfm_tokenizer_tuab", "single_dataset_settings/TUAB_tfm_tokenizer_2x2x8", ("tuab",), 2000),
    _card("tfm_tokenizer_chbmit", "single_dataset_settings/CHBMIT_tfm_tokenizer_2x2x8", ("chb_mit",), 2000),
)
