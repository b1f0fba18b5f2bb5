"""BiMap: orthonormal filters on both sides of a covariance, W' C W, that stay orthonormal while they learn."""

from __future__ import annotations

import torch
from torch import nn

from corticode.errors import SentenceError


class BiMap(nn.Module):
    """C -> W' C W in float64, with W' W = 1 (a point of the Stiefel manifold).

    W is parametrised by Cayley's transform of a skew matrix A around where it began:

        W = base (1 + A / 2)^-1 (1 - A / 2) [first n_out columns],   A = 0 at the start

    so that any optimiser moves on the manifold, without projections. The trained numbers are the free entries of A, exactly
    as many as W has degrees of freedom, in one single vector: which also keeps weight decay away from them.

    Parameters
    ----------
    n_in, n_out : int
        Where n_out is larger, C is first padded to n_out by the identity.
    n_maps : int or None
        One W each for matrices that stand beside each other [..., n_maps, n_in, n_in]; None: one for all.
    stiefel : bool
        False trains W itself, which then only starts orthonormal.

    Attributes
    ----------
    weight : float64 tensor [n_out or n_in, n_out], with n_maps in front where there are several

    Source
    ------
    Huang and Van Gool 2017, AAAI. Parametrisation: Lezcano-Casado and Martinez-Rubio 2019, ICML.
    """

    def __init__(self, n_in: int, n_out: int, n_maps: int | None = None, stiefel: bool = True):
        super().__init__()
        self.n_in, self.n_out, self.n_maps, self.stiefel = n_in, n_out, n_maps, stiefel
        self.n_rows = max(n_in, n_out)
        lead = () if n_maps is None else (n_maps,)
        start = torch.linalg.qr(torch.randn(*lead, self.n_rows, n_out, dtype=torch.float64))[0]
        if not stiefel:
            self.free_weight = nn.Parameter(start.float())
            return
        rows, columns = torch.tril_indices(self.n_rows, n_out, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("base", _completed(start))
        self.angles = nn.Parameter(torch.zeros((n_maps or 1) * len(rows)))

    @property
    def weight(self) -> torch.Tensor:
        """W as it stands."""
        if not self.stiefel:
            return self.free_weight.double()
        A = self.base.new_zeros(self.base.shape)
        A[..., self.rows, self.columns] = self.angles.double().view(*self.base.shape[:-2], -1)
        half = (A - A.mT) / 2
        one = torch.eye(self.n_rows, dtype=A.dtype, device=A.device)
        return self.base @ torch.linalg.solve(one + half, (one - half)[..., : self.n_out])

    @torch.no_grad()
    def set_weight(self, weight: torch.Tensor) -> None:
        """Begin anew from another W, the shape of `weight`.

        Raises
        ------
        SentenceError
            It is not orthonormal, and has to be.
        """
        weight = weight.double()
        if not self.stiefel:
            self.free_weight.copy_(weight)
            return
        one = torch.eye(self.n_out, dtype=weight.dtype)
        if (weight.mT @ weight - one).abs().max() > 1e-5:
            raise SentenceError(
                "the columns of a BiMap's weight must be orthonormal: hand over such a weight, or build it with stiefel=False"
            )
        self.base.copy_(_completed(weight))
        self.angles.zero_()

    def forward(self, C: torch.Tensor) -> torch.Tensor:
        """Return W' C W, float64 [..., n_out, n_out], of C [..., n_in, n_in]."""
        weight, C = self.weight, C.double()
        kept = weight[..., : self.n_in, :]
        mapped = kept.mT @ C @ kept
        if self.n_rows > self.n_in:  # the identity that C is padded with
            added = weight[..., self.n_in :, :]
            mapped = mapped + added.mT @ added
        return mapped


def _completed(weight: torch.Tensor) -> torch.Tensor:
    """Return square orthogonal matrices [..., n, n] that begin with the columns of weight [..., n, k]."""
    full = torch.linalg.qr(weight, mode="complete")[0]
    return torch.cat([weight, full[..., weight.shape[-1] :]], dim=-1)
