"""Attributions add up to what they claim, at the channels as recorded, in time and in frequency."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.align.euclidean import Euclidean
from corticode.errors import SentenceError
from corticode.explain import gradient
from corticode.explain.network import as_recorded, evidence
from explain.conftest import network


@pytest.mark.parametrize(("n_times", "sfreq"), [(200, 100.0), (201, 100.0), (37, 100.0), (640, 160.0), (9, 4.0)])
def test_spectrogram_parts_the_sum_and_loses_nothing(rng, n_times, sfreq):
    X, G = rng.standard_normal((2, 3, 5, n_times))
    parts, edges_s, edges_hz = gradient.spectrogram(X, G, sfreq)
    np.testing.assert_allclose(parts.sum(axis=(1, 2)), (X * G).sum(axis=(1, 2)), rtol=1e-10)
    assert parts.shape == (3, len(edges_hz) - 1, len(edges_s) - 1)
    assert edges_s[0] == 0 and edges_s[-1] == pytest.approx(n_times / sfreq) and (np.diff(edges_s) > 0).all()


def test_spectrogram_puts_a_burst_where_it_is():
    t = np.arange(300) / 100
    x = (np.exp(-0.5 * ((t - 2.0) / 0.1) ** 2) * np.cos(2 * np.pi * 18 * t))[None, None]
    parts, edges_s, edges_hz = gradient.spectrogram(x, x, 100.0)
    f, k = np.unravel_index(parts[0].argmax(), parts[0].shape)
    assert edges_hz[f] <= 18 <= edges_hz[f + 1] and edges_s[k] - 0.05 <= 2.0 <= edges_s[k + 1] + 0.05


def test_gradient_is_that_of_the_evidence(source, trained):
    G = gradient.gradients(trained, source[:6], steps=None)
    score, X, y = evidence(trained), source.X[:6].copy(), torch.from_numpy(np.asarray(source.y[:6]))
    rng = np.random.default_rng(1)
    for _ in range(3):
        step = 1e-2 * rng.standard_normal(X.shape).astype(np.float32)
        with torch.no_grad():
            moved = (score(torch.from_numpy(X + step).double().float(), y) - score(torch.from_numpy(X - step), y)).numpy() / 2
        np.testing.assert_allclose((G * step).sum(axis=(1, 2)), moved, atol=2e-4, rtol=0.05)


def test_integrated_gradients_add_up_to_the_evidence_that_silence_does_not_give(source, trained):
    windows = source[:12]
    G, y = gradient.gradients(trained, windows, steps=200), torch.from_numpy(np.asarray(windows.y))
    score = evidence(trained)
    with torch.no_grad():
        wanted = score(torch.from_numpy(windows.X), y) - score(torch.zeros(12, 8, 200), y)
    np.testing.assert_allclose((G * windows.X).sum(axis=(1, 2)), wanted.numpy(), atol=0.02)


def test_evidence_is_what_all_logits_do_not_share(source, trained):
    score, x = evidence(trained), torch.from_numpy(source.X[:4])
    with torch.no_grad():
        each = torch.stack([score(x, torch.full((4,), k)) for k in range(2)])
    assert torch.allclose(each.sum(dim=0), torch.zeros(4), atol=1e-5)


def test_gradients_come_back_through_a_matrix(rng):
    X, M = rng.standard_normal((4, 3, 50)), rng.standard_normal((4, 3, 3))
    F, G = M @ X, rng.standard_normal((4, 3, 50))
    np.testing.assert_allclose(as_recorded(X, F, G), M.transpose(0, 2, 1) @ G, atol=1e-8)
    assert as_recorded(X, X, G) is G
    with pytest.raises(SentenceError, match="use occlusion"):
        as_recorded(X, np.tanh(F), G)


def test_gradients_of_aligned_windows_belong_to_the_windows_as_recorded(source):
    windows = source[:40]
    decoder = network(windows, epochs=3, align=Euclidean())
    G = gradient.gradients(decoder, windows, steps=None)
    F = torch.from_numpy(decoder.read(windows.blind())).requires_grad_()
    evidence(decoder)(F, torch.from_numpy(np.asarray(windows.y))).sum().backward()
    assert not np.allclose(F.detach().numpy(), windows.X)
    np.testing.assert_allclose((G * windows.X).sum(axis=(1, 2)), (F.grad * F).sum(dim=(1, 2)).detach().numpy(), rtol=1e-3, atol=1e-5)


def test_without_captum_the_extra_is_named(source, trained, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(SentenceError, match=r"corticode\[explain\]"):
        gradient.gradient(trained, source[:4])
