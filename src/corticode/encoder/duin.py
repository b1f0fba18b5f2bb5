"""Du-IN: all contacts of a person become one token per 100 samples, related by a transformer; for speech from sEEG."""

from __future__ import annotations

import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder, domain_codes
from corticode.errors import SentenceError
from corticode.layer.stateful import StatefulModule
from corticode.space import Space
from corticode.tokenizer import duin as tokenizer
from corticode.tokenizer.duin_backbone import Backbone, backbone_names
from corticode.weights import WeightCard


class DuIN(NeuralEncoder):
    """Encoder of Du-IN (Zheng et al. 2024), for intracranial recordings of one person, or of several.

        x -> person's layer over channels -> convolutions inside segments of 100 samples -> + position -> post-norm transformer

    Input: windows of one segment or more; the paper took 10 bipolar contacts near the speech areas, chosen for each person, 3 s at
    1000 Hz (another rate makes segments of another duration). Samples after the last whole segment are not read.
    Representation: one token per segment; the paper's classifier of 61 words is `head.mlp.MLP(hidden=(128,), drop_prob=0,
    activation="relu")`. Parameters: 3,560,416 at 10 channels and 1 person, and 622,397 in that head at 3 s.
    Trained on: nothing, or words predicted by `MaskedDuIN`; the authors' weights are those of single people (`CARDS`).

    Departures from the paper: `standardise`, since how its data were scaled is unknown (recalled: z-scores). Its classifier's
    answers pass a sigmoid before the softmax of the loss; here they do not. Windows of several people whose person is not
    known are read by the mean of all persons' layers.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_persons : int
        Persons with a first layer of their own. In training, fit rows of more people than that are refused.
    n_mixed : int
        Channels behind the persons' layers.
    emb_dim : int
        Length of a token, a multiple of 10.
    depth : int
        Layers of the transformer.
    n_heads : int
        Of 64 numbers each.
    drop_prob : float
        Of attention weights and hidden layers.
    standardise : bool
        Bring each channel of a window to mean 0 and deviation 1; False where they come so.

    Raises
    ------
    SentenceError
        Windows are shorter than a segment.

    Source
    ------
    Zheng et al. 2024, NeurIPS (arXiv:2405.11459); github.com/liulab-repository/Du-IN at c2e289c. Equal to it to 1e-5 with equal
    weights (tests/encoder/test_duin.py).
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
        n_heads: int = 8,
        drop_prob: float = 0.2,
        standardise: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_persons, self.n_mixed, self.emb_dim, self.depth, self.n_heads = n_persons, n_mixed, emb_dim, depth, n_heads
        self.drop_prob, self.standardise = drop_prob, standardise
        self.backbone = Backbone(self.n_chans, self.n_times, n_persons, n_mixed, emb_dim, depth, n_heads, drop_prob, standardise)
        self.n_features, self.n_tokens = emb_dim, self.backbone.n_tokens

    @property
    def blocks(self) -> nn.Sequential:
        """The transformer's layers, for adapters."""
        return self.backbone.transformer.blocks

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, emb_dim].

        Parameters
        ----------
        x : float tensor [b, channels, times]
        space : not read
        subject : int tensor [b] or None
            Number of each row's person; None: the mean of all persons' layers.
        """
        return self.backbone(x, subject)

    def embed(self, x: torch.Tensor, subject: torch.Tensor | None = None) -> torch.Tensor:
        """Return the tokens [b, n_tokens, emb_dim] before position and transformer, which is where masks act."""
        return self.backbone.tokens(self.backbone.signal(x), subject)

    def domains(self, meta):
        """Return the number of each fit row's person, int [n]; None for a network of one person.

        Raises
        ------
        SentenceError
            There are more people than layers.
        """
        if self.n_persons == 1:
            return None
        persons = domain_codes(meta, "subject")
        if len(persons) and persons.max() >= self.n_persons:
            raise SentenceError(
                f"Du-IN was built for n_persons={self.n_persons} and the fit rows are of {persons.max() + 1} people: "
                f"set model.encoder.n_persons={persons.max() + 1}, or 1 for one layer that all share"
            )
        return persons

    def cam_layer(self):
        """Return the last block: [b, emb_dim, 1, n_tokens]."""
        return self.blocks[-1], lambda z: z.transpose(1, 2)[:, :, None]


class MaskedDuIN(StatefulModule):
    """An encoder in masked pretraining: from the segments that are left it guesses the code of each hidden one.

    A hidden segment's token is replaced before its position is added. The paper hides half of a window, then the other half,
    and asks for every token where it was hidden (`symmetric`).

    Parameters
    ----------
    encoder : DuIN
        Learns.
    n_codes : int
        Of the tokenizer, which does not learn any more.
    """

    def __init__(self, encoder: DuIN, n_codes: int = 2048):
        super().__init__()
        self.encoder, self.n_codes = encoder, n_codes
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(encoder.n_features), std=0.02))
        self.predict = nn.Linear(encoder.n_features, n_codes)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, subject: torch.Tensor | None = None) -> torch.Tensor:
        """Return a guess for each hidden token.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        mask : bool tensor [b, n_tokens]
            True where a token is hidden.
        subject : int tensor [b] or None

        Returns
        -------
        logits : float tensor [hidden tokens, n_codes]
            In the order of codes[mask].
        """
        return self._guess(self.encoder.embed(x, subject), mask)

    def symmetric(self, x: torch.Tensor, mask: torch.Tensor, subject: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return guesses for what the mask hides and, from what it hides, for the rest: those of codes[mask] and of codes[~mask]."""
        tokens = self.encoder.embed(x, subject)  # the same for both
        logits = self._guess(torch.cat([tokens, tokens]), torch.cat([mask, ~mask]))
        hidden = int(mask.sum())
        return logits[:hidden], logits[hidden:]

    def _guess(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        tokens = torch.where(mask[..., None], self.mask_token.to(tokens.dtype), tokens)
        z = self.encoder.backbone.transformer(tokens, self.encoder.backbone.position)
        return self.predict(z[mask])


# published name -> name here: in the file of masked pretraining, and in that of a classifier
_PREDICT = {f"cls_block.cls_head.0.0.{n}": f"predict.{n}" for n in ("weight", "bias")}
NAMES = backbone_names() | dict.fromkeys(("mask_emb", *_PREDICT), "")
MASKED = {name: f"encoder.{ours}" for name, ours in backbone_names().items()} | _PREDICT | {"mask_emb": "mask_token"}
_HEAD = {f"cls_block.cls_head.{theirs}.0.{n}": f"layers.{ours}.{n}" for theirs, ours in ((1, 0), (2, 3)) for n in ("weight", "bias")}
# what a classifier's file has and does not use
_UNUSED = (
    *(name for name in tokenizer.NAMES if name.startswith("vq_block.")),
    *("contra_block.t", *(f"contra_block.proj_{side}.0.{n}" for side in "zy" for n in ("weight", "bias"))),
)
CLASSIFIER = backbone_names() | dict.fromkeys((*_HEAD, *_UNUSED), "")
# of the same file, in `head.mlp.MLP(hidden=(128,), drop_prob=0, activation="relu")`
HEAD = dict.fromkeys(CLASSIFIER, "") | _HEAD

_FACTS = {
    # The data set's page and the folder that the authors' own command names; the file was never seen here, nor is a hash known.
    "url": "https://huggingface.co/datasets/liulab-repository/Du-IN/resolve/main/pretrains/duin/001/mae/model/checkpoint-399.pth",
    "licence": "MIT (of the authors' repository; what holds for the data set is unknown)",
    "expects": Space("ieeg", (), "uV", 1000),  # 10 contacts of that person, whose names are unknown
    "n_times": 4000,
    "pretrained_on": ("duin_001",),
}
CARDS = (
    WeightCard(name="duin_001", names=NAMES, **_FACTS),
    WeightCard(name="duin_001_masked", names=MASKED, **_FACTS),
)
