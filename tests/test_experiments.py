"""The recipes of BCI Competition IV 2a run from files of its format to a score, day to day and person to person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from corticode import catalogue
from corticode.compose import compose
from corticode.experiment import Sentence, run_many

SFREQ, N_RUNS, N_TRIALS = 250, 6, 4
DAYS = sorted(name for name in catalogue.names("experiment") if name.startswith("bci_iv_2a_") and not name.endswith(("_loso", "_moabb")))
QUICK = ["model.train.max_epochs=1", "model.train.second_stage_epochs=0", "report=false", "progress=silent", "engine.n_jobs=1"]


def write_session(file: Path, seed: int) -> None:
    """A session as BNCI keeps it: [times, 25] in uV, a trial every 8 s, its cue 2 s after the trial begins."""
    rng = np.random.default_rng(seed)
    cell = np.empty((1, N_RUNS), dtype=object)
    for run in range(N_RUNS):
        start = SFREQ + 8 * SFREQ * np.arange(N_TRIALS)
        y = rng.permutation(np.tile([1, 2, 3, 4], N_TRIALS // 4))
        X = 10 * rng.standard_normal((start[-1] + 9 * SFREQ, 25))
        for first, label in zip(start, y, strict=True):
            X[first + 2 * SFREQ : first + 7 * SFREQ, label] *= 0.5
        cell[0, run] = {
            "X": X, "fs": np.uint8(SFREQ), "gender": "female", "age": np.uint8(22), "trial": (start + 1).astype("u4")[:, None],
            "y": y.astype("u1")[:, None], "artifacts": np.zeros((N_TRIALS, 1), "u1"),
            "classes": np.array([["left hand", "right hand", "feet", "tongue"]], dtype=object),
        }  # fmt: skip
    savemat(file, {"data": cell}, do_compression=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("bnci")
    for person in (1, 2):
        for i, day in enumerate("TE"):
            write_session(root / f"A{person:02d}{day}.mat", 10 * person + i)
    return root


def ran(name: str, files: Path, folder: Path):
    cfg = compose([f"experiment={name}", f"data.root={files}", f"paths.data={files / 'store'}", "data.subjects=[A01,A02]", *QUICK])
    [result] = run_many([Sentence(cfg, folder)])
    assert not isinstance(result, Exception), result
    return cfg, result


def test_every_network_of_the_papers_has_both_recipes():
    known = set(catalogue.names("experiment"))
    networks = "eegnet shallow_convnet deep_convnet eeg_tcnet atcnet conformer ctnet fbcnet ifnet dbconformer tcformer eeg_simpleconv mvcnet rleegnet"
    assert {f"bci_iv_2a_{name}{split}" for name in networks.split() for split in ("", "_loso")} <= known


@pytest.mark.parametrize("name", DAYS)
def test_from_the_first_day_to_the_second(name, files, tmp_path):
    cfg, result = ran(name, files, tmp_path / "run")
    assert cfg["choices"]["model"] == name.removeprefix("bci_iv_2a_")
    asked = result.predictions
    assert set(asked["fold"]) == {"A01/1test", "A02/1test"} and set(asked["session"]) == {"1test"}
    assert len(asked) == 2 * N_RUNS * N_TRIALS
    probabilities = asked[[c for c in asked if c.startswith("p_")]]
    assert np.isfinite(probabilities.to_numpy()).all()
    assert any(note.startswith("expected balanced_accuracy of") for note in result.summary["notes"])


@pytest.mark.parametrize("name", ["bci_iv_2a_eegnet_loso", "bci_iv_2a_ctnet_loso", "bci_iv_2a_ifnet_loso"])
def test_from_one_person_to_the_other(name, files, tmp_path):
    _, result = ran(name, files, tmp_path / "run")
    assert len(result.predictions) == 2 * 2 * N_RUNS * N_TRIALS
    assert all(result.predictions["fold"] == result.predictions["subject"])
