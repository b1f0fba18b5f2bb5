"""Parts that are exchanged are those that are named, and what is exchanged comes from the same person."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.explain import occlusion
from explain.planted import planted


def test_donors_are_others_of_the_same_person(rng):
    windows = planted(n=24, n_subjects=3)
    other = occlusion.donors(windows, rng)
    assert sorted(other) == list(range(24)) and (other != np.arange(24)).all()
    subject = windows.meta["subject"].to_numpy()
    assert (subject[other] == subject).all()


@pytest.mark.parametrize(("n_times", "sfreq"), [(200, 100.0), (640, 160.0), (128, 128.0), (100, 200.0), (500, 1000.0)])
def test_bands_part_the_spectrum_without_overlap(n_times, sfreq):
    masks, edges = occlusion.bands_of(n_times, sfreq)
    assert len(masks) == len(edges) - 1 >= 2 and (np.diff(edges) > 0).all() and edges[-1] <= sfreq / 2
    assert np.sum(masks, axis=0).max() == 1 and all(mask.any() for mask in masks)


def test_slow_recordings_have_no_bands():
    assert occlusion.bands_of(20, 0.5) == ([], pytest.approx(np.zeros(1)))


@pytest.mark.parametrize(("n_times", "sfreq"), [(200, 100.0), (640, 160.0), (33, 100.0), (1, 0.5)])
def test_stretches_add_up_to_one(n_times, sfreq):
    weights, edges = occlusion.stretches_of(n_times, sfreq)
    np.testing.assert_allclose(np.sum(weights, axis=0), 1, atol=1e-6)
    assert len(edges) == len(weights) + 1 and edges[-1] == pytest.approx(n_times / sfreq)


def test_exchanged_parts_are_the_ones_that_are_named(rng):
    X = rng.standard_normal((4, 3, 200)).astype(np.float32)
    other = np.array([1, 0, 3, 2])
    bands, _ = occlusion.bands_of(200, 100.0)
    stretches, edges_s = occlusion.stretches_of(200, 100.0)
    for view, where, changed in occlusion._exchanged(X, other, bands, stretches):
        moved = changed - X
        if view == "electrode":
            np.testing.assert_array_equal(changed[:, where[0]], X[other, where[0]])
            assert not np.delete(moved, where[0], axis=1).any()
            continue
        outside = np.abs(np.fft.rfft(moved))[..., ~bands[where[0]]]
        if view == "frequency":
            assert outside.max() < 1e-3
        else:
            far = np.abs(np.arange(200) / 100 - (edges_s[where[1]] + edges_s[where[1] + 1]) / 2) > 0.5
            assert np.abs(moved[..., far]).max() < 1e-5 < np.abs(moved).max()


def test_bands_that_a_filter_left_empty_are_not_asked_about(rng):
    spectrum = np.fft.rfft(rng.standard_normal((4, 3, 400)))
    frequencies = np.fft.rfftfreq(400, 1 / 200)
    X = np.fft.irfft(spectrum * ((frequencies > 8) & (frequencies < 30)))
    bands, edges = occlusion._heard(X, *occlusion.bands_of(400, 200.0))
    assert list(edges) == [8, 13, 30] and len(bands) == 2
