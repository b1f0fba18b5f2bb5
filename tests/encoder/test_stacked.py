"""Stacked bands against pyriemann's covariances and tangent space, and protocol D on real recordings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.stacked import StackedTangentSpace
from corticode.errors import SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("O1", "Oz", "O2"), "uV", 128)


def test_vectors_equal_those_of_pyriemann():
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace
    from scipy.signal import butter, sosfiltfilt

    X = np.random.default_rng(0).standard_normal((20, 3, 512)).astype(np.float32)
    meta, y = pd.DataFrame(index=range(20)), np.arange(20) % 3
    encoder = StackedTangentSpace(start_s=1.0, classes=("rest", "13Hz", "21Hz"))
    F = encoder.per_window(X, SPACE)
    bands = [sosfiltfilt(butter(4, band, "bandpass", fs=128, output="sos"), X.astype(float))[..., 128:] for band in ([12, 14], [20, 22])]
    C = Covariances("lwf").transform(np.concatenate(bands, axis=1))
    np.testing.assert_allclose(F, C, atol=1e-10)
    Z = encoder.fit(F[:15], y[:15], meta[:15]).encode(F, meta, SPACE)
    np.testing.assert_allclose(Z, TangentSpace().fit(C[:15]).transform(C), atol=1e-6)


def test_any_frequencies_may_be_stacked():
    X = np.random.default_rng(0).standard_normal((4, 3, 512)).astype(np.float32)
    assert StackedTangentSpace([10, 20, 30, 40], classes=("a", "b")).per_window(X, SPACE).shape == (4, 12, 12)
    assert StackedTangentSpace([None, 10, 20]).per_window(X, SPACE).shape == (4, 6, 6)
    with pytest.raises(SentenceError, match="freqs_hz"):
        StackedTangentSpace(classes=("a", "b")).per_window(X, SPACE)


def test_a_row_is_one_windows_own():
    X = np.random.default_rng(0).standard_normal((130, 3, 300)).astype(np.float32)
    encoder = StackedTangentSpace([10, 20])
    whole = encoder.per_window(X, SPACE)
    np.testing.assert_array_equal(encoder.per_window(X[70:71], SPACE)[0], whole[70])


def test_protocol_on_real_recordings(shared, tmp_path, monkeypatch):
    """Stacked bands, Ledoit-Wolf, re-centred by all windows of the tested person, C=0.05: 0.669 by pyriemann and scikit-learn."""
    import corticode

    monkeypatch.chdir(tmp_path)
    root = shared / "data" / "eeg" / "ssvep_exo"
    told = [f"data.root={root}", f"paths.data={tmp_path}", "align.access=all", "model.encoder.start_s=2", "model.head.C=0.05"]
    run = corticode.run(
        "ssvep_tangent_space", "ssvep_exo", align="riemannian", overrides=[*told, "refit=false", "report=false"], progress="silent"
    )
    assert run.summary["n"] == 12 and len(run.predictions) == 864
    assert run.headline == pytest.approx(0.669, abs=0.002)
    assert "itr" in set(run.scores["metric"])
