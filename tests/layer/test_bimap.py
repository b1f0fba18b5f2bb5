"""BiMap stays on the Stiefel manifold whatever an optimiser does, and its gradient is right."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from corticode.errors import SentenceError
from corticode.layer.bimap import BiMap


def built(*sizes, **settings) -> BiMap:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BiMap(*sizes, **settings).double()


def matrices(*shape: int) -> torch.Tensor:
    A = torch.randn(*shape[:-1], 3 * shape[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return A @ A.mT / A.shape[-1]


def is_orthonormal(weight: torch.Tensor) -> bool:
    return torch.allclose(weight.mT @ weight, torch.eye(weight.shape[-1], dtype=weight.dtype), atol=1e-10)


@pytest.mark.parametrize("n_in,n_out,n_maps", [(6, 3, None), (5, 5, None), (6, 3, 4), (3, 5, 2), (1, 1, None)])
def test_it_stays_orthonormal(n_in, n_out, n_maps):
    bimap = built(n_in, n_out, n_maps)
    assert is_orthonormal(bimap.weight)
    before = bimap.weight.detach().clone()
    torch.nn.init.normal_(bimap.angles, std=3.0)
    assert is_orthonormal(bimap.weight)
    assert n_in == n_out == 1 or not torch.allclose(bimap.weight, before, atol=0.1)


def test_as_many_numbers_as_degrees_of_freedom():
    assert built(40, 20).angles.shape == (40 * 20 - 20 * 21 // 2,)
    assert built(22, 36, 18).angles.shape == (18 * 36 * 35 // 2,)


def test_it_is_a_congruence():
    bimap, C = built(6, 3), matrices(4, 6, 6)
    assert torch.allclose(bimap(C), bimap.weight.mT @ C @ bimap.weight)
    several, C = built(6, 3, 2), matrices(4, 2, 6, 6)
    for k in range(2):
        assert torch.allclose(several(C)[:, k], several.weight[k].mT @ C[:, k] @ several.weight[k])


def test_a_larger_output_is_padded_with_the_identity():
    bimap, C = built(3, 5), matrices(2, 3, 3)
    padded = torch.eye(5, dtype=torch.float64).repeat(2, 1, 1)
    padded[:, :3, :3] = C
    assert torch.allclose(bimap(C), bimap.weight.mT @ padded @ bimap.weight)


@pytest.mark.parametrize("n_in,n_out", [(5, 2), (3, 3), (2, 4)])
def test_gradients_equal_finite_differences(n_in, n_out):
    bimap, C = built(n_in, n_out), matrices(2, n_in, n_in).requires_grad_()
    torch.nn.init.normal_(bimap.angles)

    def act(angles, C):
        return torch.func.functional_call(bimap, {"angles": angles}, (C,))

    assert torch.autograd.gradcheck(act, (bimap.angles.detach().clone().requires_grad_(), C))


@pytest.mark.parametrize("stiefel", [True, False])
def test_a_weight_can_be_set(stiefel):
    bimap, other = built(6, 3, 2, stiefel=stiefel), built(6, 3, 2)
    torch.nn.init.normal_(other.angles)
    wanted = other.weight.detach()
    bimap.set_weight(wanted)
    assert torch.allclose(bimap.weight, wanted, atol=1e-12)


def test_a_weight_that_is_not_orthonormal_is_refused():
    with pytest.raises(SentenceError, match="orthonormal"):
        built(4, 2).set_weight(torch.ones(4, 2))
    built(4, 2, stiefel=False).set_weight(torch.ones(4, 2))


def test_an_optimiser_finds_the_largest_eigenvectors():
    """The trace of W' C W is largest for the span of the leading eigenvectors: a known answer on the manifold."""
    bimap, C = built(6, 2), matrices(6, 6)
    optimiser = torch.optim.Adam(bimap.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -bimap(C).trace()
        loss.backward()
        optimiser.step()
    assert torch.isclose(-loss.detach(), torch.linalg.eigvalsh(C)[-2:].sum(), rtol=1e-4)


def test_copies_and_pickles_are_twins():
    bimap, C = built(6, 3), matrices(4, 6, 6)
    torch.nn.init.normal_(bimap.angles)
    for twin in (copy.deepcopy(bimap), pickle.loads(pickle.dumps(bimap))):
        assert torch.equal(twin(C), bimap(C))


def test_weight_decay_leaves_it_alone():
    from corticode.train.optimizer import optimizer_of
    from corticode.train.settings import Training

    groups = optimizer_of([built(6, 3, 2)], Training(weight_decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.0]
