"""TFM-Tokenizer in front of another encoder: each word is a patch, and all but the tokenizer learns."""

from __future__ import annotations

import pytest
import torch

from corticode.encoder.tfm_front import TFMFront
from corticode.errors import SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("C3", "C4"), "uV", 200.0)
NETS = [
    ("corticode.encoder.labram.LaBraM", {"n_layers": 1}, 200),
    ("corticode.encoder.biot.BIOT", {"n_layers": 1}, 100),
    ("corticode.encoder.eegnet.EEGNet", {}, 64),
]


def front(net: str, settings: dict, width: int, **arguments) -> TFMFront:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TFMFront(2, 600, 200.0, SPACE, net, settings, n_codes=64, width=width, **arguments).eval()


def windows() -> torch.Tensor:
    return 20 * torch.randn(3, 2, 600, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("net", NETS, ids=lambda net: net[0].rpartition(".")[2])
def test_another_encoder_reads_words(net):
    encoder, x = front(*net), windows()
    tokens = encoder(x)
    assert tokens.shape == (3, encoder.n_tokens, encoder.n_features) and tokens.isfinite().all()
    assert torch.allclose(encoder(1e3 * x), tokens, atol=1e-5), "words do not know the gain"
    tokens.square().mean().backward()
    assert all(p.grad is None for p in encoder.tokenizer.parameters()) and encoder.spread.weight.grad.abs().sum() > 0


def test_a_word_is_a_patch():
    encoder, x = front(*NETS[0]), windows()
    signal = encoder.signal(x).view(3, 2, 5, 200)
    words = encoder.tokenizer.tokenize(x).view(3, 2, 5)
    same = words.flatten()[:, None] == words.flatten()
    assert torch.equal((signal.flatten(0, 2)[:, None] - signal.flatten(0, 2)).abs().amax(dim=-1) < 1e-4, same)
    assert 10 < signal.std() < 40 and len(words.unique()) > 1
    assert encoder.n_tokens == 2 * 5, "LaBraM has a token per channel and word"


def test_the_tokenizer_never_trains():
    encoder = front(*NETS[0]).train()
    assert not encoder.tokenizer.training and encoder.network.training


def test_arguments_make_a_twin():
    encoder, x = front(*NETS[0]), windows()
    twin = TFMFront(**encoder.arguments()).load_state(encoder.state()).eval()
    assert torch.equal(twin(x), encoder(x))


def test_what_the_other_encoder_refuses_is_refused():
    with pytest.raises(SentenceError, match="no argument 'n_layrs'"):
        front("corticode.encoder.labram.LaBraM", {"n_layrs": 1}, 200)
    with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=200"):
        TFMFront(2, 600, 128.0, SPACE)
