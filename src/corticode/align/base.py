"""Alignment: learning about a person from windows without labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import reduce
from typing import Self

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.layer import spd
from corticode.state import Stateful
from corticode.windows import PERSON, RECORDING, SESSION

# what tells one domain from another
_COLUMNS = {"subject": PERSON, "session": SESSION, "recording": RECORDING}


class Align(Stateful):
    """Make people alike, one domain at a time, from blind windows.

    Parameters
    ----------
    by : str
        Identity column that names a domain: 'subject', 'session' or 'recording' (the finer ones include the coarser).
    access : str
        'online' (a test window is aligned by what came before it and itself), 'calibration' (by the target's first
        `n_align` unlabelled windows, which are not tested), 'all' (by all test windows: transductive, marked so).
    n_align : int or float
        Windows per person and session for access='calibration'; below 1, a share of them.

    Raises
    ------
    SentenceError
        `by` is no such column.

    Attributes
    ----------
    acts_on : str
        'signal' (the aligned signal goes to `per_window`), 'feature' (acts on SPD features, where the encoder has
        them, else on the signal) or 'latent' (acts inside a network that says `has_latent`, between its `latent` and its
        `rest`; `fit_source` then comes after the network has learned).
    """

    acts_on = "signal"

    def __init__(self, by: str = "subject", access: str = "online", n_align: float = 20):
        self.by, self.access = by, access
        self.n_align = float(n_align) if 0 < n_align < 1 else int(n_align)
        if by not in _COLUMNS:
            raise SentenceError(f"align.by={by} is unknown: pick one of {', '.join(_COLUMNS)}")

    def domains(self, meta: pd.DataFrame) -> np.ndarray:
        """Return the name of each row's domain [n]."""
        return reduce(lambda left, right: left + "\x1f" + right, (meta[column].astype(str) for column in _COLUMNS[self.by])).to_numpy()

    def fit_source(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align the source: each domain by all of its own rows. Returns the aligned array, shape of F."""
        raise NotImplementedError

    def observe(self, F: np.ndarray, meta: pd.DataFrame) -> Self:
        """Take in blind rows of the target, before it is predicted."""
        raise NotImplementedError

    def transform(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align target rows. With access='online' row i is aligned by the rows of its domain that stand before it
        (and those observed) and itself; rows must then be in time order. The state moves on with each row."""
        raise NotImplementedError

    def forget(self) -> Self:
        """Drop what is known of targets; the source's part stays."""
        raise NotImplementedError

    def back(self, patterns: np.ndarray, bands: list[int] | None) -> np.ndarray:
        """Bring scalp patterns [k, channels] of aligned data back to the channels as recorded, for maps.

        Parameters
        ----------
        patterns : float array [k, channels]
        bands : list of k int, or None
            Which band's reference each one belongs to; None: they are no sources' patterns and stay as they are.
        """
        return patterns


class NoAlign(Align):
    """Leave everybody as recorded."""

    acts_on = "nothing"

    def fit_source(self, F, meta):
        """Return F."""
        return F

    def observe(self, F, meta):
        """Learn nothing."""
        return self

    def transform(self, F, meta):
        """Return F."""
        return F

    def forget(self):
        """Nothing to drop."""
        return self


@dataclass
class Known:
    """What is known of one domain.

    Attributes
    ----------
    count : float
        Rows so far.
    reference : float array [..., c, c]
        Their mean.
    more : dict of arrays
        What an entry learns beside it (dispersion, axes).
    """

    count: float
    reference: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)


