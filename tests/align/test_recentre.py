"""Alignment: what each row may know, what becomes of a domain, and what is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.align.base import NoAlign
from corticode.align.euclidean import Euclidean
from corticode.align.riemannian import Riemannian
from corticode.errors import SentenceError
from corticode.layer import spd


def people(n=24, n_people=3, channels=4, times=100, seed=0):
    """Windows whose people differ by their mixing, in time order person by person."""
    rng = np.random.default_rng(seed)
    person = np.arange(n) * n_people // n
    mixing = np.eye(channels) + 0.7 * rng.standard_normal((n_people, channels, channels))
    X = mixing[person] @ rng.standard_normal((n, channels, times)) * 10
    meta = pd.DataFrame(
        {
            "dataset": "d",
            "site": "",
            "subject": [f"S{p}" for p in person],
            "session": [str(i % 8 // 4) for i in range(n)],
            "run": "",
            "recording": "",
            "trial": np.arange(n),
            "onset_s": np.arange(n, dtype=float),
        }
    )
    return X.astype(np.float32), meta


def signal(X):
    return X


def matrices(X):
    return spd.covariances(X, "oas")


def bands(X):
    return np.stack([spd.covariances(X, "oas"), spd.covariances(X[..., ::2], "oas")], axis=1)


CASES = {
    "euclidean": (Euclidean, signal),
    "riemannian_signal": (Riemannian, signal),
    "riemannian": (Riemannian, matrices),
    "riemannian_bands": (Riemannian, bands),
}


@pytest.fixture(params=CASES)
def case(request):
    new, features = CASES[request.param]
    X, meta = people()
    return new, features(X), meta


def check_centred(aligner, aligned):
    """The mean of aligned rows is the identity."""
    M = aligner.mean(aligner.matrices(aligned))
    np.testing.assert_allclose(M, np.broadcast_to(np.eye(4), M.shape), atol=1e-3 if aligned.dtype == np.float32 else 1e-6)


def rows_of(meta, subject):
    return np.flatnonzero(meta["subject"] == subject)


def test_every_source_domain_is_centred_by_its_own_rows(case):
    new, F, meta = case
    aligner = new()
    aligned = aligner.fit_source(F, meta)
    assert aligned.shape == F.shape and aligned.dtype == F.dtype
    for subject in meta["subject"].unique():
        rows = rows_of(meta, subject)
        check_centred(aligner, aligned[rows])
        alone = new().fit_source(F[rows], meta.iloc[rows])
        np.testing.assert_array_equal(alone, aligned[rows])


def test_online_row_knows_its_past_and_itself_only(case):
    """Changing a later row or another person's row changes nothing; changing an earlier one does."""
    new, F, meta = case
    source, target = rows_of(meta, "S0"), np.flatnonzero(meta["subject"] != "S0")

    def aligned(G):
        aligner = new()
        aligner.fit_source(G[source], meta.iloc[source])
        return aligner.transform(G[target], meta.iloc[target])

    before = aligned(F)
    for changed in (2, 5):
        G = F.copy()
        G[target[changed]] *= 3
        after = aligned(G)
        np.testing.assert_array_equal(after[:changed], before[:changed])
        assert (np.abs(after[changed:8] - before[changed:8]).reshape(8 - changed, -1).max(axis=1) > 1e-3).all()
        np.testing.assert_array_equal(after[8:], before[8:])  # the other person


def test_online_in_pieces_equals_online_at_once(case):
    """A stream hands over one row at a time."""
    new, F, meta = case
    whole = new().transform(F, meta)
    stream = new()
    pieces = [stream.transform(F[i : i + 1], meta.iloc[i : i + 1]) for i in range(len(F))]
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-6, atol=1e-9)


def test_online_ends_where_all_begins(case):
    """After its last row, the running reference is the mean over all rows (exactly so for arithmetic means)."""
    new, F, meta = case
    rows = rows_of(meta, "S1")
    online, fixed = new(), new(access="all").observe(F[rows], meta.iloc[rows])
    online.transform(F[rows], meta.iloc[rows])
    (running,), (exact,) = online.target.values(), fixed.target.values()
    assert running.count == exact.count == 8
    apart = spd.distance(running.reference, exact.reference).max()
    assert apart < (1e-10 if new is Euclidean else 0.05 * spd.distance(fixed.matrices(F[rows]), exact.reference).mean())


@pytest.mark.parametrize("access", ["calibration", "all"])
def test_fixed_access_stands_as_observed(case, access):
    new, F, meta = case
    rows = rows_of(meta, "S1")
    aligner = new(access=access).observe(F[rows[:5]], meta.iloc[rows[:5]])
    aligned = aligner.transform(F[rows], meta.iloc[rows])
    np.testing.assert_array_equal(aligner.transform(F[rows], meta.iloc[rows]), aligned)
    np.testing.assert_allclose(aligned[5:], aligner.transform(F[rows[5:]], meta.iloc[rows[5:]]), rtol=1e-6)
    check_centred(aligner, aligned[:5])


def test_fixed_access_to_a_stranger_is_refused(case):
    new, F, meta = case
    with pytest.raises(SentenceError, match=r"none were seen of d S1: observe.*online"):
        aligner = new(access="calibration").observe(F[:8], meta[:8])
        aligner.transform(F[8:10], meta[8:10])


def test_what_was_observed_is_past(case):
    new, F, meta = case
    rows = rows_of(meta, "S2")
    a, b = new(), new()
    a.transform(F[rows[:1]], meta.iloc[rows[:1]])
    b.observe(F[rows[:1]], meta.iloc[rows[:1]])
    np.testing.assert_allclose(
        a.transform(F[rows[1:]], meta.iloc[rows[1:]]), b.transform(F[rows[1:]], meta.iloc[rows[1:]]), rtol=1e-6, atol=1e-9
    )


