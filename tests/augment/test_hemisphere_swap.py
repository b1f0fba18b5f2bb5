"""The other half of the head, and the other hand with it."""

from __future__ import annotations

import pytest
import torch

from corticode.augment.hemisphere_swap import HemisphereSwap, homologue, mirrored
from corticode.errors import SentenceError
from corticode.space import Space

NAMES = ("FC5", "C3", "Cz", "C4", "FC6", "Fp1", "FP2")
SPACE = Space("eeg", NAMES, "uV", 100)
X = torch.randn(4, 7, 10, generator=torch.Generator().manual_seed(0))


def swap(y, **arguments):
    return HemisphereSwap(probability=1.0, **arguments)(X, y, SPACE)


def test_channels_and_hands_are_swapped_and_feet_stay():
    classes = ("feet", "left_hand", "tongue", "right_hand")
    x, y = swap(torch.tensor([0, 1, 2, 3]), classes=classes)
    assert y.tolist() == [0, 3, 2, 1]
    assert torch.equal(x, X[:, [4, 3, 2, 1, 0, 6, 5]])


def test_probabilities_are_swapped_by_their_columns():
    _, y = swap(torch.tensor([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0], [0.5, 0.5]]), classes=("left", "right"))
    assert torch.equal(y, torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.0, 1.0], [0.5, 0.5]]))


@pytest.mark.parametrize("arguments", [{"classes": ("rest", "arithmetic")}, {"classes": ("right_hand", "feet"), "labels": "keep"}])
def test_labels_without_a_side_stay(arguments):
    y = torch.tensor([0, 1, 1, 0])
    assert torch.equal(swap(y, **arguments)[1], y)


def test_values_stay():
    y = torch.tensor([0.5, -1.0, 2.0, 3.0])
    assert torch.equal(swap(y, classes=())[1], y)


def test_only_drawn_windows_change_their_label():
    y = torch.zeros(200, dtype=torch.int64)
    x = torch.arange(200.0)[:, None, None] * 10 + torch.arange(7.0)[:, None]
    swapped, labels = HemisphereSwap(probability=0.5, classes=("left", "right"))(x, y, SPACE, torch.Generator().manual_seed(0))
    turned = swapped[:, 0, 0] == x[:, 4, 0]
    assert 70 < turned.sum() < 130
    assert torch.equal(labels == 1, turned)


def test_a_side_without_its_counterpart_is_refused():
    with pytest.raises(SentenceError, match=r"right_hand.*labels=keep"):
        HemisphereSwap(probability=1.0, classes=("right_hand", "feet"))
    HemisphereSwap(probability=0.0, classes=("right_hand", "feet"))  # off: nobody asks


@pytest.mark.parametrize(
    "names,match", [(("C3", "Cz"), "C3"), (("E1", "E2"), "E1, E2"), (("A31", "A32"), "A31"), (("Fz", "Cz"), "midline")]
)
def test_channels_without_a_counterpart_are_refused(names, match):
    with pytest.raises(SentenceError, match=match):
        HemisphereSwap(probability=1.0).check(Space("eeg", names, "uV", 100), 10)


def test_old_and_new_names_are_one_electrode():
    assert mirrored(("T3", "T8", "t5", "P8")) == (1, 0, 3, 2)


@pytest.mark.filterwarnings("ignore:Montage name:FutureWarning")
def test_the_counterpart_of_every_electrode_lies_on_the_other_side():
    mne = pytest.importorskip("mne")
    places = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    known = {name.lower(): place for name, place in places.items()}
    assert len(places) > 300
    for name, place in places.items():
        there = known[homologue(name)]
        assert abs(there - place * [-1, 1, 1]).max() < 0.005, name
