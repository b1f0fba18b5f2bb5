"""What a figure says: classes, units, the control and how far it looks like what was found."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from corticode.explain import figure
from corticode.explain.maps import Explanation, Map
from explain.planted import NAMES, positions


def words(svg):
    return [re.sub(r"<[^>]+>", "", text).strip() for text in re.findall(r"<text.*?</text>", svg, flags=re.S)]


def explanation(
    rng, method="gradient", views=("electrode", "time_frequency"), labels=("left", "<right>"), n_channels=8, agreement=None, **changes
):
    shapes = {"electrode": (n_channels,), "time": (4,), "frequency": (5,), "time_frequency": (5, 4)}
    names = tuple(NAMES) if n_channels == 8 else tuple(f"unit {i}" for i in range(n_channels))

    def one():
        made = {name: rng.standard_normal((len(labels), *shapes[name])) for name in views}
        where = positions() if n_channels == 8 else None
        return Map(method, labels, made, "logit", names, where, np.arange(5.0), np.array([1.0, 4, 8, 13, 30, 45]), 96)

    agreement = {name: 0.25 for name in views} if agreement is None else agreement
    return Explanation(replace(one(), **changes), replace(one(), **changes), agreement, "shuffled weights")


def test_pictures_name_classes_units_and_the_control(rng):
    told = words(figure.draw(explanation(rng)))
    assert {
        "left",
        "&lt;right&gt;",
        "Hz",
        "time in the window, s",
        "of the largest value",
        "rank correlation 0.25",
        "shuffled weights",
    } <= set(told)
    assert sum(text.startswith("±1 = ") and text.endswith(" logit") for text in told) == 2
    assert {"1", "4", "8", "13", "30", "45"} <= set(told)  # bands of unequal width are named by their edges


def test_lines_and_bars_have_axes_and_a_legend(rng):
    told = words(figure.draw(explanation(rng, "gradcam", ("time",))))
    assert {
        "left",
        "&lt;right&gt;",
        "shuffled weights",
        "time in the window, s",
        "time, beside shuffled weights: rank correlation 0.25",
    } <= set(told)
    told = words(figure.draw(explanation(rng, "occlusion", ("electrode", "frequency", "time_frequency"), labels=("",))))
    assert {"decoder", "shuffled weights", "band, Hz", "loss, logit", "13–30"} <= set(told)


def test_filters_are_drawn_with_their_mean(rng):
    one = explanation(rng, "filters", ("frequency",), labels=tuple(f"filter {i + 1}" for i in range(12)))
    assert {"12 filters, lowest peak first", "frequency, Hz", "mean gain of all filters", "gain, of the filter's largest"} <= set(
        words(figure.draw(one))
    )


@pytest.mark.parametrize("n_channels", [3, 60])
def test_channels_without_a_head_are_bars(rng, n_channels):
    told = words(figure.draw(explanation(rng, n_channels=n_channels, views=("electrode",))))
    assert ("unit 2" in told) == (n_channels == 3) and ("60 channels, in their order" in told) == (n_channels == 60)
    assert {"left", "&lt;right&gt;"} <= set(told)


def test_flat_maps_and_seven_classes_are_drawn(rng):
    one = explanation(rng, labels=tuple("abcdefg"))
    flat = replace(one.found, views={name: np.zeros_like(view) for name, view in one.found.views.items()})
    told = words(figure.draw(replace(one, found=flat)))
    assert "f" in told and "g" not in told
    assert "The first 6 of 7 classes." in figure.caption(one)


@pytest.mark.parametrize(("value", "says"), [(0.1, "as it must"), (0.5, "may be the shape of the data"), (0.9, "should not be read")])
def test_the_caption_says_how_far_to_believe(rng, value, says):
    told = figure.caption(explanation(rng, agreement={"electrode": value, "time_frequency": 0.05}), title="eegnet")
    assert told.startswith("Gradient × input, eegnet.\n") and says in told and f"{value:.2f}" in told
    assert "96 windows" in told


def test_nothing_is_said_of_agreement_where_it_says_nothing(rng):
    one = explanation(rng, "occlusion", ("frequency",), labels=("",), agreement={})
    assert "correlat" not in figure.caption(one) and not [text for text in words(figure.draw(one)) if "correlation" in text]


def test_the_same_numbers_give_the_same_bytes():
    one, other = (figure.draw(explanation(np.random.default_rng(0))) for _ in range(2))
    assert one == other


def test_figure_and_caption_lie_beside_each_other(tmp_path, rng):
    file = figure.write(explanation(rng), tmp_path / "figures" / "explain_gradient.svg")
    assert file.read_text(encoding="utf-8").lstrip().startswith("<?xml") and file.with_suffix(".txt").is_file()
