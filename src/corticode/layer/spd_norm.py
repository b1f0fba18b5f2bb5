"""Batch normalisation of SPD matrices inside a network: means on the manifold, and matrices centred at them."""

from __future__ import annotations

import torch
from torch import nn

from corticode.layer import spectral


def means(C: torch.Tensor, group: torch.Tensor, n_groups: int) -> torch.Tensor:
    """Return the Riemannian mean of each group of matrices, to one step of Karcher's flow from the arithmetic mean.

    Gradients go through the step; the arithmetic mean is taken as given.

    Parameters
    ----------
    C : float tensor [b, c, c]
    group : int tensor [b]
        0 to n_groups - 1.
    n_groups : int

    Returns
    -------
    M : float tensor [n_groups, c, c]
    """
    start = averages(C.detach(), group, n_groups)
    root, inverse = spectral.of(start, spectral.SQRT, spectral.INVERSE_SQRT)
    tangent = averages(spectral.of(congruence(C, inverse[group]), spectral.LOG), group, n_groups)
    return congruence(spectral.of(tangent, spectral.EXP), root)


def averages(values: torch.Tensor, group: torch.Tensor, n_groups: int) -> torch.Tensor:
    """Return the arithmetic mean of each group: values [b, ...] -> [n_groups, ...]."""
    if n_groups == 1:
        return values.mean(dim=0, keepdim=True)
    sums = values.new_zeros(n_groups, *values.shape[1:]).index_add(0, group, values)
    counts = torch.bincount(group, minlength=n_groups).to(values.dtype)
    return sums / counts.view(-1, *[1] * (values.ndim - 1))


def geodesic(A: torch.Tensor, B: torch.Tensor, t: float) -> torch.Tensor:
    """Return the matrix at t on the shortest curve from A (0) to B (1), [..., c, c]."""
    if t == 1:
        return B
    root, inverse = spectral.of(A, spectral.SQRT, spectral.INVERSE_SQRT)
    return congruence(spectral.of(congruence(B, inverse), spectral.power(t)), root)


def congruence(C: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    """Return W C W for symmetric W; made symmetric again, since products round."""
    product = W @ C @ W
    return (product + product.mT) / 2


class SPDCentre(nn.Module):
    """Move matrices so that their batch's mean comes to lie at a learned place (Riemannian batch normalisation).

        C -> G^1/2 M^-1/2 C M^-1/2 G^1/2

    M is the batch's mean while training, else its running mean. G starts as the identity; its logarithm is what is trained,
    as one vector, so that G stays positive definite and is not decayed.

    Parameters
    ----------
    n : int
        Channels.
    momentum : float
        How far each batch moves the running mean along the geodesic.

    Source
    ------
    Brooks et al. 2019, NeurIPS. No gradient goes through the batch's mean, as there.
    """

    def __init__(self, n: int, momentum: float = 0.1):
        super().__init__()
        self.n, self.momentum = n, momentum
        self.register_buffer("running_mean", torch.eye(n, dtype=torch.float64))
        self.log_place = nn.Parameter(torch.zeros(n * (n + 1) // 2))

    def forward(self, C: torch.Tensor) -> torch.Tensor:
        """Return C [b, n, n], moved."""
        mean = self.running_mean
        if self.training:
            with torch.no_grad():
                mean = means(C, torch.zeros(len(C), dtype=torch.long, device=C.device), 1)[0]
                self.running_mean.copy_(geodesic(self.running_mean, mean, self.momentum))
        whitener = spectral.of(mean, spectral.INVERSE_SQRT)
        # the square root of exp(S) is exp(S / 2)
        place = spectral.of(spectral.symmetric(self.log_place.double()) / 2, spectral.EXP)
        return congruence(congruence(C, whitener), place)
