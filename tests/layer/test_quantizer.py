"""Vectors become their nearest code, gradients pass, and codes learn by the rule that they are named after."""

from __future__ import annotations

import pytest
import torch

from corticode.layer.quantizer import DirectionQuantizer, MeanQuantizer, Quantizer, usage

KINDS = (Quantizer, MeanQuantizer, DirectionQuantizer)


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(z: torch.Tensor) -> torch.Tensor:
    return z / z.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_code_is_taken_and_gradients_pass(kind):
    quantizer = kind(50, 6).eval()
    quantizer.book.data.copy_(vectors(50, 6, seed=1))
    z = vectors(2, 3, 6).requires_grad_()
    got = quantizer(z)
    ready = quantizer.ready(z)
    assert torch.equal(got.codes, torch.cdist(ready, quantizer.book).argmin(dim=-1)) and got.codes.shape == (2, 3)
    assert torch.allclose(got.z, quantizer.book[got.codes], atol=1e-6)
    wanted = torch.autograd.grad((ready * vectors(2, 3, 6, seed=2)).sum(), z)[0]
    assert torch.allclose(torch.autograd.grad((got.z * vectors(2, 3, 6, seed=2)).sum(), z, retain_graph=True)[0], wanted, atol=1e-6)
    assert torch.autograd.grad(got.loss, z)[0].abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_book_of_many_vectors_is_searched_in_parts(kind, monkeypatch):
    quantizer, z = kind(7, 4).eval(), vectors(11, 4)
    whole = quantizer(z).codes
    monkeypatch.setattr("corticode.layer.quantizer._ROWS", 3)
    assert torch.equal(quantizer(z).codes, whole)


def test_codes_learn_by_gradient():
    quantizer, z = Quantizer(9, 4, beta=0.25), vectors(20, 4)
    got = quantizer(z)
    error = (z - quantizer.book[got.codes]).square().mean()
    assert torch.allclose(got.loss, 1.25 * error)
    got.loss.backward()
    moved = quantizer.book.grad.abs().sum(dim=-1) > 0
    assert torch.equal(moved, torch.bincount(got.codes, minlength=9) > 0)


def test_codes_become_the_mean_of_what_they_stand_for():
    quantizer, z = MeanQuantizer(2, 3, decay=0.9), vectors(40, 3) + torch.tensor([5.0, 0, 0]) * (-1) ** torch.arange(40)[:, None]
    quantizer.book.copy_(torch.tensor([[4.0, 0, 0], [-4.0, 0, 0]]))
    quantizer.sums.copy_(quantizer.book)
    for _ in range(200):
        quantizer(z)
    assert torch.allclose(quantizer.book, torch.stack([z[::2].mean(dim=0), z[1::2].mean(dim=0)]), atol=1e-3)
    assert torch.allclose(quantizer.counts, torch.tensor([20.0, 20.0]), atol=1e-3)
    assert not list(quantizer.parameters())


def test_directions_turn_by_the_published_rule():
    """A code goes a hundredth of the way to the direction of its vectors' sum, and codes that nobody took stay."""
    quantizer, z = DirectionQuantizer(30, 5, kmeans=False), vectors(12, 5)
    before = quantizer.book.clone()
    codes = quantizer(z).codes
    for code in range(30):
        wanted = before[code]
        if (codes == code).any():
            wanted = unit(0.99 * wanted + 0.01 * unit(unit(z[codes == code]).mean(dim=0)))
        assert torch.allclose(quantizer.book[code], wanted, atol=1e-6)
    assert torch.allclose(quantizer.counts, 0.01 * torch.bincount(codes, minlength=30))


def test_the_first_batch_places_the_codes():
    centres = unit(vectors(4, 16, seed=3))
    z = centres.repeat(25, 1) + 0.02 * vectors(100, 16)
    quantizer = DirectionQuantizer(8, 16)
    assert not quantizer.started
    before = 1 - (unit(z) @ quantizer.book.T).amax(dim=-1).mean()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        quantizer(z)
    after = 1 - (unit(z) @ quantizer.book.T).amax(dim=-1).mean()
    assert quantizer.started and after < 0.01 < before
    placed = quantizer.book.clone()
    quantizer.eval()(vectors(100, 16, seed=4))
    assert torch.equal(quantizer.book, placed), "in evaluation nothing moves"


def test_fewer_vectors_than_codes_are_enough_to_start():
    quantizer = DirectionQuantizer(64, 4)
    quantizer(vectors(5, 4))
    assert quantizer.book.isfinite().all() and torch.allclose(quantizer.book.norm(dim=-1), torch.ones(64), atol=1e-5)


def test_autocast_does_not_blur_the_search():
    quantizer, z = DirectionQuantizer(500, 8).eval(), vectors(40, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quantizer(z).codes, quantizer(z.double()).codes)
        assert quantizer(z.bfloat16()).z.dtype == torch.float32


def test_usage():
    assert usage(torch.arange(8).view(2, 4), 16) == {"in_use": 0.5, "perplexity": pytest.approx(8.0)}
    assert usage(torch.zeros(10, dtype=torch.long), 16) == {"in_use": 1 / 16, "perplexity": pytest.approx(1.0)}
