"""What every adapt= promises about a decoder on disk: it is calibrated as the one in memory is, or says why not."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from corticode import catalogue
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import SentenceError

ENTRIES = sorted(catalogue.names("adapt"))
TARGETS = {e: yaml.safe_load((catalogue.conf_folder() / "adapt" / f"{e}.yaml").read_text(encoding="utf-8"))["_target_"] for e in ENTRIES}
TRAINED = [e for e in ENTRIES if catalogue.locate(TARGETS[e]).trains]  # networks: their own tests


@pytest.fixture(params=[entry for entry in ENTRIES if entry not in TRAINED])
def fitted(request, windows):
    """A fitted decoder of each classical entry, the target's first rows, and the rest."""
    from corticode.recipe import Recipe

    cfg = compose(["model=mdm", f"adapt={request.param}"])
    y = (windows.meta["event"] == "right_hand").to_numpy().astype(int)
    windows = windows.with_y(y)
    source = (windows.meta["subject"] != "S4").to_numpy()
    recipe = Recipe(
        "mdm", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("left_hand", "right_hand")
    )
    decoder = recipe(0).fit(windows[source])
    target = windows[~source]
    return decoder, target[:8], target[8:]


def test_a_loaded_decoder_is_calibrated_as_it_was_or_says_why_not(fitted, tmp_path):
    decoder, labelled, test = fitted
    loaded = Decoder.load(decoder.save(tmp_path / "fitted"))
    decoder.calibrate(labelled)
    wanted = decoder.predict(test.blind())
    try:
        loaded.calibrate(labelled)
    except SentenceError as refused:
        assert "fit it again" in str(refused)
    else:
        np.testing.assert_array_equal(loaded.predict(test.blind()), wanted)
    kept = Decoder.load(decoder.save(tmp_path / "calibrated"))
    np.testing.assert_array_equal(kept.predict(test.blind()), wanted)


def test_calibration_beats_chance(fitted):
    decoder, labelled, test = fitted
    decoder.calibrate(labelled)
    assert (decoder.predict(test.blind()).argmax(axis=1) == test.y).mean() > 0.7
