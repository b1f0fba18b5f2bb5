"""Guards hold any fold to what it says: planted leaks of the benchmark, each for its own reason, and clean splits."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import make_windows
from corticode.data.ssvep_exo import SsvepExo
from corticode.errors import BrokenDataError, GuardError, SentenceError
from corticode.split.base import Fold
from corticode.split.guard import check_fold, check_folds
from corticode.split.kfold import KFold
from corticode.split.loso import LOSO
from corticode.split.rows import Spans
from corticode.split.twin import stretches, twins
from corticode.task.classification import Classification
from corticode.windows import Windows

_FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "leaks.py"
_SPEC = importlib.util.spec_from_file_location("leaks", _FILE)
leaks = sys.modules["leaks"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(leaks)

# a word of the sentence that each kind is refused with: the reason, not just a refusal
REASONS = {
    "a row on both sides": "rows stand in fit and in test",
    "a row under two numbers (-1 and the last)": "counted from 0",
    "windows of a trial on both sides": "trials stand in fit and in test",
    "calibration and test share a trial": "trials stand in fit and in test",
    "overlapping windows on both sides": "share samples",
    "past and future without a gap": "share samples",
    "a baseline inside a window of the other side": "share samples",
    "context that reaches over the cut": "share samples",
    "the test person in a split across people": "are of one subject",
    "the test session in a split across sessions": "are of one session",
    "the test site in a split across sites": "are of one site",
    "the future in a split from past to future": "promises the past alone",
    "a recording under two names": "the same signal",
    "a recording under two names, another gain and offset": "the same signal",
    "a recording under two names, polarity turned": "the same signal",
    "a recording under two names, rounded": "the same signal",
    "windows repeated before the split (oversampling)": "the same signal",
    "a stimulus that the target is made of": "share a stimulus",
    "a recording under two names, cues some samples later": "stretches of signal",
    "the same, channels in another order": "stretches of signal",
    "overlapping windows that do not say so": "stretches of signal",
    "overlapping windows, each a recording of its own": "stretches of signal",
    "labelled windows of the target recorded after those asked": "promises the past alone",
    "a trigger line among the channels": "trigger line",
    "a trigger line with 0.1 % of noise": "trigger line",
    "a trigger line that marks one of three classes": "trigger line",
    "a marker in the first sample": "trigger line",
    "a preparation fitted on all recordings": "changed its seen",
}
PLANTED, CLEAN = list(leaks.planted()), list(leaks.clean())


def test_there_are_as_many_as_promised():
    assert len(PLANTED) >= 30 and len(CLEAN) >= 20 and {case.kind for case in PLANTED} == set(REASONS)


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.kind)
def test_a_planted_leak_is_refused_for_its_reason(case):
    assert REASONS[case.kind] in leaks.ours(case)


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.kind)
def test_a_clean_split_is_let_through(case):
    assert leaks.ours(case) == ""


def test_all_that_leakfence_finds_and_more():
    pytest.importorskip("leakfence", reason="needs leakfence (PyPI)")
    found = [(bool(leaks.theirs(case)), bool(leaks.ours(case))) for case in PLANTED]
    assert all(us for them, us in found if them) and sum(them for them, _ in found) < sum(us for _, us in found)
    assert sum(them for them, _ in found) >= 18  # used as its authors mean it, it does find what it is for


# -- what is named -----------------------------------------------------------------------------------------------------


def test_rows_are_named():
    windows = leaks.recorded()
    with pytest.raises(GuardError, match=r"row 0 \(dataset own, subject S1, session 0, recording S1_0, trial 0\) and row 3 \(.*subject S1"):
        check_fold(windows, Fold(fit=[0, 1, 30], test=[3], name="x", unseen="subject"))


def test_rows_that_are_not_there_are_refused():
    windows = leaks.recorded()
    with pytest.raises(GuardError, match="test names row 96, and there are 96"):
        check_fold(windows, Fold(fit=[0], test=[96], name="x"))
    with pytest.raises(GuardError, match="fit holds float64"):
        Fold(fit=[0.5], test=[1], name="x")
    with pytest.raises(GuardError, match="fit holds bool"):
        Fold(fit=[True, False], test=[1], name="x")


def test_an_unknown_promise_is_refused():
    with pytest.raises(SentenceError, match="unseen=planet"):
        check_fold(leaks.recorded(), Fold(fit=[0, 1], test=[40], name="x", unseen="planet"))


def test_alignment_may_see_the_test_itself_and_nothing_beside_it():
    sliding = leaks.recorded(step_s=0.5)
    fit, mine = leaks.of(sliding, subject=["S1", "S2"]), leaks.of(sliding, subject="S3", session="0")
    check_fold(sliding, Fold(fit, mine, "x", align=mine, unseen="subject"))
    with pytest.raises(GuardError, match="share samples"):
        check_fold(sliding, Fold(fit, mine[4:], "x", align=mine[:4], unseen="subject"))
    check_fold(sliding, Fold(fit, mine[5:], "x", align=mine[:4], unseen="subject"))


# -- spans -------------------------------------------------------------------------------------------------------------


def test_spans_meet_where_their_intervals_do():
    """Against all pairs, with windows of different places, two recordings and neighbours."""
    rng = np.random.default_rng(0)
    for context in ((0, 0), (2, 1)):
        meta = pd.DataFrame({"dataset": "d", "subject": "1", "session": "", "run": "", "recording": rng.choice(["a", "b"], 60), "onset_s": rng.uniform(0, 60, 60).round(1)})  # fmt: skip
        spans = Spans.of(meta, (-0.5, 1.5), context)
        rows = rng.permutation(60)
        one, other = rows[:25], rows[25:45]
        meet = [
            any(
                spans.recording[i] == spans.recording[j]
                and spans.start_s[i] < spans.stop_s[j] - 1e-6
                and spans.start_s[j] < spans.stop_s[i] - 1e-6
                for j in other
            )
            for i in one
        ]
        assert list(spans.touching(one, other)) == meet and any(meet) and not all(meet)


def test_context_is_that_of_the_recording():
    meta = pd.DataFrame({"dataset": "d", "subject": "1", "session": "", "run": "", "recording": [*"aaabb"], "onset_s": [0.0, 2, 4, 0, 2]})
    spans = Spans.of(meta, (0.0, 1.0), (1, 1))
    assert list(spans.start_s) == [0, 0, 2, 0, 0] and list(spans.stop_s) == [3, 5, 5, 3, 3]


# -- signals under two names -------------------------------------------------------------------------------------------


def test_twins_are_kept_beside_the_arrays(tmp_path):
    windows = leaks.recorded()
    X = np.array(windows.X)
    X[50], X[7] = X[3], 2 * X[4] + 1
    X[80:82] = 0.0  # windows in which nothing was recorded are like no other
    saved = Windows.from_arrays(X, sfreq=64, subject=windows.meta["subject"]).save(tmp_path / "windows")
    number = twins(saved)
    groups = pd.Series(np.arange(len(number))).groupby(number).apply(list)
    assert [rows for rows in groups if len(rows) > 1] == [[3, 50], [4, 7]]
    assert (tmp_path / "windows" / "twins.npy").is_file()
    part = saved[[50, 60, 3]]
    assert len(set(twins(part))) == 2 and twins(part)[0] == twins(part)[2]


def test_many_copies_do_not_make_a_million_pairs():
    X = np.repeat(np.random.default_rng(0).standard_normal((1, 4, 64)) * 10, 3000, axis=0)
    assert len(set(twins(Windows.from_arrays(X, sfreq=64)))) == 1


@pytest.mark.parametrize("shape", [(1, 64), (64, 1), (40, 2)])
def test_small_windows_have_twins_too(shape):
    X = 10 * np.random.default_rng(0).standard_normal((50, *shape))
    X[9] = X[2]
    number = twins(Windows.from_arrays(X, sfreq=64, kind="eeg"))
    assert number[9] == number[2] and len(set(number)) == 49


def test_what_falls_together_by_chance_is_no_copy():
    few = np.random.default_rng(0).standard_normal((500, 3, 1)) * 10
    counts = np.random.default_rng(0).poisson(0.02, (200, 10, 8))
    assert len(set(twins(Windows.from_arrays(few, sfreq=64)))) == 500
    assert len(set(twins(Windows.from_arrays(counts, sfreq=64, kind="unit", unit="count")))) == 200


def test_a_signal_that_stands_still_shares_no_stretch(tmp_path):
    """Switched off, or clipped at both ends; and stretches are kept beside the arrays, for any choice of rows."""
    rng = np.random.default_rng(0)
    signal = 10 * rng.standard_normal((4, 700))
    X = np.stack([signal[:, i * 64 : i * 64 + 64] for i in range(10)])
    X[2:4, :, 20:50] = 0.0
    X[4:6, :, 20:50] = 80.0 * (-1.0) ** np.arange(30)
    X[6] = 50.0
    assert len(stretches(Windows.from_arrays(X, sfreq=64))[0]) == 0
    X[8, :, 30:] = X[1, ::-1, 10:44]
    saved = Windows.from_arrays(X, sfreq=64).save(tmp_path / "windows")
    assert set(stretches(saved)[1]) == {1, 8} and (tmp_path / "windows" / "stretches.npy").is_file()
    assert set(stretches(saved[[8, 3, 1]])[1]) == {0, 2}


def test_no_window_is_a_copy_by_way_of_a_third():
    """Half the channels of the one in between are the first's, half the last's: neither is a copy of the other."""
    X = 10 * np.random.default_rng(0).standard_normal((3, 6, 64))
    X[1, :3] = X[0, :3]
    X[1, 3:] = X[2, 3:]
    assert len(set(twins(Windows.from_arrays(X, sfreq=64)))) == 3


def test_a_session_filed_under_a_second_person_is_found(shared, tmp_path):
    """The fault that the source of this data set had: sub-03 ses-02 stood there as sub-07's as well."""
    source, root = shared / "data" / "eeg" / "ssvep_exo", tmp_path / "ssvep_exo"
    if not source.is_dir():
        pytest.skip("needs data/eeg/ssvep_exo")
    root.mkdir()
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, root / file.name)
    for person in ("sub-03", "sub-07"):
        shutil.copytree(source / person, root / person)
    data = SsvepExo(str(root))
    recordings = list(data.recordings())
    data.check_distinct(recordings)
    for file in sorted((source / "sub-03" / "ses-02").rglob("*")):
        target = root / "sub-07" / "ses-09" / file.relative_to(source / "sub-03" / "ses-02")
        target = target.with_name(target.name.replace("sub-03_ses-02", "sub-07_ses-09"))
        if file.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    again = list(SsvepExo(str(root)).recordings())
    assert len(again) > len(recordings)
    with pytest.raises(BrokenDataError, match=r"sub-03.*ses-02.*sub-07|sub-07.*sub-03.*ses-02"):
        data.check_distinct(again)


# -- stimuli -----------------------------------------------------------------------------------------------------------


def shown():
    windows = make_windows(n_subjects=3, n_sessions=1)
    rows = np.arange(len(windows)) % 12
    return windows._replace(
        meta=windows.meta.assign(stimulus=np.where(rows < 10, np.char.add("image", (rows // 2 * 2 + rows % 2).astype(str)), None))
    )


def test_a_stimulus_is_kept_whole_or_the_run_is_refused():
    labelled = Classification(made_of=["stimulus"]).label(shown())
    with pytest.raises(GuardError, match=r"share a stimulus that the target is made of.*split\.by=stimulus"):
        check_folds(labelled, LOSO().folds(labelled.meta, labelled.y))
    folds = KFold(n_folds=2, by="stimulus").folds(labelled.meta, labelled.y)
    check_folds(labelled, folds)
    check_folds(Classification().label(shown()), LOSO().folds(labelled.meta, labelled.y))
    with pytest.raises(Exception, match=r"task\.made_of=picture"):
        Classification(made_of=["picture"]).label(shown())
