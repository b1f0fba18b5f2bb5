"""Log-variances and their patterns."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.logvar import LogVar
from corticode.errors import BrokenDataError
from corticode.head.lda import LDA


def test_values_and_patterns(windows):
    encoder = LogVar()
    F = encoder.per_window(windows.X, windows.space)
    np.testing.assert_allclose(F, np.log(windows.X.astype(float).var(axis=-1)), rtol=1e-12)
    y = np.asarray(windows.meta["event"] == "right_hand", dtype=int)
    found = encoder.patterns(LDA().fit(F, y, windows.meta, 2))
    assert found["patterns"].shape == (1, len(windows.space))
    # the fixture makes channel 0 stronger in the other class and channel 1 in this one
    order = found["patterns"][0].argsort()
    assert order[0] == 0 and order[-1] == 1


def test_a_constant_channel_is_named(windows):
    X = windows.X.copy()
    X[4, 2] = 7
    with pytest.raises(BrokenDataError, match=f"{windows.space.names[2]} is constant.*window 4"):
        LogVar().per_window(X, windows.space)
