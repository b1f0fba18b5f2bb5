"""Means inside a network equal the Riemannian mean, and normalised batches lie around the identity."""

from __future__ import annotations

import numpy as np
import torch

from corticode.layer import spd, spectral
from corticode.layer.spd_norm import SPDCentre, averages, congruence, geodesic, means


def matrices(n: int = 30, c: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(c, c, dtype=torch.float64, generator=generator)
    x = mixing @ torch.randn(n, c, 100, dtype=torch.float64, generator=generator)
    return x @ x.mT / 100


def test_one_step_from_the_arithmetic_mean_is_near_the_riemannian_mean():
    C = matrices()
    (got,) = means(C, torch.zeros(30, dtype=torch.long), 1)
    wanted = spd.mean_riemann(C.numpy())
    assert spd.distance(got.numpy(), wanted) < 0.02 < spd.distance(C.mean(dim=0).numpy(), wanted)


def test_groups_do_not_see_each_other():
    first, second = matrices(20, seed=1), matrices(10, seed=2)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    C, group = torch.cat([first, second])[order], torch.tensor([0] * 20 + [1] * 10)[order]
    got = means(C, group, 2)
    for k, mine in enumerate((first, second)):
        assert torch.allclose(got[k], means(mine, torch.zeros(len(mine), dtype=torch.long), 1)[0])
        assert torch.allclose(averages(C, group, 2)[k], mine.mean(dim=0))


def test_means_pass_gradients_through():
    C = matrices(4, 3).requires_grad_()
    group = torch.tensor([0, 0, 1, 1])
    start = averages(C.detach(), group, 2)

    def step(C):  # the arithmetic mean is taken as given
        root, inverse = spectral.of(start, spectral.SQRT, spectral.INVERSE_SQRT)
        tangent = averages(spectral.of(congruence((C + C.mT) / 2, inverse[group]), spectral.LOG), group, 2)
        return congruence(spectral.of(tangent, spectral.EXP), root)

    assert torch.autograd.gradcheck(step, C)
    (wanted,) = torch.autograd.grad(step(C).square().sum(), C)
    (got,) = torch.autograd.grad(means(C, group, 2).square().sum(), C)
    assert torch.allclose(got, wanted)


def test_geodesic():
    A, B = matrices(2, seed=3)
    for t in (0.0, 0.3, 1.0):
        assert np.allclose(geodesic(A, B, t), spd.geodesic(A.numpy(), B.numpy(), t))


class TestCentre:
    def test_a_batch_comes_to_lie_at_the_learned_place(self):
        layer = SPDCentre(4)
        place = matrices(1, seed=5)[0]
        with torch.no_grad():
            layer.log_place.copy_(spectral.upper(spectral.of(place, spectral.LOG)))
        moved = layer(matrices()).detach().numpy()
        assert spd.distance(spd.mean_riemann(moved), place.numpy()) < 0.02

    def test_the_running_mean_comes_to_the_mean(self):
        layer, C = SPDCentre(4, momentum=0.3), matrices()
        for _ in range(40):
            layer(C)
        layer.eval()
        assert spd.distance(layer.running_mean.numpy(), spd.mean_riemann(C.numpy())) < 0.02
        before = layer.running_mean.clone()
        one = layer(C[:1])
        assert torch.allclose(layer(C)[:1], one) and torch.equal(layer.running_mean, before)

    def test_the_place_learns_by_its_gradient(self):
        layer, C = SPDCentre(3).double().eval(), matrices(2, 3)

        def act(log_place, C):
            return torch.func.functional_call(layer, {"log_place": log_place}, ((C + C.mT) / 2,))

        start = 0.3 * torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        for place in (start, torch.zeros(6, dtype=torch.float64)):  # and where all eigenvalues are equal
            assert torch.autograd.gradcheck(act, (place.requires_grad_(), C.requires_grad_()))
