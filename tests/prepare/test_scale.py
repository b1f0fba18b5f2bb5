import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import RobustScaler

from corticode.errors import SentenceError
from corticode.prepare.scale import Scale, exponential, robust


def by_pandas(X, factor_new, eps=1e-4):
    frame = pd.DataFrame(X.T)
    centred = frame - frame.ewm(alpha=factor_new).mean()
    return (centred / np.maximum(np.sqrt((centred**2).ewm(alpha=factor_new).mean()), eps)).to_numpy().T


@pytest.mark.parametrize("factor_new", [1e-3, 0.05])
def test_exponential_is_that_of_pandas(signal_of, factor_new):
    X = signal_of(joint_s=None, offset=300.0).X
    np.testing.assert_allclose(exponential(X, factor_new), by_pandas(X, factor_new), atol=1e-9)


def test_the_first_block_is_standardised_by_itself(signal_of):
    signal = signal_of(joint_s=None)
    made = Scale("exponential", init_block_s=2.0)(signal).X
    first = made[:, :256]
    np.testing.assert_allclose(first.mean(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(first.std(axis=1), 1, atol=1e-10)
    np.testing.assert_allclose(made[:, 256:], by_pandas(signal.X, 1e-3)[:, 256:], atol=1e-9)


def test_exponential_begins_anew_after_a_joint(signal):
    made = Scale("exponential")(signal).X
    np.testing.assert_allclose(made[:, 1024:], exponential(signal.X[:, 1024:]), atol=1e-12)


def test_robust_is_that_of_scikit_learn(signal):
    np.testing.assert_allclose(robust(signal.X), RobustScaler(unit_variance=True).fit_transform(signal.X.T).T, atol=1e-9)


@pytest.mark.parametrize("kind", ["exponential", "robust"])
def test_scaled_signals_have_no_unit_and_a_flat_channel_stays_finite(signal, kind):
    X = signal.X.copy()
    X[3] = 7.0
    made = Scale(kind)(signal.replace(X=X))
    assert made.space.unit == "z" and np.isfinite(made.X).all() and not made.X[3].any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SentenceError, match="kind=minmax is unknown"):
        Scale("minmax")
    with pytest.raises(SentenceError, match="factor_new=2"):
        Scale("exponential", factor_new=2)
