"""Vector quantisers: each vector becomes the nearest of a book of codes, and gradients pass as if nothing had happened.

z [..., d] --nearest--> codes [...] --embed--> vectors [..., d]      codes learn by gradient (`Quantizer`), by moving means
                                                                     (`MeanQuantizer`), or by moving directions (`DirectionQuantizer`)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import distributed, nn
from torch.nn import functional

# Similarities are reckoned for so many vectors at a time: 8192 x 8192 codes are 256 MB.
_ROWS = 8192
_KMEANS_STEPS = 10
_SMOOTHING = 1e-5


class Quantized(NamedTuple):
    """What a quantiser gives: vectors z [..., d] to go on with, codes int [...], and the loss that keeps vectors near their codes."""

    z: torch.Tensor
    codes: torch.Tensor
    loss: torch.Tensor


class Quantizer(nn.Module):
    """Vectors become the nearest code by Euclidean distance; codes learn by gradient.

        loss = |sg(z) - code|^2 + beta |z - sg(code)|^2, means over all numbers; sg passes no gradient

    Parameters
    ----------
    n_codes : int
    n_features : int
        d, the length of a code.
    beta : float
        Weight of the commitment: how strongly vectors are drawn to their codes.

    Attributes
    ----------
    book : float tensor [n_codes, d]
        The codes' vectors.

    Source
    ------
    van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937.
    """

    def __init__(self, n_codes: int, n_features: int, beta: float = 1.0):
        super().__init__()
        self.n_codes, self.n_features, self.beta = n_codes, n_features, beta
        self._keep(torch.empty(n_codes, n_features).uniform_(-1 / n_codes, 1 / n_codes))

    def forward(self, z: torch.Tensor) -> Quantized:
        """Quantise, and in training learn.

        Parameters
        ----------
        z : float tensor [..., d]

        Returns
        -------
        Quantized
            Gradients reach z from what comes after as if it had not been quantised. In 32 bits whatever the precision around.
        """
        with torch.autocast(z.device.type, enabled=False):
            z = self.ready(z.float())
            if self.training:
                self._start(z.detach())
            codes = self.nearest(z)
            vectors = self.embed(codes)
            loss = self._loss(z, vectors)
            if self.training:
                self._learn(z.detach().flatten(0, -2), codes.flatten())
            return Quantized(z + (vectors - z).detach(), codes, loss)

    def ready(self, z: torch.Tensor) -> torch.Tensor:
        """Return vectors as they are compared with codes."""
        return z

    def nearest(self, z: torch.Tensor) -> torch.Tensor:
        """Return the nearest code of each vector, int [...], from vectors [..., d] that are `ready`."""
        # half the squared distance without |z|^2, which is the same for all codes
        offset = 0.5 * self.book.square().sum(dim=-1)
        rows = z.detach().flatten(0, -2)
        # a traced graph has no loop whose length is that of a batch
        pieces = [rows] if torch.compiler.is_compiling() else rows.split(_ROWS)
        parts = [(piece @ self.book.mT - offset).argmax(dim=-1) for piece in pieces]
        return torch.cat(parts).view(z.shape[:-1])

    def codes(self, z: torch.Tensor) -> torch.Tensor:
        """Return the code of each vector, int [...], from any vectors [..., d]; nothing learns."""
        with torch.autocast(z.device.type, enabled=False):
            return self.nearest(self.ready(z.float()))

    def embed(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors [..., d] of codes int [...]."""
        return functional.embedding(codes, self.book)

    def _keep(self, book: torch.Tensor) -> None:
        self.book = nn.Parameter(book)

    def _start(self, z: torch.Tensor) -> None:
        """Place the codes before the first step."""

    def _loss(self, z: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(vectors, z.detach()) + self.beta * functional.mse_loss(z, vectors.detach())

    def _learn(self, z: torch.Tensor, codes: torch.Tensor) -> None:
        """Move the codes, from vectors [n, d] and their codes [n]."""


class MeanQuantizer(Quantizer):
    """As `Quantizer`, and each code is a moving mean of the vectors that it stood for.

        n = decay n + (1 - decay) count;  s = decay s + (1 - decay) sum;  code = s / n
        loss = beta |z - sg(code)|^2

    n is smoothed, so that rare codes move slowly. Processes that train together count and sum together.

    Parameters
    ----------
    n_codes, n_features : int
    beta : float
    decay : float

    Attributes
    ----------
    counts, sums : float tensors [n_codes], [n_codes, d]

    Source
    ------
    van den Oord, Vinyals, Kavukcuoglu 2017, appendix A.1.
    """

    def __init__(self, n_codes: int, n_features: int, beta: float = 1.0, decay: float = 0.99):
        super().__init__(n_codes, n_features, beta)
        self.decay = decay
        self.register_buffer("counts", torch.zeros(n_codes))
        self.register_buffer("sums", self.book.clone())

    def _keep(self, book: torch.Tensor) -> None:
        self.register_buffer("book", book)

    def _loss(self, z: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        return self.beta * functional.mse_loss(z, vectors)

    def _learn(self, z: torch.Tensor, codes: torch.Tensor) -> None:
        counts, sums = _tally(z, codes, self.n_codes)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total = self.counts.sum()
        smooth = (self.counts + _SMOOTHING) / (total + self.n_codes * _SMOOTHING) * total
        self.book.copy_(self.sums / smooth[:, None])


class DirectionQuantizer(MeanQuantizer):
    """Vectors and codes have length 1; each code follows the mean direction of the vectors that it stood for.

        code = unit(decay code + (1 - decay) unit(sum)), for codes that stood for any; the others stay
        loss = beta |unit(z) - sg(code)|^2

    Parameters
    ----------
    n_codes, n_features : int
    beta : float
    decay : float
    kmeans : bool
        Place the codes by spherical k-means on the first training batch; else they start in random directions.

    Attributes
    ----------
    counts : float tensor [n_codes]
        Moving mean of how often each code was used in a batch.
    started : bool tensor [1]
        Codes have been placed.

    Source
    ------
    Peng et al. 2022, arXiv:2208.06366 (BEiT v2), as used by LaBraM (Jiang, Zhao, Lu 2024, arXiv:2405.18765) and Du-IN.
    """

    def __init__(self, n_codes: int, n_features: int, beta: float = 1.0, decay: float = 0.99, kmeans: bool = True):
        super().__init__(n_codes, n_features, beta, decay)
        del self.sums  # the book itself moves
        self.kmeans = kmeans
        self.register_buffer("started", torch.tensor([not kmeans]))
        self.book.normal_()
        self.book.copy_(self.ready(self.book))

    def ready(self, z: torch.Tensor) -> torch.Tensor:
        """Return vectors of length 1."""
        return functional.normalize(z, dim=-1)

    @torch.no_grad()
    def _start(self, z: torch.Tensor) -> None:
        if self.started:
            return
        z = _gathered(z.flatten(0, -2))
        n = len(z)
        drawn = torch.randperm(n, device=z.device) if n >= self.n_codes else torch.randint(n, (self.n_codes,), device=z.device)
        self.book.copy_(z[drawn[: self.n_codes]])
        for _ in range(_KMEANS_STEPS):
            self._turn(*_tally(z, self.nearest(z), self.n_codes, together=False), decay=0.0)
        if _several():  # each has drawn its own
            distributed.broadcast(self.book, 0)
        self.started.fill_(True)

    def _learn(self, z: torch.Tensor, codes: torch.Tensor) -> None:
        counts, sums = _tally(z, codes, self.n_codes)
        self.counts.lerp_(counts, 1 - self.decay)
        self._turn(counts, sums, self.decay)

    def _turn(self, counts: torch.Tensor, sums: torch.Tensor, decay: float) -> None:
        towards = torch.where(counts[:, None] > 0, self.ready(sums), self.book)
        self.book.copy_(self.ready(decay * self.book + (1 - decay) * towards))


def usage(codes: torch.Tensor, n_codes: int) -> dict[str, float]:
    """Return how a book is used: 'in_use', the share of codes that occur, and 'perplexity', how many even codes would say as much.

    Parameters
    ----------
    codes : int tensor [...]
    n_codes : int
    """
    counts = torch.bincount(codes.flatten(), minlength=n_codes).double()
    share = counts / counts.sum().clamp(min=1)
    return {"in_use": float((counts > 0).double().mean()), "perplexity": float(torch.special.entr(share).sum().exp())}


def _tally(z: torch.Tensor, codes: torch.Tensor, n_codes: int, together: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many vectors [n, d] each code stood for [n_codes], and their sums [n_codes, d], over all processes."""
    counts = torch.bincount(codes, minlength=n_codes).to(z.dtype)
    sums = z.new_zeros(n_codes, z.shape[-1]).index_add_(0, codes, z)
    if together and _several():
        for tensor in (counts, sums):
            distributed.all_reduce(tensor)
    return counts, sums


def _gathered(z: torch.Tensor) -> torch.Tensor:
    """Return the vectors of all processes, which have equally many."""
    if not _several():
        return z
    parts = [torch.empty_like(z) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, z.contiguous())
    return torch.cat(parts)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
