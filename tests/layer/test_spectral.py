"""Functions of matrices: values against SciPy, gradients against finite differences, equal eigenvalues included."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from corticode.errors import BrokenDataError
from corticode.layer import spd, spectral

FUNCTIONS = {
    "log": (spectral.LOG, scipy.linalg.logm),
    "exp": (spectral.EXP, scipy.linalg.expm),
    "sqrt": (spectral.SQRT, scipy.linalg.sqrtm),
    "inverse_sqrt": (spectral.INVERSE_SQRT, lambda C: np.linalg.inv(scipy.linalg.sqrtm(C))),
    "power": (spectral.power(0.3), lambda C: scipy.linalg.fractional_matrix_power(C, 0.3)),
    "rectified": (spectral.rectified(0.9), None),
    "rectified_log": (spectral.rectified_log(0.9), None),
}
EIGENVALUES = {
    "distinct": [0.1, 0.5, 1.0, 2.0, 3.0],
    "repeated": [1.0, 1.0, 1.0, 2.0, 2.0],
    "all one": [1.0] * 5,
    "nearly equal": [1.0, 1 + 1e-12, 1 + 1e-9, 1 + 1e-6, 2.0],
    "far apart": [1e-4, 1e-4, 1.0, 50.0, 50.0],
}


def matrix(values: list[float]) -> torch.Tensor:
    vectors = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    C = (vectors * torch.tensor(values, dtype=torch.float64)) @ vectors.mT
    return (C + C.mT) / 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name):
    function, reference = FUNCTIONS[name]
    C = matrix(EIGENVALUES["distinct"])
    if reference is None:
        values, vectors = np.linalg.eigh(C.numpy())
        raised = np.maximum(values, 0.9)
        wanted = (vectors * (np.log(raised) if "log" in name else raised)) @ vectors.T
    else:
        wanted = reference(C.numpy())
    assert np.allclose(spectral.of(C, function), wanted, atol=1e-12)


@pytest.mark.parametrize("case", EIGENVALUES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_finite_differences(name, case):
    function = FUNCTIONS[name][0]
    start = matrix(EIGENVALUES[case]).requires_grad_()
    # steps far below the smallest eigenvalue, and tolerance for what double precision leaves of them there
    loose = case == "far apart" and name in ("log", "inverse_sqrt", "power", "sqrt")
    step, rtol = (1e-8, 1e-2) if loose else (1e-6, 1e-4)
    assert torch.autograd.gradcheck(lambda C: spectral.of((C + C.mT) / 2, function), start, eps=step, atol=1e-5, rtol=rtol)


def test_functions_of_one_matrix_share_their_gradient():
    C = matrix(EIGENVALUES["repeated"]).requires_grad_()
    weight = torch.randn(2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    together = spectral.of(C, spectral.SQRT, spectral.LOG)
    (got,) = torch.autograd.grad((together[0] * weight[0]).sum() + (together[1] * weight[1]).sum(), C)
    apart = [spectral.of(C, spectral.SQRT), spectral.of(C, spectral.LOG)]
    (wanted,) = torch.autograd.grad((apart[0] * weight[0]).sum() + (apart[1] * weight[1]).sum(), C)
    assert torch.allclose(got, wanted, atol=1e-12)


def test_no_gradient_where_rectified():
    C = matrix([0.1, 0.1, 0.2, 0.3, 0.3]).requires_grad_()
    spectral.of(C, spectral.rectified_log(0.9)).sum().backward()
    assert C.grad.abs().max() == 0


def test_a_matrix_that_is_not_finite_is_an_error():
    C = matrix(EIGENVALUES["distinct"])
    C[0] = C[:, 0] = float("nan")
    with pytest.raises(BrokenDataError, match="not finite"):
        spectral.of(C, spectral.LOG)


@pytest.mark.parametrize("correction", [0, 1])
def test_covariance(correction):
    x = torch.randn(2, 3, 4, 50, generator=torch.Generator().manual_seed(0)) + 5
    C = spectral.covariance(x, correction)
    assert C.dtype == torch.float64 and C.shape == (2, 3, 4, 4)
    assert np.allclose(C[1, 2], np.cov(x[1, 2].numpy(), ddof=correction), atol=1e-5)


def test_upper_and_symmetric_are_those_of_numpy():
    S = matrix(EIGENVALUES["distinct"])
    assert np.allclose(spectral.upper(S), spd.upper(S.numpy()))
    assert torch.allclose(spectral.symmetric(spectral.upper(S)), S)
    assert torch.equal(spectral.upper(S, weighted=False)[:2], S[0, :2])
