"""MVCNet has the size of the published network, and answers by the branches it is told to."""

from __future__ import annotations

import pytest
import torch

from corticode.encoder.mvcnet import MVCNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear


def small(**settings) -> MVCNet:
    return MVCNet(3, 101, 50.0, n_filters=4, **settings)


def test_number_of_parameters():
    times, channels, values = 1000, 22, 512
    encoder = MVCNet(channels, 1001, 250.0)  # as published, an odd sample is left out
    head = Linear(encoder.n_features, 2, encoder.n_tokens, pool="flatten")
    stem = channels * 64 + 64 * 63 + 4 * 64
    layer = 4 * times * (times + 1) + (times * 2 * times + 2 * times) + (2 * times * times + times) + 4 * times
    project = channels * times * 4 * values + 4 * values + 2 * 4 * values + 4 * values * values + values
    assert encoder.n_parameters == stem + layer + project == 54_127_928
    assert encoder.n_parameters + head.n_parameters == 54_128_954
    assert encoder.filters().shape == (64, 63)


def test_both_branches_answer_unless_one_is_asked_for():
    x = torch.randn(2, 3, 101)
    both, cnn = small().eval(), small(branches="cnn").eval()
    cnn.load_state(both.state())
    convolved, related = both.both(x)
    assert convolved.shape == related.shape == (2, both.n_tokens, 4) == (2, 4, 4)
    head = Linear(4, 3, 4, pool="flatten")
    assert torch.allclose(head(both(x)), (head(convolved) + head(related)) / 2, atol=1e-6)
    assert torch.equal(cnn(x), convolved)


def test_the_layer_over_channels_is_a_transformer_layer():
    encoder = small().eval()
    ours, wanted = encoder.relate, torch.nn.TransformerEncoderLayer(100, 2, 200, dropout=0.1, batch_first=True).eval()
    parts = {
        "self_attn.in_proj_": ours.attention.query_key_value, "self_attn.out_proj.": ours.attention.mix, "linear1.": ours.widen,
        "linear2.": ours.narrow, "norm1.": ours.attention_norm, "norm2.": ours.feedforward_norm,
    }  # fmt: skip
    torch.nn.init.normal_(ours.attention_norm.weight)
    wanted.load_state_dict({f"{name}{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")})
    x = torch.randn(2, 3, 100)
    with torch.no_grad():
        assert torch.allclose(ours(x), wanted(x), atol=1e-5)
    assert MVCNet(3, 50, 100.0).relate.widen.out_features == 128


def test_an_odd_sample_is_heard_by_the_convolutions_alone():
    encoder = small(patch_length=20).eval()
    x = torch.randn(1, 3, 101)
    other = x.clone()
    other[..., 100] += 5
    convolved, related = encoder.both(x)
    assert torch.equal(encoder.both(other)[1], related)
    assert not torch.equal(encoder.both(other)[0], convolved)


def test_what_cannot_be_is_refused():
    with pytest.raises(SentenceError, match="longer windows"):
        MVCNet(3, 20, 50.0)
    with pytest.raises(SentenceError, match="both or cnn"):
        small(branches="transformer")
