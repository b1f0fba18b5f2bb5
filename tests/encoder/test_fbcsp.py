"""Filter-bank CSP: its features against pyriemann's, its choice against scikit-learn's, its maps against a planted source."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.signal import butter, sosfiltfilt

from corticode.encoder.fbcsp import FBCSP
from corticode.errors import BrokenDataError
from corticode.space import Space

BANDS = [[6, 10], [10, 14], [14, 18], [18, 22]]


def planted(n=80, channels=5, times=384, seed=0, also=()):
    """Windows in which one source is stronger between 14 and 18 Hz in class 1, and the next ones in the bands `also`."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    mixing = rng.standard_normal((channels, channels))
    sources = rng.standard_normal((n, channels, times))
    for k, band in enumerate([[14, 18], *also]):
        rhythm = sosfiltfilt(butter(4, band, "bandpass", fs=128, output="sos"), rng.standard_normal((n, times)))
        sources[:, k] += (1 + 2 * y[:, None]) * rhythm
    meta = pd.DataFrame({"dataset": "d", "subject": np.arange(n) // 20, "session": "", "run": "", "recording": "", "trial": np.arange(n)})
    return (mixing @ sources).astype(np.float32), y, meta, Space("eeg", tuple(f"E{i}" for i in range(channels)), "uV", 128), mixing[:, 0]


def test_kept_features_equal_those_of_scikit_learn_and_pyriemann():
    from pyriemann.estimation import Covariances
    from pyriemann.spatialfilters import CSP
    from sklearn.feature_selection import SelectKBest, mutual_info_classif

    X, y, meta, space, _ = planted(also=([6, 10], [18, 22]))
    encoder = FBCSP(2, 3, bands_hz=BANDS)
    F = encoder.per_window(X, space)
    Z = encoder.fit(F, y, meta).encode(F, meta, space)
    bands = []
    for band in BANDS:
        filtered = sosfiltfilt(butter(4, band, "bandpass", fs=128, output="sos"), X.astype(float))
        C = Covariances("oas").transform(filtered)
        bands.append(CSP(2, metric="euclid").fit(C, y).transform(C))
    selector = SelectKBest(partial(mutual_info_classif, random_state=0), k=3).fit(np.hstack(bands), y)
    np.testing.assert_allclose(Z, selector.transform(np.hstack(bands)), atol=1e-6)


def test_choice_finds_the_band_and_place_of_the_effect():
    X, y, meta, space, truth = planted()
    encoder = FBCSP(2, 1, bands_hz=BANDS)
    F = encoder.per_window(X, space)
    found = encoder.fit(F, y, meta).patterns(None)
    assert found["labels"][0].endswith("14-18 Hz") and found["bands"] == [2]
    assert abs(np.corrcoef(found["patterns"][0], truth)[0, 1]) > 0.98


def test_choice_reads_fit_rows_only_and_takes_all_there_are():
    X, y, meta, space, _ = planted(n=40)
    F = FBCSP(2, 99, bands_hz=BANDS).per_window(X, space)
    assert FBCSP(2, 99, bands_hz=BANDS).fit(F, y, meta).encode(F, meta, space).shape == (40, 8)
    alone = FBCSP(2, 3, bands_hz=BANDS).fit(F[:20], y[:20], meta[:20])
    again = FBCSP(2, 3, bands_hz=BANDS).fit(F[:20], y[:20], meta[:20])
    np.testing.assert_array_equal(alone.kept_, again.kept_)


@pytest.mark.parametrize("chosen", [[0, 1], [0, 1, 3, 5]])
def test_a_class_of_one_window_is_refused_in_a_sentence(chosen):
    X, y, meta, space, _ = planted(n=40)
    encoder = FBCSP(2, 3, bands_hz=BANDS)
    F = encoder.per_window(X[chosen], space)
    with pytest.raises(BrokenDataError, match=r"FBCSP needs two windows of each class.*: 0 has 1 of class 0 and \d of class 1; give more"):
        encoder.fit(F, y[chosen], meta.iloc[chosen])
