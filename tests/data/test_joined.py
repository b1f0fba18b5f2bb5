from dataclasses import replace

import numpy as np
import pytest

from corticode.compose import compose
from corticode.data.joined import Joined
from corticode.data.simulated import Simulated
from corticode.errors import SentenceError
from corticode.experiment import run_config
from corticode.prepared import prepared
from corticode.recording import Recording

SMALL = {"n_subjects": 2, "n_sessions": 1, "n_trials": 10}
HIGH = {"simulated": {**SMALL, "n_channels": 30, "sfreq_hz": 250.0, "n_classes": 4}}
LOW = {"simulated": {**SMALL, "n_channels": 22, "sfreq_hz": 128.0, "seed": 7, "eog": False}}


def test_common_channels_in_the_order_of_the_first():
    joined = Joined([HIGH, LOW])
    recordings = list(joined.recordings())
    assert [r.who["dataset"] for r in recordings] == ["simulated"] * 2 + ["simulated_2"] * 2
    high, low = recordings[0].read(), recordings[2].read()
    assert high.space.names == low.space.names and len(high.space) == 22 and {high.space.sfreq, low.space.sfreq} == {250.0, 128.0}
    alone = next(Simulated(**HIGH["simulated"]).recordings()).read()
    assert np.array_equal(high.X, alone.X[alone.space.index(high.space.names)])
    assert np.allclose(high.space.positions, alone.space.positions[alone.space.index(high.space.names)])
    assert any("joined on 22 channels" in note for note in joined.notes)


def test_common_labels():
    assert Joined([HIGH, LOW]).classes == {"event": ["left_hand", "right_hand"]}
    with pytest.raises(SentenceError, match="fewer than two labels in common"):
        _ = Joined([LOW, "ssvep_exo"]).classes


def test_old_and_new_names_are_one_electrode():
    class Old(Simulated):
        name = "old"

        def recordings(self):
            for recording in super().recordings():
                yield Recording(recording.who, lambda read=recording.read: renamed(read()), recording.facts, origin=recording.origin)

    def renamed(signal):
        names = tuple({"T7": "T3", "P8": "t6"}.get(name, name) for name in signal.space.names)
        return signal.replace(space=replace(signal.space, names=names))

    new = {**SMALL, "n_channels": 64, "eog": False}
    joined = Joined([Simulated(**new), Old(**new)])
    assert {len(r.read().space) for r in joined.recordings()} == {64} and "T7" in list(joined.recordings())[-1].read().space.names


def test_one_set_teaches_and_the_other_is_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["data=joined", "model=tangent_space", "align=riemannian", f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false", "report=false", "progress=silent"]  # fmt: skip
    cfg = compose(words)
    cfg["data"]["sets"] = [HIGH, LOW]
    assert cfg["choices"]["split"] == "cross_dataset"
    windows = prepared(cfg)
    assert windows.space.sfreq == 128 and len(windows.space) == 22 and len(windows) == 40
    result = run_config(cfg, tmp_path / "run")
    folds = result.scores[(result.scores["level"] == "subject") & (result.scores["metric"] == "balanced_accuracy")]
    assert set(zip(folds["fold"], folds["dataset"], strict=True)) == {(name, name) for name in ("simulated", "simulated_2")}
    assert set(result.scores["access"]) == {"online"} and len(folds) == 4  # each person once, by the other set alone


def test_lists_and_arguments_can_be_typed():
    cfg = compose(["data=joined", "data.sets=[physionet_mi,{simulated:{n_subjects:3}}]"])
    assert list(Joined(cfg["data"]["sets"]).members) == ["physionet_mi", "simulated"]
    assert list(Joined(["bci_iv_2a"]).members) == ["bnci2014_001"]


@pytest.mark.parametrize(
    "sets, words",
    [(["simulate"], "simulated"), ([{"simulated": {"subject": 2}}], "n_subjects"), ([], "empty"), (["joined"], "no data set"), ([{"a": {}, "b": {}}], "one name")],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(sets, words):
    with pytest.raises(SentenceError, match=words):
        _ = Joined(sets).members


def test_nothing_in_common_is_refused():
    class Other(Simulated):
        name = "other"

        def recordings(self):
            for recording in super().recordings():
                yield Recording(recording.who, lambda read=recording.read: renamed(read()), origin=recording.origin)

    def renamed(signal):
        return signal.replace(space=replace(signal.space, names=tuple(f"E{i}" for i in range(len(signal.space)))))

    with pytest.raises(SentenceError, match="fewer than two channels in common"):
        list(Joined([Simulated(**SMALL), Other(**SMALL)]).recordings())
