"""What a sentence cannot mean is refused before any work, and the guilty word is named with its cure."""

from __future__ import annotations

import pytest

from conftest import make_windows
from corticode.compose import compose
from corticode.errors import GuardError, SentenceError
from corticode.prepare.base import Prepare
from corticode.prepare.filter import BandPass, Notch
from corticode.prepare.potato import Potato
from corticode.prepare.window import Cue
from corticode.sentence import check, guard
from corticode.split.cross_session import CrossSession
from corticode.split.loso import LOSO
from corticode.task.classification import Classification


def prepared(**steps):
    """Windows that say how they were prepared."""
    windows = Classification().label(make_windows())
    prepare = Prepare(window=Cue(0, 1), **steps)
    windows.info.update(steps=prepare.describe(), sees=prepare.sees)
    return windows


def refused(windows, *words, split=None):
    cfg = compose(["model=mdm", "data=simulated", *words])
    check(cfg)
    guard(cfg, windows, [] if split is None else split.folds(windows.meta, windows.y, cfg["align"]["access"], cfg["align"]["n_align"]))


def test_a_causal_run_names_the_guilty_step_and_its_own_cure():
    windows = prepared(filter=BandPass(8, 30, phase="causal"), reject=Potato(3.0))
    with pytest.raises(GuardError, match=r"\(steps: reject\): use prepare\.reject\.learn=past$"):
        refused(windows, "evaluate.causal=true")
    windows = prepared(notch=Notch(50.0), filter=BandPass(8, 30), reject=Potato(3.0, learn="past"))
    with pytest.raises(GuardError, match=r"\(steps: notch, filter\): use prepare\.notch\.phase=causal, prepare\.filter\.phase=causal$"):
        refused(windows, "evaluate.causal=true")


def test_a_causal_run_calibrates_on_the_past():
    windows = prepared(filter=BandPass(8, 30, phase="causal"))
    refused(windows, "evaluate.causal=true", split=LOSO(shots=2))
    refused(windows, "evaluate.causal=true", split=CrossSession(shots=0.2))
    with pytest.raises(GuardError, match=r"evaluate\.causal=true allows the past alone"):
        refused(windows, "evaluate.causal=true", split=LOSO(shots=0.2))  # of each session: the second is later than the rest of the first


def test_a_strict_run_does_not_choose_its_test_windows():
    with pytest.raises(GuardError, match=r"prepare\.reject\.learn=past or prepare\.reject\.keep=marked"):
        refused(prepared(reject=Potato(3.0, keep="clean")), "evaluate.strict=true")
    refused(prepared(reject=Potato(3.0)), "evaluate.strict=true")
    refused(prepared(reject=Potato(3.0, keep="clean", learn="past")), "evaluate.strict=true")


def test_access_means_nothing_where_nothing_is_aligned():
    for word in ("strict", "causal"):
        refused(prepared(), f"evaluate.{word}=true", "align.access=all", split=LOSO())
        with pytest.raises(GuardError, match=r"align\.access=all"):
            refused(prepared(), f"evaluate.{word}=true", "align=riemannian", "align.access=all")


def test_nobody_is_aligned_by_nothing():
    words = ["align=riemannian", "align.access=trialwise"]
    with pytest.raises(SentenceError, match=r"subject S1: align\.access=trialwise aligns by windows seen before.*use align\.access=online"):
        refused(prepared(), *words, split=LOSO())
    refused(prepared(), *words, split=CrossSession())  # the first session is known
    refused(prepared(), "align.access=trialwise", split=LOSO())


def test_procrustes_is_given_labels_of_each_domain():
    words = ["adapt=procrustes"]
    with pytest.raises(SentenceError, match=r"each subject: give some of each person, split\.shots=5"):
        refused(prepared(), *words, split=LOSO())
    with pytest.raises(SentenceError, match=r"session 1: .*split\.shots=0\.2 gives the first of each session, or use adapt\.by=subject"):
        refused(prepared(), *words, "adapt.by=session", split=LOSO(shots=3))
    refused(prepared(), *words, "adapt.by=session", split=LOSO(shots=0.2))
    refused(prepared(), *words, split=LOSO(shots=3))
    with pytest.raises(SentenceError, match="use align=none"):
        refused(prepared(), *words, "align=riemannian")
