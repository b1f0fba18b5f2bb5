import base64
import io
import re

import numpy as np
import pytest

from corticode.explain import pattern, topomap

NAMES = ["Fp1", "Fp2", "T7", "C3", "Cz", "C4", "T8", "O1", "O2"]
X = np.array([-0.03, 0.03, -0.085, -0.05, 0, 0.05, 0.085, -0.03, 0.03])
Y = np.array([0.085, 0.085, 0, 0, 0, 0, 0, -0.085, -0.085])
POSITIONS = np.stack([X, Y, np.sqrt(np.maximum(0.0925**2 - X**2 - Y**2, 0))], axis=1)


def pictures(svg):
    from matplotlib.image import imread

    found = re.findall(r'href="data:image/png;base64,([^"]*)"', svg)
    return [imread(io.BytesIO(base64.b64decode(text))) for text in found]


def words(svg):
    return [re.sub(r"<[^>]+>", "", text).strip() for text in re.findall(r"<text.*?</text>", svg, flags=re.S)]


def test_each_pattern_has_a_map_with_title_and_one_bar():
    svg = topomap.draw(np.eye(9)[[3, 5, 4]], NAMES, POSITIONS, ["8-12 Hz", "<right>", "12-30 Hz"])
    assert {"8-12 Hz", "&lt;right&gt;", "12-30 Hz", "of the largest value"} <= set(words(svg))
    assert words(svg).count("of the largest value") == 1


def test_a_source_at_the_left_is_drawn_at_the_left():
    left = pictures(topomap.draw(np.eye(9)[3:4], NAMES, POSITIONS))[0]
    redness = (left[..., 0] - left[..., 2]) * left[..., 3]
    half = redness.shape[1] // 2
    assert redness[:, :half].sum() > 3 * abs(redness[:, half:].sum())


def test_scale_is_shared_with_a_unit_and_each_its_own_without():
    strong_and_weak = np.stack([np.eye(9)[3], 0.01 * np.eye(9)[3]])
    own, shared = (pictures(topomap.draw(strong_and_weak, NAMES, POSITIONS, unit=unit)) for unit in (None, "µV"))
    np.testing.assert_allclose(own[0], own[1], atol=0.03)
    assert np.abs(shared[0] - shared[1]).max() > 0.3


@pytest.mark.parametrize(
    "positions",
    [
        None,
        np.full((9, 3), np.nan),
        np.where(np.arange(9)[:, None] < 3, POSITIONS, np.nan),
        POSITIONS * 1000,
        np.zeros((9, 3)),
        np.tile(POSITIONS[:1], (9, 1)),
    ],
)
def test_without_four_places_on_a_head_there_is_no_map(positions):
    assert topomap.draw(np.ones((1, 9)), NAMES, positions) is None


def test_channels_without_a_place_are_left_out_and_counted(tmp_path):
    positions = POSITIONS.copy()
    positions[4] = np.nan
    patterns = np.eye(9)[3:4] + 1e6 * np.eye(9)[4]  # the placeless channel would drown the rest
    pattern.save(tmp_path / "p.npz", patterns, NAMES, positions)
    svg = topomap.write_topomap(tmp_path / "p.npz", tmp_path / "figures" / "p.svg", title="mdm: mean of 3 folds")
    assert np.ptp(pictures(svg.read_text())[0][..., 0]) > 0.3
    told = (tmp_path / "figures" / "p.txt").read_text()
    assert told.startswith("Scalp patterns, mdm: mean of 3 folds.\n") and "1 channels without a position" in told


def test_nothing_is_written_without_a_map(tmp_path):
    pattern.save(tmp_path / "p.npz", np.ones((1, 9)), NAMES)
    assert topomap.write_topomap(tmp_path / "p.npz", tmp_path / "p.svg") is None
    assert list(tmp_path.iterdir()) == [tmp_path / "p.npz"]


def test_colour_stays_near_electrodes_that_cover_a_part_only():
    assert topomap.all_round(POSITIONS)
    assert not topomap.all_round(POSITIONS[2:7])


def test_a_flat_pattern_is_drawn_and_thirty_are_cut():
    assert topomap.draw(np.zeros((1, 9)), NAMES, POSITIONS) is not None
    svg = topomap.draw(np.tile(np.eye(9)[0], (30, 1)), NAMES, POSITIONS, [f"map {i}" for i in range(30)])
    assert "map 23" in words(svg) and "map 24" not in words(svg)


def test_the_page_can_hold_it():
    from corticode.report.svg import inline

    assert "data:image/png" in inline(topomap.draw(np.eye(9)[3:5], NAMES, POSITIONS), "map")
