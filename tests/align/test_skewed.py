"""Re-centring by a class-skewed stream: the classes' proportions are taken for the person, and accuracy is lost."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.compose import compose
from corticode.recipe import Recipe


def decoder(windows, align):
    cfg = compose(["model=mdm", f"align={align}"])
    return Recipe("mdm", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))(0)


def balanced(decoder, windows, access):
    decoder.aligner.forget().access = access
    first = 6 if access == "calibration" else 0
    if access != "online":
        decoder.align(windows[: first or len(windows)].blind())
    y, answer = windows.y[first:], decoder.predict(windows[first:].blind()).argmax(axis=1)
    return np.mean([(answer == y)[y == label].mean() for label in (0, 1)])


@pytest.fixture(scope="module")
def scores():
    """Balanced accuracy of each access on streams of one length: classes alike, and 5:1 either way; mean over two people."""
    from conftest import make_windows

    windows = make_windows(n_subjects=8, n_sessions=1, n_trials=120, effect=0.2)
    windows = windows.with_y((windows.meta["event"] == "right_hand").to_numpy().astype(int))
    subject, found = windows.meta["subject"].to_numpy(), {}
    for person in ("S7", "S8"):
        source, mine = windows[(subject < "S7")], windows[subject == person]
        fitted = {align: decoder(source, align).fit(source) for align in ("none", "riemannian")}
        rows = [np.flatnonzero(mine.y == label) for label in (0, 1)]
        streams = {"alike": [np.sort(np.r_[rows[0][:36], rows[1][:36]])], "skewed": []}
        for rare in (0, 1):
            streams["skewed"].append(np.sort(np.r_[rows[rare][:12], rows[1 - rare]]))
        for kind, many in streams.items():
            for what, access in (("none", "online"), ("online", "online"), ("all", "all")):
                one = fitted["none" if what == "none" else "riemannian"]
                found.setdefault((what, kind), []).extend(balanced(one, mine[stream], access) for stream in many)
    return {key: np.mean(values) for key, values in found.items()}


@pytest.mark.parametrize("access,cost", [("online", 0.02), ("all", 0.05)])
def test_recentring_by_the_stream_itself_costs_accuracy(scores, access, cost):
    assert scores[access, "skewed"] < scores[access, "alike"] - cost


def test_without_alignment_the_stream_does_not_matter(scores):
    assert abs(scores["none", "skewed"] - scores["none", "alike"]) < 0.04
