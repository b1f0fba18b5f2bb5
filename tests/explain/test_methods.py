"""Each method finds a planted source (one electrode, one band, one time), and does not find it in a network that knows nothing."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.explain.control import ignorant
from corticode.explain.methods import METHODS, explain, possible
from explain.conftest import classical, network
from explain.planted import HZ, NAMES, WHEN_S, WHERE, planted

# Grad-CAM and Eigen-CAM look at maps that 0.64 s of signal go into.
HZ_OFF, S_OFF, CAM_S_OFF = 4.0, 0.3, 0.4


def strongest(found, view):
    """Return where the last class (`burst`, or all) has its largest value: a name, or the middle of a cell in s and Hz."""
    middle_s, middle_hz = ((edges[1:] + edges[:-1]) / 2 for edges in (found.edges_s, found.edges_hz))
    place = np.unravel_index(found.views[view][-1].argmax(), found.views[view][-1].shape)
    return {
        "electrode": lambda: NAMES[place[0]],
        "time": lambda: middle_s[place[0]],
        "frequency": lambda: middle_hz[place[0]],
        "time_frequency": lambda: (middle_hz[place[0]], middle_s[place[1]]),
    }[view]()


@pytest.fixture(scope="module")
def explained(source, trained):
    return {method: explain(trained, source[:96], method) for method in METHODS}


@pytest.mark.parametrize("method", ["gradient", "integrated", "occlusion"])
def test_the_electrode_is_found_and_only_by_what_learned(explained, method):
    one = explained[method]
    assert strongest(one.found, "electrode") == WHERE
    assert strongest(one.control, "electrode") != WHERE
    assert one.agreement["electrode"] < 0.6


@pytest.mark.parametrize("method", ["gradient", "integrated"])
def test_band_and_time_are_found_and_only_by_what_learned(explained, method):
    one = explained[method]
    hz, s = strongest(one.found, "time_frequency")
    assert abs(hz - HZ) <= HZ_OFF and abs(s - WHEN_S) <= S_OFF
    hz, s = strongest(one.control, "time_frequency")
    assert abs(hz - HZ) > HZ_OFF or abs(s - WHEN_S) > S_OFF
    assert one.agreement["time_frequency"] < 0.4


def test_occlusion_finds_the_band_and_the_moment(explained):
    one = explained["occlusion"]
    assert one.found.edges_hz[one.found.views["frequency"][0].argmax()] == 13
    hz, s = strongest(one.found, "time_frequency")
    assert 13 < hz < 30 and abs(s - WHEN_S) <= S_OFF
    # what is asked about is the truth: nothing that knows nothing can lose it
    assert np.abs(one.control.views["frequency"]).max() < 0.2 * one.found.views["frequency"].max()
    assert one.agreement["time_frequency"] < 0.4


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "eigencam"])
def test_the_time_is_found_by_activation_maps_and_only_by_what_learned(explained, method):
    one = explained[method]
    assert abs(strongest(one.found, "time") - WHEN_S) <= CAM_S_OFF
    control = one.control.views["time"][-1]
    middle = (one.control.edges_s[1:] + one.control.edges_s[:-1]) / 2
    near = np.abs(middle - WHEN_S) <= CAM_S_OFF
    real = one.found.views["time"][-1]
    assert real[near].mean() / real[~near].mean() > 1.5 * control[near].mean() / control[~near].mean()
    assert one.agreement["time"] < 0.6


def test_the_electrode_is_found_by_the_activation_maps_of_a_network_that_keeps_channels(source):
    from corticode.encoder.eegformer import EEGFormer

    one = explain(network(source, epochs=20, encoder=EEGFormer), source[:96], "hirescam")
    assert strongest(one.found, "electrode") == WHERE
    assert strongest(one.control, "electrode") != WHERE
    assert one.agreement["electrode"] < 0.6


def test_the_band_is_found_in_the_filters_and_only_of_what_learned(source, trained, explained):
    one = explained["filters"]
    near = np.abs((one.found.edges_hz[1:] + one.found.edges_hz[:-1]) / 2 - HZ) <= HZ_OFF
    found = one.found.views["frequency"].mean(axis=0)
    assert near[found.argmax()] and found[near].mean() > 1.3 * found[~near].mean()
    assert one.agreement["frequency"] < 0.4
    # four filters without knowledge may happen to like this band, many do not
    knowing_nothing = (ignorant(trained, source[:64], seed)[0] for seed in range(10))
    control = np.mean([METHODS["filters"](other, source[:64]).views["frequency"].mean(axis=0) for other in knowing_nothing], axis=0)
    assert control[near].mean() < 1.15 * control[~near].mean()


def test_occlusion_finds_the_electrode_of_a_classical_decoder():
    windows = planted(n=80, as_loud=False)
    decoder = classical(windows)
    assert possible(decoder) == ["occlusion"]
    one = explain(decoder, windows, "occlusion")
    assert one.against == "shuffled labels"
    assert strongest(one.found, "electrode") == WHERE
    assert strongest(one.found, "time_frequency")[1] == pytest.approx(WHEN_S, abs=S_OFF)
    assert one.control.views["electrode"].max() < 0.3 * one.found.views["electrode"].max()


def test_a_map_that_does_not_depend_on_the_weights_is_caught(source, trained, monkeypatch):
    from corticode.explain import methods
    from corticode.explain.maps import Map, class_means

    def loudness(decoder, windows):  # a map of the data alone
        view = class_means((windows.X**2).mean(axis=2).astype(float), windows.y)
        return Map("gradient", ("none", "burst"), {"electrode": view}, names=windows.space.names)

    monkeypatch.setitem(methods.METHODS, "gradient", loudness)
    assert explain(trained, source[:40], "gradient").agreement["electrode"] == pytest.approx(1.0)


def test_explaining_changes_neither_decoder_nor_chance(source, trained):
    import torch

    before, weights, chance = trained.predict(source[:20].blind()), trained.encoder.state(), torch.random.get_rng_state()
    for method in METHODS:
        explain(trained, source[:20], method, n_controls=1)
    np.testing.assert_array_equal(trained.predict(source[:20].blind()), before)
    assert all(np.array_equal(weights[name], value) for name, value in trained.encoder.state().items())
    assert torch.equal(torch.random.get_rng_state(), chance)


def test_the_same_question_has_the_same_answer(source, trained):
    one, other = (explain(trained, source[:24], "occlusion", n_controls=1) for _ in range(2))
    np.testing.assert_array_equal(one.found.views["electrode"], other.found.views["electrode"])
    assert one.agreement == other.agreement


def test_what_is_not_there_is_refused_with_a_cure(source, trained):
    with pytest.raises(SentenceError, match="did you mean"):
        explain(trained, source[:8], "gradent")
    with pytest.raises(SentenceError, match="without a control"):
        explain(trained, source[:8], "gradient", n_controls=0)
    with pytest.raises(SentenceError, match="use occlusion"):
        explain(classical(source), source[:8], "gradient")
    with pytest.raises(SentenceError, match="have none"):
        explain(trained, source[:8].blind(), "gradient")
    with pytest.raises(SentenceError, match="temporal filters"):
        explain(classical(source), source[:8], "filters")


def test_shuffled_weights_keep_their_sizes_and_norms_their_measure(source, trained):
    import torch

    other, told = ignorant(trained, source[:64], seed=0)
    assert told == "shuffled weights"
    for name, weight in trained.encoder.named_parameters():
        shuffled = dict(other.encoder.named_parameters())[name]
        assert torch.equal(weight.sort().values.flatten().sort().values, shuffled.flatten().sort().values)
        assert weight.numel() < 5 or not torch.equal(weight, shuffled)
    seen = {}
    norm = other.encoder.separable_norm
    norm.register_forward_hook(lambda module, inputs, output: seen.update(y=output))
    with torch.no_grad():
        other.encoder(torch.from_numpy(source.X[:64]))
    plain = (seen["y"] - norm.bias[:, None]) / norm.weight[:, None]
    # dropout was on while it measured, as in training
    assert plain.mean(dim=(0, 2)).abs().max() < 0.5 and 0.5 < plain.std(dim=(0, 2)).min() <= plain.std(dim=(0, 2)).max() < 1.5
    # half of the answers right, give or take
    assert np.mean(other.predict(source.blind()).argmax(axis=1) == source.y) < 0.8


def test_filters_that_were_learned_without_gradients_are_shuffled_too(source):
    from corticode.encoder.rleegnet import RLEEGNet

    decoder = network(source[:40], epochs=1, encoder=lambda *shape: RLEEGNet(*shape, n_outputs=2))
    other, _ = ignorant(decoder, source[:40], seed=0)
    real, shuffled = decoder.encoder.spatial.flatten(), other.encoder.spatial.flatten()
    assert not np.array_equal(real, shuffled) and np.array_equal(real.sort().values, shuffled.sort().values)


def test_one_class_alone_and_windows_of_one_person_are_explained(source, trained):
    rows = source[np.flatnonzero((source.y == 1) & (source.meta["subject"] == "S2").to_numpy())]
    assert explain(trained, rows, "gradient", n_controls=1).found.labels == ("burst",)
    assert np.isfinite(explain(trained, rows[:1], "occlusion", n_controls=1).found.views["electrode"]).all()


def test_alignment_is_followed_to_the_channels_as_recorded(source):
    from corticode.align.euclidean import Euclidean

    decoder = network(source, align=Euclidean())
    one = explain(decoder, source[:96], "gradient", n_controls=1)
    assert strongest(one.found, "electrode") == WHERE
