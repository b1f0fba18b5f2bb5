import numpy as np
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.reference import Reference, laplacian


def test_average_leaves_no_common_part_and_does_not_touch_the_eyes(signal):
    made = Reference("average")(signal)
    np.testing.assert_allclose(made.X[:10], signal.X[:10] - signal.X[:10].mean(axis=0), atol=1e-10)
    assert np.array_equal(made.X[10], signal.X[10]) and made.space == signal.space


def test_average_is_that_of_mne(signal):
    import mne

    raw = mne.io.RawArray(signal.X[:10], mne.create_info(list(signal.space.names[:10]), 128, "eeg"), verbose="error")
    raw.set_eeg_reference("average", verbose="error")
    np.testing.assert_allclose(Reference("average")(signal).X[:10], raw.get_data(), atol=1e-10)


def test_laplacian_takes_the_nearest_neighbours(signal):
    part = signal.space.pick([i for i, name in enumerate(signal.space.names) if name != "VEOG"])
    mix = laplacian(part, 4)
    cz = part.names.index("Cz")
    near = {part.names[i] for i in np.flatnonzero(mix[cz]) if i != cz}
    assert {"C3", "C4"} <= near and not near & {"Fp1", "Fp2", "Oz"} and len(near) == 4
    np.testing.assert_allclose(mix.sum(axis=1), 0, atol=1e-12)


def test_laplacian_without_positions_names_the_channels(signal):
    from dataclasses import replace

    lost = signal.replace(space=replace(signal.space, positions=None))
    with pytest.raises(BrokenDataError, match=r"10 have no position \(Fp1"):
        Reference("laplacian")(lost)


def test_laplacian_with_too_few_channels_is_refused(signal):
    with pytest.raises(SentenceError, match="needs more than 10 channels"):
        Reference("laplacian", n_neighbours=10)(signal)


def test_bipolar_makes_named_differences_half_way(signal):
    made = Reference("bipolar", pairs=["C3-P3", "C4-P4"])(signal)
    assert made.space.names == ("C3-P3", "C4-P4", "VEOG") and made.space.channel_types == ("eeg", "eeg", "eog")
    where = signal.space.index(["C3", "P3"])
    np.testing.assert_allclose(made.X[0], signal.X[where[0]] - signal.X[where[1]], atol=1e-12)
    np.testing.assert_allclose(made.space.positions[0], signal.space.positions[where].mean(axis=0))


def test_what_makes_no_sense_is_refused(signal):
    with pytest.raises(SentenceError, match=r"needs pairs"):
        Reference("bipolar")
    with pytest.raises(SentenceError, match="two different channels"):
        Reference("bipolar", pairs=["C3"])
    with pytest.raises(SentenceError, match="kind=mastoid is unknown: pick one of average, laplacian, bipolar"):
        Reference("mastoid")
    with pytest.raises(BrokenDataError, match="no channel named T9"):
        Reference("bipolar", pairs=["C3-T9"])(signal)


def test_none_is_off():
    assert Reference("none").off and Reference("none").arguments() == Reference().arguments()
