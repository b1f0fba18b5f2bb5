"""Du-IN's tokenizer: each 100 samples of all contacts of a person become one word, from which their signal is rebuilt."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.layer.quantizer import DirectionQuantizer
from corticode.space import Space
from corticode.tokenizer.base import Tokenizer, Tokens
from corticode.tokenizer.duin_backbone import SEGMENT, Backbone, PersonLayer, Transformer, backbone_names, blocks_names
from corticode.weights import WeightCard

_HIDDEN = 128
_CODE_DIM = 64


class DuINTokenizer(Tokenizer):
    """VQ-VAE of Du-IN (Zheng et al. 2024), for intracranial recordings of one person, or of several.

        x -> person's layer -> segments -> transformer -> unit vector: nearest of n_codes
        code -> norm, linear -> transformer -> transposed convolutions -> person's layer -> signal

    Input: windows of one segment or more; the paper took 10 bipolar contacts, 4 s at 1000 Hz (another rate makes segments of
    another duration). Samples after the last whole segment are not read. Codes: one per segment, for all channels together.
    Rebuilt: 'signal', the standardised windows. Parameters: 5,801,386 at 10 channels and 1 person, and a
    codebook of 131,072 numbers, which learns by moving means. Trained on: nothing, learns from scratch; the authors'
    weights are those of single people with contacts of their own.

    Departures from the paper: `standardise`, since how its data were scaled is unknown (recalled: z-scores).

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_persons : int
        Persons with first and last layers of their own; rows say which by `subject`.
    n_mixed : int
        Channels behind the persons' layers.
    emb_dim : int
        Length of a token, a multiple of 10.
    depth, rebuild_depth : int
        Layers of the transformers before and behind the codes.
    n_heads : int
        Of 64 numbers each.
    n_codes : int
    drop_prob : float
    beta : float
        How strongly vectors are drawn to their codes.
    decay : float
        Of the codes' moving directions.
    kmeans : bool
        Place the codes by k-means on the first training batch.
    standardise : bool
        Bring each channel of a window to mean 0 and deviation 1; False where they come so.

    Raises
    ------
    SentenceError
        Windows are shorter than a segment.

    Source
    ------
    Zheng et al. 2024, NeurIPS (arXiv:2405.11459); github.com/liulab-repository/Du-IN at c2e289c. Equal to it to 1e-5 with equal
    weights (tests/tokenizer/test_duin.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_persons: int = 1,
        n_mixed: int = 16,
        emb_dim: int = 160,
        depth: int = 8,
        rebuild_depth: int = 4,
        n_heads: int = 8,
        n_codes: int = 2048,
        drop_prob: float = 0.2,
        beta: float = 1.0,
        decay: float = 0.99,
        kmeans: bool = True,
        standardise: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_persons, self.n_mixed, self.emb_dim, self.depth, self.rebuild_depth = n_persons, n_mixed, emb_dim, depth, rebuild_depth
        self.n_heads, self.n_codes, self.drop_prob, self.beta, self.decay = n_heads, n_codes, drop_prob, beta, decay
        self.kmeans, self.standardise = kmeans, standardise
        self.backbone = Backbone(self.n_chans, self.n_times, n_persons, n_mixed, emb_dim, depth, n_heads, drop_prob, standardise)
        self.n_features, self.grid = emb_dim, (1, self.backbone.n_tokens)
        self.squeeze = nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.Tanh(), nn.Linear(emb_dim, _CODE_DIM))
        self.quantizer = DirectionQuantizer(n_codes, _CODE_DIM, beta, decay, kmeans)
        self.expand = nn.Sequential(nn.LayerNorm(_CODE_DIM), nn.Linear(_CODE_DIM, emb_dim))
        self.transformer = Transformer(emb_dim, n_heads, rebuild_depth, drop_prob)
        self.samples = _samples(emb_dim, n_mixed)
        self.mix = nn.Linear(n_mixed, n_mixed)
        self.person = PersonLayer(n_mixed, self.n_chans, n_persons)

    def forward(self, x: torch.Tensor, space: Space | None = None, subject: torch.Tensor | None = None) -> Tokens:
        """Tokenize and rebuild.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        space : not read
        subject : int tensor [b] or None
            Number of each row's person; None: the mean of all persons' layers.
        """
        z, codes, loss = self.quantizer(self.squeeze(self.backbone(x, subject)))
        embedded = self.expand(z)
        return Tokens(codes, embedded, self.rebuild(embedded, subject), loss)

    def tokenize(self, x, space=None, subject=None):
        """Return codes int [b, n_tokens]; in 32 bits whatever the precision around."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            return self.quantizer.nearest(self.quantizer.ready(self.squeeze(self.backbone(x.float(), subject))))

    def embed(self, codes):
        """Return the codes' vectors [b, n_tokens, emb_dim]."""
        return self.expand(self.quantizer.embed(codes))

    def rebuild(self, embedded, subject=None):
        """Return {'signal': [b, channels, n_tokens * 100]} of vectors [b, n_tokens, emb_dim]."""
        mixed = self.samples(self.transformer(embedded, self.backbone.position).mT)  # [b, n_mixed, times]
        return {"signal": self.person(self.mix(mixed.mT).mT, subject)}

    def targets(self, x):
        """Return {'signal': [b, channels, n_tokens * 100]} of windows: standardised where that is asked for."""
        return {"signal": self.backbone.signal(x)}

    def losses(self, x, space=None, subject=None):
        """Return the terms of the training loss; channels that are flat, as padding is, are not asked for.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        space : not read
        subject : int tensor [b] or None
        """
        tokens, target = self(x, space, subject), self.targets(x)["signal"]
        there = (target != 0).any(dim=-1, keepdim=True)
        squares = functional.mse_loss(tokens.rebuilt["signal"], target, reduction="none") * there
        return {"signal": squares.sum() / (there.sum() * target.shape[-1]).clamp(min=1), "quantizer": tokens.loss}


