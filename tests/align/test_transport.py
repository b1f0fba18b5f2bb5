"""Optimal transport: equal to POT's own estimator, and honest about what it needs."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from corticode.align.riemannian import Riemannian
from corticode.align.transport import Transport
from corticode.errors import SentenceError
from corticode.layer import spd

pytest.importorskip("ot", reason="needs POT (the extra `transport`)")


def people(n=20, seed=0):
    rng = np.random.default_rng(seed)
    logs = spd.symmetric(0.4 * rng.standard_normal((2 * n, 6)))
    return spd.expm(logs), pd.DataFrame({"dataset": "d", "subject": ["S0"] * n + ["S1"] * n})


def centred(C, meta):
    return spd.upper(spd.logm(Riemannian().fit_source(C, meta)))


def test_it_carries_rows_as_pot_does_in_sample_and_out_of_it():
    import ot

    C, meta = people()
    aligner = Transport(access="calibration", entropy=0.1)
    aligner.fit_source(C[:20], meta[:20])
    aligned = aligner.observe(C[20:30], meta[20:30]).transform(C[20:], meta[20:])
    source = centred(C[:20], meta[:20])
    W = spd.invsqrtm(spd.mean_riemann(C[20:30]))
    target = spd.upper(spd.logm(W @ C[20:] @ W))
    cost = ot.dist(target[:10], source)
    reference = ot.da.SinkhornTransport(reg_e=0.1 * np.median(cost), max_iter=5000, tol=1e-9).fit(Xs=target[:10], Xt=source)
    np.testing.assert_allclose(spd.upper(spd.logm(aligned[:10])), reference.transform(Xs=target[:10]), atol=1e-6)
    np.testing.assert_allclose(spd.upper(spd.logm(aligned[10:])), reference.transform(Xs=target[10:]), atol=1e-6)


def test_goals_are_evenly_chosen_and_bounded():
    C, meta = people()
    aligner = Transport(n_source=5)
    aligner.fit_source(C, meta)
    np.testing.assert_allclose(aligner.goals, centred(C, meta)[[0, 10, 20, 29, 39]], atol=1e-9)


def test_online_is_refused():
    with pytest.raises(SentenceError, match="cannot follow a stream"):
        Transport(access="online")
    with pytest.raises(SentenceError, match="entropy above 0"):
        Transport(entropy=0)


def test_a_person_never_observed_is_refused_even_if_the_source_knew_them():
    C, meta = people()
    aligner = Transport()
    aligner.fit_source(C, meta)
    with pytest.raises(SentenceError, match=r"no window of this person but the source's own: observe"):
        aligner.transform(C[20:], meta[20:])


def test_without_pot_it_names_the_extra(monkeypatch):
    C, meta = people()
    aligner = Transport()
    aligner.fit_source(C[:20], meta[:20])
    aligned = aligner.observe(C[20:], meta[20:]).transform(C[20:], meta[20:])
    assert np.isfinite(aligned).all()
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(SentenceError, match=r"corticode\[transport\]"):
        aligner.observe(C[20:], meta[20:]).transform(C[20:], meta[20:])
