"""Each token has a layer of its own, and the answer is the mean of their answers."""

from __future__ import annotations

import torch

from corticode.head.averaged import Averaged


def tokens() -> torch.Tensor:
    return torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(0))


def test_it_is_the_mean_of_linear_layers():
    head = Averaged(3, 4, n_tokens=5).eval()
    with torch.no_grad():
        head.bias.normal_()
    each = [tokens()[:, i] @ head.weight[i].T + head.bias[i] for i in range(5)]
    assert torch.allclose(head(tokens()), torch.stack(each).mean(dim=0), atol=1e-6)
    assert head.n_parameters == 5 * (3 * 4 + 4)


def test_max_norm_holds_for_each_layer_s_each_output():
    head, free = Averaged(3, 4, n_tokens=5, max_norm=0.25).eval(), Averaged(3, 4, n_tokens=5).eval()
    with torch.no_grad():
        head.weight.mul_(torch.linspace(0.05, 2, 20).view(5, 4, 1))
        norm = head.weight.norm(dim=2, keepdim=True)
        assert (norm > 0.25).any() and (norm < 0.25).any()
        free.weight.copy_(head.weight * (0.25 / norm).clamp(max=1))
    assert torch.allclose(head(tokens()), free(tokens()), atol=1e-6)
