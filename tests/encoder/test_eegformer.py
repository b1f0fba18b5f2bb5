"""EEGFormer-style: what it reads, what it cannot see, and that channels are treated alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.encoder.eegformer import EEGFormer
from corticode.errors import SentenceError
from corticode.head.linear import Linear

SFREQ = 128.0


def noise(n=6, n_chans=4, n_times=384, seed=0):
    return torch.randn(n, n_chans, n_times, generator=torch.Generator().manual_seed(seed)) * 10


def tone(freq_hz, n_times=384):
    return torch.sin(2 * np.pi * freq_hz * torch.arange(n_times) / SFREQ)


@pytest.fixture
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EEGFormer(4, 384, SFREQ)
    network(noise(seed=9))
    return network.eval()


def test_number_of_parameters():
    encoder = EEGFormer(22, 384, SFREQ)
    assert encoder.n_parameters == 19048
    assert encoder.n_parameters + Linear(encoder.n_features, 2, encoder.n_tokens, pool="flatten").n_parameters == 19418


def test_spectrum_peaks_where_the_tone_is(encoder):
    x = noise() * 0.1
    x[:, 2] += 50 * tone(20.0)
    spectra = encoder.spectra(x)
    assert spectra.shape == (6, 5, 35)
    centres = 5.0 + np.arange(35)  # 4 to 40 Hz in bands of 2 Hz, one per Hz
    strongest = spectra[:, 3].mean(dim=0).argmax()  # the third channel stands behind the mean
    assert abs(centres[strongest] - 20) <= 1


def test_bands_average_power(encoder):
    x = noise()
    power = np.abs(np.fft.rfft(x.numpy() - x.numpy().mean(-1, keepdims=True))) ** 2 / 384
    frequencies = np.fft.rfftfreq(384, 1 / SFREQ)
    wanted = power[:, :, (frequencies >= 9) & (frequencies <= 11)].mean(axis=2)
    got = torch.fft.rfft(x - x.mean(-1, keepdim=True)).abs().square() @ encoder.bands
    assert np.allclose(got[..., 5].numpy(), wanted, rtol=1e-4)


def test_gain_and_phase_are_not_seen(encoder):
    x = noise()
    tokens = encoder(x)
    assert torch.allclose(encoder(1000 * x), tokens, atol=1e-3)
    assert torch.allclose(encoder(torch.roll(x, 77, dims=2)), tokens, atol=1e-3)
    assert torch.allclose(encoder(x + 40), tokens, atol=1e-3)


def test_strength_of_one_channel_is_seen(encoder):
    x = noise()
    louder = x.clone()
    louder[:, 1] *= 2
    assert (encoder(louder) - encoder(x)).abs().max() > 0.05


def test_channels_are_treated_alike(encoder):
    x, order = noise(), [2, 0, 3, 1]
    tokens = encoder(x)
    assert torch.allclose(encoder(x[:, order]), tokens[:, [0, *[1 + i for i in order]]], atol=1e-4)


def test_blocks_start_as_the_identity(encoder):
    z = torch.randn(3, 6, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(encoder.blocks[0](z), z)


def test_patches_speak_to_each_other_once_trained(encoder):
    block = encoder.blocks[0]
    with torch.no_grad():
        block.mix.weight.normal_(generator=torch.Generator().manual_seed(0))
    z = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    other = z.clone()
    other[0, 5] += torch.randn(32, generator=torch.Generator().manual_seed(1))
    assert (block(other) - block(z))[0, 0].abs().max() > 1e-3


def test_silence_is_finite():
    encoder = EEGFormer(4, 384, SFREQ)
    x = noise()
    x[0], x[1, 2] = 0, 0
    assert torch.isfinite(encoder(x)).all()


def test_spectrum_keeps_its_digits_in_half_precision(encoder):
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder.spectra(noise()), encoder.spectra(noise()).float())
        half = encoder.spectra(noise())
    assert torch.allclose(half, encoder.spectra(noise()))


def test_high_end_is_cut_at_half_the_rate():
    assert EEGFormer(4, 300, 60.0).bands.shape[1] == 25  # 4 to 30 Hz


@pytest.mark.parametrize("sfreq,cure", [(0.5, "low_hz"), (16.0, "low_hz")])
def test_slow_signals_are_refused(sfreq, cure):
    with pytest.raises(SentenceError, match=cure):
        EEGFormer(4, 400, sfreq)
    assert EEGFormer(4, 400, 16.0, low_hz=0.0, patch_hz=2.0, stride_hz=2.0).n_tokens == 5


def test_heads_must_share_the_embedding():
    with pytest.raises(SentenceError, match="multiple"):
        EEGFormer(4, 384, SFREQ, emb_dim=30, n_heads=4)
