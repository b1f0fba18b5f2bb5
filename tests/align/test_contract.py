"""What every aligner promises: it learns from blind rows, an online row knows its past alone, and its state is all it knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode import catalogue
from corticode.align.base import Align
from corticode.compose import compose
from corticode.errors import SentenceError
from corticode.layer import spd

ENTRIES = sorted(catalogue.names("align"))
ACCESS = ("online", "calibration", "all")


def new(entry: str, **arguments) -> Align:
    """An aligner of an entry, its counts small enough for 24 rows to matter."""
    config = dict(compose([f"align={entry}"])["align"])
    small = {"after": 3, "n_components": 2, "hold": 2.0}
    return catalogue.make(config, **({k: v for k, v in small.items() if k in config} | arguments))


def people(n=36, n_people=3, channels=4, times=100, seed=0):
    """Windows of people who differ by their mixing, in time order person by person."""
    rng = np.random.default_rng(seed)
    person = np.arange(n) * n_people // n
    mixing = np.eye(channels) + 0.7 * rng.standard_normal((n_people, channels, channels))
    strength = 1 + rng.random((n, channels, 1))
    X = mixing[person] @ (strength * rng.standard_normal((n, channels, times)))
    meta = pd.DataFrame(
        {"dataset": "d", "subject": [f"S{p}" for p in person], "session": "0", "run": "", "recording": "", "trial": np.arange(n)}
    )
    return X, meta


@pytest.fixture(params=[(entry, access) for entry in ENTRIES for access in ACCESS], ids=lambda p: "-".join(p))
def case(request):
    entry, access = request.param
    try:
        aligner = new(entry, access=access)
    except SentenceError as refused:
        assert access in str(refused) or "online" in str(refused)
        assert entry == "transport" and access == "online", refused
        pytest.skip("refused in a sentence")
    return aligner


@pytest.fixture(params=["matrices", "bands"])
def rows(request, case):
    """What the aligner acts on: covariances (of one band or two), or the signal."""
    X, meta = people()
    if case.acts_on == "signal":
        return X[..., :50] if request.param == "bands" else X, meta
    C = spd.covariances(X, "oas")
    # a network's latent has no bands
    return (C, meta) if request.param == "matrices" or case.acts_on == "latent" else (np.stack([C, C[::-1]], axis=1), meta)


def fitted(aligner, F, meta):
    """Fit on two people; let it see the first rows of the third where it needs them."""
    aligner.fit_source(F[:24], meta[:24])
    if aligner.access != "online":
        aligner.observe(F[24:30], meta[24:30])
    return aligner


def test_rows_keep_their_shape_and_stay_positive_definite(case, rows):
    F, meta = rows
    source = case.fit_source(F[:24], meta[:24])
    target = fitted(case, F, meta).transform(F[24:], meta[24:])
    for aligned, given in ((source, F[:24]), (target, F[24:])):
        assert aligned.shape == given.shape and aligned.dtype == given.dtype
        if case.acts_on in ("feature", "nothing"):  # a latent's logarithms are symmetric only
            assert np.linalg.eigvalsh(aligned).min() > 0
            np.testing.assert_allclose(aligned, aligned.swapaxes(-1, -2), atol=1e-9)


def test_who_and_when_is_all_it_looks_at(case, rows):
    """Other columns of meta, labels above all, change nothing."""
    F, meta = rows
    named = meta.assign(event=np.where(np.arange(36) % 2, "left", "right"), age=np.arange(36.0))
    plain = fitted(case, F, meta).transform(F[24:], meta[24:])
    case.forget()
    np.testing.assert_array_equal(fitted(case, F, named).transform(F[24:], named[24:]), plain)


def test_online_rows_know_nothing_of_what_comes_later(case, rows):
    F, meta = rows
    if case.access != "online":
        pytest.skip("fixed before the first row")
    plain = fitted(case, F, meta).transform(F[24:], meta[24:])
    for changed in (5, 10):
        G = F.copy()
        G[24 + changed] = 3 * G[24 + changed - 1]
        other = fitted(case, G, meta).transform(G[24:], meta[24:])
        np.testing.assert_array_equal(other[:changed], plain[:changed])
        assert not np.array_equal(other[changed], plain[changed])


def test_online_in_pieces_equals_online_at_once(case, rows):
    F, meta = rows
    if case.access != "online":
        pytest.skip("fixed before the first row")
    whole = fitted(case, F, meta).transform(F[24:], meta[24:])
    fitted(case, F, meta)
    pieces = [case.transform(F[i : i + 1], meta[i : i + 1]) for i in range(24, 36)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-8, atol=1e-10)


def test_fixed_access_gives_each_row_the_same_whoever_stands_beside_it(case, rows):
    F, meta = rows
    if case.access == "online":
        pytest.skip("follows the past")
    whole = fitted(case, F, meta).transform(F[24:], meta[24:])
    np.testing.assert_allclose(case.transform(F[32:33], meta[32:33]), whole[8:9], rtol=1e-8, atol=1e-10)


def test_another_person_changes_nothing(case, rows):
    """A person is aligned by the source and by own rows, not by others of the test side."""
    F, meta = rows
    alone = fitted(case, F, meta).transform(F[24:], meta[24:])
    fitted(case, F, meta)
    stranger = meta[:6].assign(subject="S9")
    case.observe(2 * F[:6], stranger)
    case.transform(F[6:9], stranger[:3])
    np.testing.assert_array_equal(case.transform(F[24:], meta[24:]), alone)


def test_state_is_all_it_knows(case, rows):
    F, meta = rows
    fitted(case, F, meta)
    if case.access == "online":
        case.observe(F[24:28], meta[24:28])
    state = {name: np.ascontiguousarray(value) for name, value in case.state().items()}
    assert all(value.dtype.kind in "fu" for value in state.values())
    loaded = type(case)(**case.arguments()).load_state(state)
    np.testing.assert_array_equal(loaded.transform(F[24:], meta[24:]), case.transform(F[24:], meta[24:]))


def test_forget_drops_targets_only(case, rows):
    F, meta = rows
    first = fitted(case, F, meta).transform(F[24:], meta[24:])
    case.forget()
    if case.access != "online":
        case.observe(F[24:30], meta[24:30])
    np.testing.assert_array_equal(case.transform(F[24:], meta[24:]), first)


def test_input_is_left_alone(case, rows):
    F, meta = rows
    before = F.copy()
    fitted(case, F, meta).transform(F[24:], meta[24:])
    np.testing.assert_array_equal(F, before)


def test_what_cannot_act_on_a_signal_says_so():
    X = np.random.default_rng(0).standard_normal((8, 4, 50)).astype(np.float32)
    _, meta = people(8, 2)
    for entry in ("rescale", "rotate", "transport"):
        with pytest.raises(SentenceError, match=rf"align={entry} .*align=riemannian"):
            new(entry).fit_source(X, meta)