def test_a_person_known_from_the_source_goes_on_from_there(case):
    new, F, meta = case
    aligner = new()
    aligner.fit_source(F[:23], meta[:23])
    mine = rows_of(meta, "S2")
    last = aligner.transform(F[23:], meta[23:])
    aligner.forget()
    np.testing.assert_array_equal(aligner.transform(F[23:], meta[23:]), last)
    # seven rows of the source and this one: nearly as in a fit that had all eight
    close = new().fit_source(F[mine], meta.iloc[mine])[-1]
    assert np.abs(last[0] - close).max() < 0.2 * np.abs(close).max()
    # by session the last row's session has had three rows less
    by_session = new(by="session")
    by_session.fit_source(F[:20], meta[:20])
    stranger = by_session.transform(F[20:21], meta[20:21])
    np.testing.assert_array_equal(stranger, new(by="session").transform(F[20:21], meta[20:21]))


def test_forget_drops_targets_only(case):
    new, F, meta = case
    aligner = new()
    aligner.fit_source(F[:16], meta[:16])
    first = aligner.transform(F[16:], meta[16:])
    assert not np.array_equal(aligner.transform(F[16:], meta[16:]), first)
    np.testing.assert_array_equal(aligner.forget().transform(F[16:], meta[16:]), first)


def test_prior_holds_the_first_rows_back(case):
    """Without a prior the first online row is made plain white; with one, some of it is left."""
    new, F, meta = case
    bare, held = new(), new(prior=5)
    for aligner in (bare, held):
        aligner.fit_source(F[:16], meta[:16])
    check_centred(bare, bare.transform(F[16:17], meta[16:17]))
    kept = held.matrices(held.transform(F[16:17], meta[16:17]))[0]
    assert np.abs(kept - np.eye(4)).max() > 0.3


def test_state_goes_on_where_it_was_saved(case):
    new, F, meta = case
    aligner = new(prior=2)
    aligner.fit_source(F[:16], meta[:16])
    aligner.observe(F[16:18], meta[16:18])
    state = {name: np.ascontiguousarray(value) for name, value in aligner.state().items()}
    assert all(value.dtype.kind in "fu" for value in state.values())
    loaded = new(**aligner.arguments()).load_state(state)
    np.testing.assert_array_equal(loaded.transform(F, meta), aligner.transform(F, meta))
    np.testing.assert_array_equal(loaded.forget().transform(F, meta), aligner.forget().transform(F, meta))


def test_an_unfitted_aligner_has_an_empty_state(case):
    new, F, meta = case
    assert new().state() == {}
    np.testing.assert_array_equal(new().load_state({}).transform(F, meta), new().transform(F, meta))


def test_input_is_left_alone(case):
    new, F, meta = case
    before = F.copy()
    aligner = new()
    aligner.fit_source(F, meta)
    aligner.observe(F, meta).transform(F, meta)
    np.testing.assert_array_equal(F, before)


def test_none_leaves_everybody_as_recorded():
    X, meta = people()
    assert NoAlign().fit_source(X, meta) is X and NoAlign().observe(X, meta).transform(X, meta) is X


def test_average_reference_is_whitened_without_its_missing_dimension():
    X, meta = people(n=8, n_people=1)
    X -= X.mean(axis=1, keepdims=True)
    aligned = Euclidean().fit_source(X, meta)
    values = np.linalg.eigvalsh(spd.covariances(aligned, "scm", centre=False).mean(axis=0))
    np.testing.assert_allclose(values, [0, 1, 1, 1], atol=1e-4)
    assert np.isfinite(Riemannian().fit_source(X, meta)).all()


def test_euclidean_is_the_formula_of_the_paper():
    X, meta = people(n=8, n_people=1)
    from scipy.linalg import fractional_matrix_power

    R = np.mean([x.astype(float) @ x.T.astype(float) / x.shape[1] for x in X], axis=0)
    np.testing.assert_allclose(Euclidean().fit_source(X, meta), fractional_matrix_power(R, -0.5) @ X, atol=1e-4)


def test_riemannian_equals_pyriemann():
    from pyriemann.transfer import TLCenter, encode_domains

    X, meta = people()
    C = matrices(X)
    subjects = meta["subject"].to_numpy()
    _, named = encode_domains(C, np.zeros(len(C), dtype=int), subjects)
    expected = TLCenter("S0").fit_transform(C, named)
    np.testing.assert_allclose(Riemannian().fit_source(C, meta), expected, atol=1e-6)


def test_alignment_helps_on_real_people(shared):
    """Three people of EEGMMIDB, 8-30 Hz: online re-centring brings each one's mean covariance near the others'."""
    import mne

    folder = shared / "data" / "eeg" / "physionet_mi"
    X, who = [], []
    for subject in (1, 2, 3):
        (file,) = mne.datasets.eegbci.load_data(subject, [4], path=str(folder), update_path=False, verbose="ERROR")
        raw = mne.io.read_raw_edf(file, preload=True, verbose="ERROR").pick(list(range(21))).filter(8, 30, verbose="ERROR")
        signal = raw.get_data()[:, : 160 * 120].reshape(21, 30, 640).swapaxes(0, 1)
        X.append(signal * 1e6)
        who += [f"S{subject}"] * 30
    meta = pd.DataFrame({"dataset": "d", "subject": who})
    C = spd.covariances(np.concatenate(X), "oas")

    def apart(C):
        means = np.stack([spd.mean_riemann(C[meta["subject"] == s]) for s in meta["subject"].unique()])
        return spd.distance(means, spd.mean_riemann(means)).mean()

    assert apart(Riemannian().transform(C, meta)) < 0.35 * apart(C)