class Recentre(Align):
    """Base of aligners that keep one reference matrix per domain and whiten each row by its domain's.

    A domain's reference is a mean over what is known of it. Rows of the same domain that were in the source count as
    known (a person's first session, when the second is tested with by='subject'); a new domain begins with nothing, or
    with `prior` rows' worth of the source's mean.

    access='online': each row moves the mean by 1 / (rows so far) towards its own matrix, and is then aligned by it; what
    was observed before counts as rows so far. Otherwise the reference stands as `observe` left it.

    Parameters
    ----------
    by, access, n_align
        As in `Align`.
    prior : float
        Weight of the source's mean at the start of a new domain, in rows. 0: a domain's very first online row is aligned
        by itself alone and so carries no information, but a stranger's gains are followed at once.

    Raises
    ------
    SentenceError
        A negative prior.
    """

    def __init__(self, by: str = "subject", access: str = "online", n_align: int = 20, prior: float = 0.0):
        super().__init__(by, access, n_align)
        self.prior = float(prior)
        if not 0 <= self.prior < float("inf"):
            raise SentenceError(f"align.prior={prior}: wanted 0 or more windows' worth of the source's mean")
        self.source: dict[str, Known] = {}
        self.target: dict[str, Known] = {}
        self.source_mean: np.ndarray | None = None

    # -- what an entry says --

    def matrices(self, F: np.ndarray) -> np.ndarray:
        """Return the matrix of each row [n, ..., c, c]."""
        raise NotImplementedError

    def mean(self, C: np.ndarray) -> np.ndarray:
        """Return the mean of matrices over the first axis."""
        raise NotImplementedError

    def between(self, M: np.ndarray, C: np.ndarray, t: float) -> np.ndarray:
        """Return the matrix at t on the way from M (0) to C (1)."""
        raise NotImplementedError

    def whiten(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        """Return rows F whitened by a reference."""
        raise NotImplementedError

    # -- what an entry may add to --

    def take(self, domain: str, C: np.ndarray) -> Known:
        """Take in matrices [m, ..., c, c] of one domain; return what is known of it now."""
        before, weight = self._before(domain), len(C)
        M = C[0] if weight == 1 else self.mean(C)
        if before is not None:
            M = self.between(before.reference, M, weight / (before.count + weight))
        self.target[domain] = Known((before.count if before is not None else 0.0) + weight, M)
        return self.target[domain]

    def act(self, F: np.ndarray, known: Known) -> np.ndarray:
        """Return rows F of one domain aligned by what is known of it."""
        return self.whiten(F, known.reference)

    # -- the contract --

    def fit_source(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align the source: each domain by all of its own rows. Returns the aligned array, shape of F."""
        self.forget()
        C, aligned = self.matrices(F), np.empty_like(F)
        self.source = {}
        for domain, rows in by_domain(self.domains(meta)):
            self.source[domain] = Known(float(len(rows)), self.mean(C[rows]))
            aligned[rows] = self.whiten(F[rows], self.source[domain].reference)
        self.source_mean = self.mean(np.stack([known.reference for known in self.source.values()]))
        return aligned

    def observe(self, F: np.ndarray, meta: pd.DataFrame) -> Self:
        """Take in blind rows of the target: their exact mean, weighed against what was known of the domain."""
        if len(F):
            C = self.matrices(F)
            for domain, rows in by_domain(self.domains(meta)):
                self.take(domain, C[rows])
        return self

    def transform(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align target rows; online the rows must be in time order, and the state moves on with each.

        Raises
        ------
        SentenceError
            Nothing is known of a domain, and access is not online.
        """
        aligned = np.empty_like(F)
        if self.access == "online":
            C = self.matrices(F)
            for i, domain in enumerate(self.domains(meta)):
                aligned[i : i + 1] = self.act(F[i : i + 1], self.take(domain, C[i : i + 1]))
            return aligned
        for domain, rows in by_domain(self.domains(meta)):
            aligned[rows] = self.act(F[rows], self._known(domain))
        return aligned

    def forget(self) -> Self:
        """Drop what is known of targets; the source's part stays."""
        self.target = {}
        return self

    def back(self, patterns: np.ndarray, bands: list[int] | None) -> np.ndarray:
        """Return M^1/2 @ pattern, M = the source's mean reference: whitening undone for the average person."""
        if self.source_mean is None or bands is None:
            return patterns
        root = spd.sqrtm(self.source_mean).reshape(-1, *self.source_mean.shape[-2:])
        return np.stack([root[min(band, len(root) - 1)] @ pattern for band, pattern in zip(bands, patterns, strict=True)])

    def _before(self, domain: str) -> Known | None:
        """Return what is known of a domain, or what a new one begins with."""
        known = self.target.get(domain) or self.source.get(domain)
        if known is None and self.prior and self.source_mean is not None:
            return Known(self.prior, self.source_mean)
        return known

    def _known(self, domain: str) -> Known:
        known = self.target.get(domain) or self.source.get(domain)
        if known is None:
            raise SentenceError(
                f"align.access={self.access} aligns by windows seen before, and none were seen of {domain.replace(chr(31), ' ').strip()}: "
                "observe some first (Decoder.align), or use align.access=online"
            )
        return known

    # -- what is kept --

    def state(self) -> dict[str, np.ndarray]:
        """Return counts and references of all domains, and their names as UTF-8 bytes of JSON."""
        state = {} if self.source_mean is None else {"source_mean": self.source_mean}
        for part in ("source", "target"):
            domains: dict[str, Known] = getattr(self, part)
            if domains:
                every = list(domains.values())
                state[f"{part}_names"] = np.frombuffer(json.dumps(list(domains)).encode(), dtype=np.uint8)
                state[f"{part}_counts"] = np.array([known.count for known in every])
                state[f"{part}_references"] = np.stack([known.reference for known in every])
                state |= {f"{part}_more_{what}": np.stack([known.more[what] for known in every]) for what in every[0].more}
        return state

    def load_state(self, state: dict[str, np.ndarray]) -> Self:
        """Take back what `state` gave."""
        self.source_mean = state.get("source_mean")
        for part in ("source", "target"):
            names = json.loads(bytes(np.asarray(state[f"{part}_names"]))) if f"{part}_names" in state else []
            more = {name.removeprefix(f"{part}_more_"): value for name, value in state.items() if name.startswith(f"{part}_more_")}
            domains = {
                name: Known(float(state[f"{part}_counts"][i]), state[f"{part}_references"][i], {what: v[i] for what, v in more.items()})
                for i, name in enumerate(names)
            }
            setattr(self, part, domains)
        return self


def by_domain(domains: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return (domain, its rows) in order of first appearance."""
    number, names = pd.factorize(domains)
    return [(str(name), np.flatnonzero(number == k)) for k, name in enumerate(names)]
