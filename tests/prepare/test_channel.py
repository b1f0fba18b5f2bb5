from dataclasses import replace

import numpy as np
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.channel import Interpolate, Match, Pick, Rename, standard_positions


def smooth(signal):
    """A field that changes slowly over the scalp, the same wave everywhere."""
    wave = np.sin(np.arange(signal.X.shape[1]) / 20)
    height = np.nan_to_num(signal.space.positions) @ [100.0, 200.0, 150.0]
    return signal.replace(X=height[:, None] * wave)


def test_pick_drops_the_eyes_by_default(signal):
    made = Pick()(signal)
    assert made.space.names == signal.space.names[:10] and made.space.types is None
    assert np.array_equal(made.X, signal.X[:10])


def test_pick_takes_names_in_their_order_whatever_their_case(signal):
    made = Pick(["cz", "VEOG", "C3"])(signal)
    assert made.space.names == ("Cz", "VEOG", "C3") and np.array_equal(made.X, signal.X[[5, 10, 4]])


def test_pick_by_type(signal):
    assert Pick(types=["eog"])(signal).space.names == ("VEOG",)
    assert len(Pick(types=["eeg", "eog"])(signal).space) == 11


def test_pick_of_what_is_not_there(signal):
    with pytest.raises(BrokenDataError, match="no channel named T9"):
        Pick(["T9"])(signal)
    with pytest.raises(BrokenDataError, match=r"no channel of type ecg \(types there: eeg, eog\)"):
        Pick(types=["ecg"])(signal)
    with pytest.raises(SentenceError, match="both"):
        Pick(["C3"], ["eeg"])


def test_rename(signal):
    made = Rename({"fp1": "AF7", "Oz": "Iz"})(signal)
    assert made.space.names[0] == "AF7" and made.space.names[9] == "Iz" and made.X is signal.X
    with pytest.raises(BrokenDataError, match="no channel named T3"):
        Rename({"T3": "T7"})(signal)
    with pytest.raises(BrokenDataError, match="twice: C4"):
        Rename({"C3": "C4"})(signal)


def test_match_orders_and_knows_the_old_names(signal):
    old = Rename({"F3": "T3"})(signal)
    made = Match(["C4", "T7", "c3"])(old)
    assert made.space.names == ("C4", "T7", "c3") and np.array_equal(made.X, signal.X[[6, 2, 4]])


def test_match_of_a_missing_channel_is_an_error_unless_told(signal):
    with pytest.raises(BrokenDataError, match=r"no channel named T7, T8 .*missing=interpolate or =zero"):
        Match(["C3", "T7", "T8"])(signal)
    made = Match(["T7", "C3"], missing="zero")(signal)
    assert not made.X[0].any() and np.array_equal(made.X[1], signal.X[4])
    np.testing.assert_allclose(made.space.positions[0], standard_positions()["t7"])
    with pytest.raises(SentenceError, match="missing=drop is unknown"):
        Match(["C3"], missing="drop")


def test_missing_channels_are_splined_from_their_neighbours(signal):
    field = smooth(signal)
    made = Match(["Cz", "C4"], missing="interpolate")(Pick([n for n in signal.space.names[:10] if n != "Cz"])(field))
    assert np.corrcoef(made.X[0], field.X[5])[0, 1] > 0.99
    assert np.abs(made.X[0] - field.X[5]).max() < 0.15 * np.abs(field.X[5]).max()
    np.testing.assert_allclose(made.X[1], field.X[6])


def test_a_broken_channel_is_replaced_and_no_other(signal):
    field = smooth(signal)
    X = field.X.copy()
    X[5] = np.nan
    made = Interpolate(["Cz"])(field.replace(X=X))
    assert np.abs(made.X[5] - field.X[5]).max() < 0.15 * np.abs(field.X[5]).max()
    others = [i for i in range(11) if i != 5]
    assert np.array_equal(made.X[others], field.X[others])


def test_interpolation_uses_standard_positions_of_known_names(signal):
    field = smooth(signal)
    blind = Pick()(field.replace(space=replace(signal.space, positions=None)))
    np.testing.assert_allclose(Interpolate(["Cz"])(blind).X[5], Interpolate(["Cz"])(field).X[5], atol=1e-6)
    strange = Rename({"Oz": "E17"})(blind)
    with pytest.raises(BrokenDataError, match="E17 have no position"):
        Interpolate(["Cz"])(strange)


def test_the_eyes_cannot_be_interpolated(signal):
    with pytest.raises(BrokenDataError, match="VEOG"):
        Interpolate(["VEOG"])(signal)
