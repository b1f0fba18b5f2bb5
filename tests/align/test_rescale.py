"""Re-scaling: dispersions of people made alike, equal to pyriemann where all rows are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.align.rescale import Rescale, dispersion, stretch
from corticode.errors import SentenceError
from corticode.layer import spd


def people(n=40, seed=0):
    """Two people around other means, one scattered twice as widely (four times the dispersion)."""
    rng = np.random.default_rng(seed)
    person = np.repeat([0, 1], n)
    logs = spd.symmetric(rng.standard_normal((2 * n, 10)) * np.where(person, 0.4, 0.2)[:, None])
    mixing = np.eye(4) + 0.4 * rng.standard_normal((2, 4, 4))
    C = mixing[person] @ spd.expm(logs) @ mixing[person].swapaxes(-1, -2)
    return C, pd.DataFrame({"dataset": "d", "subject": [f"S{p}" for p in person]})


def test_source_equals_pyriemann():
    from pyriemann.transfer import TLCenter, TLScale, encode_domains

    C, meta = people()
    aligner = Rescale()
    aligned = aligner.fit_source(C, meta)
    _, named = encode_domains(C, np.zeros(len(C), dtype=int), meta["subject"].to_numpy())
    centred = TLCenter("S0").fit_transform(C, named)
    scale = TLScale("S0", final_dispersion=float(aligner.source_spread), centered_data=True)
    np.testing.assert_allclose(aligned, scale.fit_transform(centred, named), atol=1e-6)
    for subject in ("S0", "S1"):
        np.testing.assert_allclose(aligner.source[f"d\x1f{subject}"].more["spread"], scale.scales_[subject], rtol=1e-5)
        np.testing.assert_allclose(dispersion(aligned[meta["subject"] == subject]), aligner.source_spread, rtol=1e-6)


def test_a_target_seen_whole_gets_the_dispersion_of_the_source():
    C, meta = people()
    mine = meta["subject"] == "S1"
    aligner = Rescale(access="all", hold=0)
    aligner.fit_source(C[~mine], meta[~mine])
    aligned = aligner.observe(C[mine], meta[mine]).transform(C[mine], meta[mine])
    np.testing.assert_allclose(dispersion(aligned), aligner.source_spread, rtol=1e-6)
    centred = aligner.whiten(C[mine], aligner.target["d\x1fS1"].reference)
    assert dispersion(centred) > 3 * aligner.source_spread


def test_dispersion_online_and_in_portions_is_that_of_all():
    """One row at a time and two portions both come near the exact one; in one portion it is exact."""
    C, meta = people()
    mine = np.flatnonzero(meta["subject"] == "S1")
    exact = Rescale().observe(C[mine], meta.iloc[mine]).target["d\x1fS1"].more["spread"]
    one_by_one, portions = Rescale(), Rescale()
    one_by_one.transform(C[mine], meta.iloc[mine])
    for rows in (mine[:13], mine[13:]):
        portions.observe(C[rows], meta.iloc[rows])
    for aligner in (one_by_one, portions):
        np.testing.assert_allclose(aligner.target["d\x1fS1"].more["spread"], exact, rtol=0.03)


def test_few_rows_are_held_at_the_dispersion_of_the_source():
    C, meta = people()
    mine = np.flatnonzero(meta["subject"] == "S1")[:2]
    scatter = {}
    for hold in (0.0, 1e6):
        aligner = Rescale(hold=hold)
        aligner.fit_source(C[:40], meta[:40])
        scatter[hold] = aligner.transform(C[mine], meta.iloc[mine])[1]
    centred = aligner.whiten(C[mine[1:]], aligner.target["d\x1fS1"].reference)[0]
    np.testing.assert_allclose(scatter[1e6], centred, atol=1e-4)
    assert np.abs(scatter[0.0] - centred).max() > 1e-2


def test_no_scatter_is_left_as_it_is():
    eye = np.eye(3)[None]
    np.testing.assert_array_equal(stretch(eye, np.array(2.0), np.array(0.0)), eye)


def test_a_negative_hold_is_refused():
    with pytest.raises(SentenceError, match=r"align\.hold=-1"):
        Rescale(hold=-1)