def _samples(emb_dim: int, n_mixed: int) -> nn.Sequential:
    """Return the transposed convolutions that make 100 samples of each token: [b, emb_dim, n] -> [b, n_mixed, 100 n]."""
    # without an activation in between, as published
    return nn.Sequential(
        nn.ConvTranspose1d(emb_dim, _HIDDEN, 3, padding=1),
        nn.ConvTranspose1d(_HIDDEN, _HIDDEN, 3, padding=1),
        nn.ConvTranspose1d(_HIDDEN, _HIDDEN, 10, stride=10),
        nn.ConvTranspose1d(_HIDDEN, _HIDDEN, 9, padding=4),
        nn.ConvTranspose1d(_HIDDEN, n_mixed, 19, stride=SEGMENT // 10, padding=5, output_padding=1),
    )


def _names() -> dict[str, str]:
    """Return published name -> name here."""
    parts = {
        "vq_block.pre_proj.0": "squeeze.0", "vq_block.pre_proj.2": "squeeze.2", "vq_block.layernorm": "expand.0",
        "vq_block.post_proj.0": "expand.1", "rgs_block.rgs_head.5.0": "mix",
        **{f"rgs_block.rgs_head.{i}.0.1": f"samples.{i}" for i in range(5)},
    }  # fmt: skip
    names = {f"{theirs}.{n}": f"{ours}.{n}" for theirs, ours in parts.items() for n in ("weight", "bias")}
    names |= {
        "vq_block.codex.embeddings": "quantizer.book", "vq_block.codex.initted": "quantizer.started", "vq_block.counts": "quantizer.counts",
        "desubj_block.subj_layer.W.weight": "person.weight", "desubj_block.subj_layer.B.weight": "person.bias",
    }  # fmt: skip
    return backbone_names() | names | blocks_names("decoder.1.xfmr_blocks", "transformer.blocks", 4)


NAMES = _names()

CARDS = (
    WeightCard(
        name="duin_tokenizer_001",
        # The data set's page and the folder that the authors' own command names; the file was never seen here, nor is a hash known.
        url="https://huggingface.co/datasets/liulab-repository/Du-IN/resolve/main/pretrains/duin/001/vqvae/model/checkpoint-399.pth",
        licence="MIT (of the authors' repository; what holds for the data set is unknown)",
        expects=Space("ieeg", (), "uV", 1000),  # 10 contacts of that person, whose names are unknown
        n_times=4000,
        pretrained_on=("duin_001",),
        names=NAMES,
    ),
)
