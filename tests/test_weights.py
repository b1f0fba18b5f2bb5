"""Weights are verified and read without running code from them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from corticode import store, weights
from corticode.errors import BrokenDataError, MissingDataError
from corticode.space import Space
from corticode.weights import Saw, WeightCard

SPACE = Space("eeg", ("C3", "C4"), "uV", 200)


def card(**facts):
    return WeightCard(
        **{
            "name": "tiny",
            "url": "https://nowhere.invalid/tiny.safetensors?download=1",
            "licence": "BSD-3-Clause",
            "expects": SPACE,
            **facts,
        }
    )


def write(path):
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"blocks.0.weight": np.eye(2, dtype=np.float32), "head.bias": np.ones(3, dtype=np.float32)}, str(path))
    return path


def test_a_file_that_lies_there_is_verified_and_read_without_a_network(tmp_path):
    file = write(tmp_path / "tiny.safetensors")
    found = weights.find(card(sha256=store.file_digest(file)), tmp_path)
    state = weights.load(found, {"blocks.0.weight": "layer.weight", "head.bias": ""})
    assert list(state) == ["layer.weight"] and np.array_equal(state["layer.weight"], np.eye(2))


def test_another_file_is_refused(tmp_path):
    write(tmp_path / "tiny.safetensors")
    with pytest.raises(BrokenDataError, match="wanted 0000"):
        weights.find(card(sha256="0" * 64), tmp_path)


def test_an_unknown_hash_is_noted_and_must_stay(tmp_path):
    file = write(tmp_path / "tiny.safetensors")
    weights.find(card(), tmp_path)
    assert store.file_digest(file) in (tmp_path / "tiny.safetensors.sha256").read_text()
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(BrokenDataError, match="another file"):
        weights.find(card(), tmp_path)


def test_offline_says_which_file_goes_where(tmp_path, monkeypatch):
    import pooch
    import requests

    def offline(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(MissingDataError, match=r"put https://nowhere\.invalid/tiny\.safetensors.* as .*tiny\.safetensors"):
        weights.find(card(), tmp_path)


def test_a_checkpoint_of_tensors_is_read_and_one_with_code_is_not(tmp_path):
    import torch

    torch.save({"state_dict": {"w": torch.eye(2), "b": torch.ones(2, dtype=torch.bfloat16)}, "epoch": 3}, tmp_path / "good.pt")
    state = weights.load(tmp_path / "good.pt")
    assert np.array_equal(state["w"], np.eye(2)) and state["b"].dtype == np.float32

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made_by_the_file"), "w"))

    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"w": Evil()}))
    with pytest.raises(BrokenDataError, match="without running code"):
        weights.load(tmp_path / "bad.pt")
    assert not (tmp_path / "made_by_the_file").exists()


def test_names_that_are_not_there_are_an_error(tmp_path):
    with pytest.raises(BrokenDataError, match=r"blocks\.7"):
        weights.load(write(tmp_path / "tiny.safetensors"), {"blocks.7.weight": "x"})


def test_weights_go_to_their_places_or_nowhere():
    from torch import nn

    network = nn.Linear(2, 3)
    before = network.weight.detach().clone()
    with pytest.raises(BrokenDataError, match=r"missing: bias; unknown: biass; of another shape: weight \[2, 2\], wanted \[3, 2\]"):
        weights.into(network, {"weight": np.ones((2, 2)), "biass": np.ones(3)})
    assert bool((network.weight == before).all())
    weights.into(network, {"weight": np.ones((3, 2)), "bias": np.arange(3.0)})
    assert network.weight.detach().tolist() == [[1, 1]] * 3 and network.bias.tolist() == [0, 1, 2]


# -- whom weights saw --


META = pd.DataFrame({"dataset": ["physionet_mi"] * 2 + ["own"], "subject": ["S001", "S002", "S001"], "recording": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("saw", "known"),
    [
        (Saw(None), [False, False, False]),
        (Saw(frozenset({"physionetmi"})), [True, True, False]),
        (Saw(frozenset({"physionetmi"}), frozenset({("physionetmi", "S002")})), [False, True, False]),
        # the same recording under another name
        (Saw(frozenset(), frozenset(), frozenset({"1234"})), [False, False, True]),
    ],
)
def test_people_that_pretraining_saw_are_known(saw, known):
    assert saw.known(META, {"own/c": "1234", "physionet_mi/a": "5"}).tolist() == known
    assert Saw.from_dict(saw.to_dict()) == saw


def test_a_card_names_its_data_as_others_spell_them():
    assert card(pretrained_on=("PhysioNet-MI", "TUEG")).saw.known(META, {}).tolist() == [True, True, False]
    assert card().saw.datasets is None


def test_weights_made_here_say_what_they_are(tmp_path):
    file, saw = tmp_path / "own.safetensors", Saw(frozenset({"own"}), frozenset({("own", "S1")}), frozenset({"12"}))
    weights.save(file, {"a": np.arange(3.0)}, {"n_times": 5}, saw)
    assert weights.about(file) == {"n_times": 5, "saw": saw}
    assert weights.load(file)["a"].tolist() == [0, 1, 2]
    assert weights.about(write(tmp_path / "other.safetensors")) == {}
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(BrokenDataError, match="cut short"):
        weights.about(file)
