"""DBConformer has the size of the published network, and its two branches see what they should."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corticode.encoder.dbconformer import DBConformer
from corticode.errors import SentenceError
from corticode.head.mlp import MLP


@pytest.mark.parametrize(
    "n_chans,n_times,sfreq,n_outputs,count", [(22, 1000, 250.0, 2, 93_746), (22, 1001, 250.0, 2, 93_746), (3, 1126, 250.0, 2, 92_266)]
)
def test_number_of_parameters(n_chans, n_times, sfreq, n_outputs, count):
    encoder = DBConformer(n_chans, n_times, sfreq)
    head = MLP(encoder.n_features, n_outputs, encoder.n_tokens, hidden=(64, 32))
    assert encoder.n_parameters + head.n_parameters == count
    # counted from the paper's sizes: stem, channel tokens, places, four blocks, channel attention, classifier
    stem = 40 * n_chans + 80 + 40 * 63 + 80
    block = 2 * 2 * 40 + 4 * (40 * 40 + 40) + (40 * 160 + 160) + (160 * 40 + 40)
    rest = (16 * 25 + 16) + (16 * 40 + 40) + 40 * (n_times // 125 + n_chans) + (40 * 40 + 40) + 40 + (80 * 64 + 64) + (64 * 32 + 32) + 66
    assert count == stem + 4 * block + rest


def test_durations_are_kept_at_other_rates():
    encoder = DBConformer(3, 512, 128.0)
    assert encoder.filters().shape == (40, 33)
    assert encoder.patch_place.shape == (8, 40)


def test_a_channel_s_token_is_made_of_that_channel_and_its_place_alone():
    encoder = DBConformer(4, 256, 128.0, n_layers=0).eval()
    x = torch.randn(2, 4, 256)
    other = x.clone()
    other[:, 2] += 1
    changed = (encoder.channels(x)[0] != encoder.channels(other)[0]).any(dim=2)
    assert changed.tolist() == [[False, False, True, False]] * 2
    assert not torch.equal(encoder.channels(x.expand(2, 4, 256))[0][:, 0], encoder.channels(x)[0][:, 1])


def test_channels_are_weighed():
    encoder = DBConformer(4, 256, 128.0).eval()
    x = torch.randn(2, 4, 256)
    with torch.no_grad():
        tokens, weights = encoder.channels(x)
        assert torch.allclose(weights.sum(dim=1), torch.ones(2))
        assert torch.allclose(encoder(x)[:, 0, 40:], torch.einsum("bc,bcd->bd", weights, tokens), atol=1e-6)
        encoder.channel_score[2].weight.zero_()  # no score, equal weights
        assert torch.allclose(encoder(x)[:, 0, 40:], tokens.mean(dim=1), atol=1e-6)


def test_blocks_divide_by_the_root_of_the_whole_token():
    block = DBConformer(4, 256, 128.0).eval().patch_blocks[0]
    x = torch.randn(2, 5, 40)
    with torch.no_grad():
        query, key, value = (z.view(2, 5, 10, 4).transpose(1, 2) for z in block.attention.query_key_value(x).chunk(3, dim=2))
        mixed = functional.softmax(query @ key.transpose(2, 3) / 40**0.5, dim=-1) @ value
        assert torch.allclose(block.attention(x), block.attention.mix(mixed.transpose(1, 2).reshape(2, 5, 40)), atol=1e-5)


def test_short_windows_are_refused():
    with pytest.raises(SentenceError, match="patch_length"):
        DBConformer(4, 60, 128.0)
