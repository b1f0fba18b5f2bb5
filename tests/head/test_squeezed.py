"""The head that squeezes each token before it flattens them."""

from __future__ import annotations

import torch

from corticode.head.squeezed import Squeezed

TOKENS = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))


def test_it_is_two_linear_layers():
    head = Squeezed(8, 2, 3, hidden=4, hidden_max_norm=None, max_norm=None).eval()
    assert torch.allclose(head(TOKENS), head.layer(head.squeeze(TOKENS).reshape(5, 12)))


def test_sizes_are_the_paper_s():
    """2048 -> 16 of each of 16 tokens -> classes."""
    head = Squeezed(2048, 4, 16)
    assert head.n_parameters == 2048 * 16 + 16 + 256 * 4 + 4


def test_no_output_has_longer_weights_than_allowed():
    head = Squeezed(8, 2, 3, hidden=4).eval()
    with torch.no_grad():
        head.squeeze.weight.mul_(100), head.layer.weight.mul_(100)
        squeezed = TOKENS @ (head.squeeze.weight / head.squeeze.weight.norm(dim=1, keepdim=True)).T + head.squeeze.bias
        wanted = squeezed.reshape(5, 12) @ (0.25 * head.layer.weight / head.layer.weight.norm(dim=1, keepdim=True)).T + head.layer.bias
        assert torch.allclose(head(TOKENS), wanted, atol=1e-4)


def test_dropout_is_for_training():
    head = Squeezed(8, 2, 3)
    assert not torch.equal(head.train()(TOKENS), head.eval()(TOKENS))
    assert torch.equal(head(TOKENS), head(TOKENS))
