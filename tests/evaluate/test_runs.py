from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.record import as_predictions
from corticode.evaluate.runs import find, gather
from corticode.predictions import Predictions


@pytest.mark.parametrize("kind", ["probability", "decision", "value"])
def test_answers_come_back_as_they_were(kind):
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"dataset": "d", "site": "", "subject": ["S1", "S2", "S2"], "session": "0", "run": "", "recording": "r", "trial": range(3), "onset_s": 0.0,
                         "event": ["p_x", "b", "p_x"], "p_age": 30.0})  # fmt: skip
    if kind == "value":
        before = Predictions(rng.standard_normal(3), kind, rng.standard_normal(3), meta, (), {"model": "m", "fold": "f", "seed": 1})
    else:
        yhat = rng.dirichlet([1, 1], 3) if kind == "probability" else rng.standard_normal((3, 2))
        before = Predictions(yhat, kind, np.array([1, 0, 1]), meta, ("b", "p_x"), {"model": "m", "fold": "f", "seed": 1})
    after = as_predictions(before.to_frame(), {"model": "m"})
    assert after.yhat_kind == kind and after.classes == before.classes
    np.testing.assert_array_equal(after.yhat, before.yhat)
    np.testing.assert_array_equal(after.y, before.y)
    pd.testing.assert_frame_equal(after.meta, before.meta)


def test_models_of_two_kinds_share_a_table(tmp_path, run):
    folder = run(tmp_path / "0", {"mdm": 0.1, "svm": 0.1}, n_people=3)
    frame = pd.read_parquet(folder / "predictions.parquet")
    decides = frame["model"] == "svm"
    for name in ("left", "right"):
        frame[f"d_{name}"] = frame[f"p_{name}"].where(decides)
        frame[f"p_{name}"] = frame[f"p_{name}"].where(~decides)
    frame.to_parquet(folder / "predictions.parquet")
    kinds = {c.label: {one.yhat_kind for one in c.answers()} for c in gather(find([tmp_path])[0])}
    assert kinds == {"mdm": {"probability"}, "svm": {"decision"}}


def test_half_written_folders_are_not_runs(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1}, n_people=3)
    run(tmp_path / ".tmp-1-abc", {"ts": 0.1}, n_people=3)
    assert [part.model for part in find([tmp_path])[0]] == ["mdm"]
