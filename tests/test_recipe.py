"""One's own code is part of the key: an edited model never meets the results of the old one."""

from __future__ import annotations

import functools
import importlib
import sys

import numpy as np
import pytest

import corticode
from corticode import store
from corticode.errors import GuardError, SentenceError
from corticode.recipe import Recipe
from corticode.space import Space


def key_of(own) -> str:
    recipe = Recipe(
        name="x", model={"name": "x"}, adapt={}, align={}, trainer={}, space=Space("eeg", ("C3", "C4"), "uV", 100), n_times=50,
        classes=("a", "b"), own=own,
    )  # fmt: skip
    return store.key(recipe.describe())


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function (name, text) that writes a module of one's own and imports it anew."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name: str, text: str):
        (tmp_path / f"{name}.py").write_text(text)
        for known in [*written, name]:
            sys.modules.pop(known, None)
        written.append(name)
        importlib.invalidate_caches()
        store.code_key.cache_clear()
        return importlib.import_module(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


STEP = """
from sklearn.base import BaseEstimator, TransformerMixin
import own_layers

class Power(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return own_layers.power(X) * {factor}
"""


def test_a_step_of_a_pipeline_and_what_it_imports(module):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def key(factor, layers):
        module("own_layers", f"def power(X):\n    return X.var(axis=2) ** {layers}\n")
        return key_of(make_pipeline(module("own_step", STEP.format(factor=factor)).Power(), LogisticRegression()))

    first = key(1, 2)
    assert key(1, 2) == first
    assert key(0, 2) != first, "an edited step met the results of the old one"
    assert key(1, 3) != first, "an edited import of a step met the results of the old one"


def scaled(X, by=1.0):
    return X.reshape(len(X), -1) * by


def test_partial_functions_and_parameters():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def key(by, C=1.0):
        return key_of(make_pipeline(FunctionTransformer(functools.partial(scaled, by=by)), LogisticRegression(C=C)))

    assert key(1.0) == key(1.0)
    assert key(1.0) != key(2.0)
    assert key(1.0) != key(1.0, C=2.0)


def test_weights_and_blocks_of_a_network(module):
    import torch

    text = "import torch\n\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layer = torch.nn.Linear(2, 2)\n    def forward(self, x):\n        return self.layer(x.mean(dim=2)) * {}\n"

    def key(factor, seed=0):
        torch.manual_seed(seed)
        return key_of(module("own_net", text.format(factor)).Net())

    assert key(1) == key(1)
    assert key(1) != key(2)
    assert key(1) != key(1, seed=1)


def test_epochs_that_overlap_are_not_split():
    """2 s windows every 0.1 s: neighbours on both sides of a split would be the same signal."""
    import mne

    rng = np.random.default_rng(0)
    events = np.column_stack([np.arange(40) * 10, np.zeros(40, int), 1 + np.arange(40) % 2])
    epochs = mne.EpochsArray(
        rng.standard_normal((40, 3, 200)) * 1e-5, mne.create_info(3, 100, "eeg"), events, event_id={"a": 1, "b": 2}, verbose="error"
    )
    windows = corticode.Windows.from_epochs(epochs)
    assert windows.info["overlap"]
    from corticode.split.within_session import WithinSession

    with pytest.raises(GuardError, match="overlap"):
        WithinSession().folds(windows.meta, np.arange(40) % 2, overlap=windows.info["overlap"])


def test_a_unit_with_two_truths_is_refused(windows):
    from corticode.task.classification import Classification

    with pytest.raises(SentenceError, match=r"task\.unit=window"):
        Classification(unit="recording").label(windows)
