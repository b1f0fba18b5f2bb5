"""Any data set that MOABB knows, by its name there: data=moabb data.dataset=Cho2017 (needs the extra [moabb])."""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.data.base import Card, DataSet
from corticode.data.reader import Reading
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError, SentenceError
from corticode.recording import Recording, Signal

# What suits MOABB's paradigms; the data set itself brings task=classification and prepare=generic.
_SUITS = {"imagery": "task=motor_imagery prepare=motor_imagery", "ssvep": "prepare=ssvep"}


class MOABB(DataSet):
    """A data set of MOABB's, read by MOABB.

    A recording is a session; its runs are joined, and nothing is filtered or cut across a joint. People have MOABB's
    numbers, sessions are counted from 0, runs have MOABB's names. An event begins where MOABB's interval does, so that
    windows from 0 s on are the epochs of its paradigms.

    Parameters
    ----------
    dataset : str or None
        MOABB's name: Cho2017, BNCI2014_001, Nakanishi2015 ...
    options : mapping or None
        Arguments of the data set's own constructor.
    root : str or None
        The folder that MOABB calls MNE_DATA; with it nothing is downloaded. None: the folder that MNE_DATA names, else
        `paths.data`; what is missing there is downloaded when it is read, or by `corticode fetch`.
    subjects : list of str or None
    sessions : list of int or None
        Counted from 0; None takes as many as MOABB declares for each person.
    unit_factor : float
        Correction of a file in the wrong unit.

    Raises
    ------
    SentenceError
        MOABB is not installed, or knows no such data set.

    Source
    ------
    Aristimunha et al., Mother of all BCI Benchmarks, doi 10.5281/zenodo.10034223; each data set has its own authors and
    licence, which MOABB's documentation names.
    """

    name = "moabb"
    card = Card(
        title="Any data set of MOABB's",
        source="https://moabb.neurotechx.com/docs/dataset_summary.html",
        licence="that of the data set",
        citation="Aristimunha et al., Mother of all BCI Benchmarks, doi 10.5281/zenodo.10034223, and the data set's own paper",
        notes=("sessions are counted from 0: MOABB's own names of them (0train, 1test) are known only once they are read",),
    )

    def __init__(
        self,
        dataset: str | None = None,
        options: Mapping[str, Any] | None = None,
        root: str | None = None,
        subjects: Sequence[str] | None = None,
        sessions: Sequence[int] | None = None,
        unit_factor: float = 1.0,
    ):
        super().__init__(root, subjects, unit_factor)
        self.dataset = dataset
        self.options = dict(options or {})
        self.sessions = None if sessions is None else [int(session) for session in ([sessions] if isinstance(sessions, int) else sessions)]

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments without those that only say where files lie."""
        return {**super().arguments(), "options": dict(self.options)}

    @functools.cached_property
    def _there(self) -> Any:
        """MOABB's object."""
        if not self.dataset:
            raise SentenceError("data=moabb needs the name of a data set: data.dataset=Cho2017 (or any of MOABB's)")
        return build(self.dataset, self.options)

    @property
    def classes(self) -> dict[str, list[str]]:
        """Names of the events, in MOABB's order."""
        return {"event": list(self._there.event_id)}

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per session, people in MOABB's order; nothing is read, and nothing downloaded.

        Raises
        ------
        MissingDataError
            A person is asked for whom the data set does not have.
        """
        import moabb

        there = self._there
        if self.root is not None:
            self.folder()  # a folder that is not there is named now
        people = {str(subject): subject for subject in there.subject_list}
        absent = [name for name in self.subjects or [] if name not in people]
        if absent:
            raise MissingDataError(f"data.subjects asks for {', '.join(absent)}, and {self.dataset} has {', '.join(people)}")
        self.notes = []
        if there.paradigm in _SUITS:
            length = there.interval[1] - there.interval[0]
            self.notes.append(
                f"{self.dataset} is of MOABB's paradigm {there.paradigm} (interval of {length:g} s): {_SUITS[there.paradigm]} suit it"
            )
        sessions = self.sessions if self.sessions is not None else range(int(there.n_sessions))
        knobs = {"dataset": self.dataset, "options": self.options, "unit_factor": self.unit_factor}
        return iter([
            Recording(
                who={"dataset": self.dataset, "subject": name, "session": str(session)},
                read=functools.partial(read, subject=subject, session=session, n_sessions=int(there.n_sessions), root=self._mne_data(), online=self.root is None, **knobs),
                origin={**knobs, "subject": name, "session": session, "moabb": moabb.__version__},
            )
            for name, subject in people.items() if self.subjects is None or name in self.subjects
            for session in sessions
        ])  # fmt: skip

    def fetch(self) -> Path:
        """Let MOABB download the chosen people.

        Raises
        ------
        MissingDataError
            There is no way to the provider.
        """
        there, folder = self._there, Path(self._mne_data())
        wanted = [subject for subject in there.subject_list if self.subjects is None or str(subject) in self.subjects]
        with _moabb_at(folder, online=True), _explained(f"{self.dataset} could not be downloaded to {folder}"):
            there.download(subject_list=wanted, path=str(folder))
        return folder

    def recording_of(self, file: Path) -> Recording:
        """Refuse: MOABB's readers know their own files only."""
        raise SentenceError(f"{file} cannot be read as data=moabb: train on data=folder or data=bids to predict files of your own")

    def _mne_data(self) -> str:
        """Return the folder in which MOABB looks."""
        from mne import get_config

        if self.root is not None:
            return str(self.folder())
        usual = Path("~/mne_data").expanduser()
        return str(get_config("MNE_DATA") or (usual if usual.is_dir() else self.folder()))


def build(name: str, options: Mapping[str, Any]) -> Any:
    """Return MOABB's data set of this name.

    Raises
    ------
    SentenceError
        MOABB is not installed, knows no such data set, or the data set does not take these options.
    """
    try:
        import moabb.datasets
        from moabb.datasets.base import BaseDataset
    except ImportError as error:
        raise SentenceError(f"data=moabb needs MOABB, which is not installed ({error}): pip install 'corticode[moabb]'") from error
    from moabb.datasets import fake

    known = {
        n: thing
        for module in (fake, moabb.datasets)
        for n, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, BaseDataset)
    }
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see https://moabb.neurotechx.com/docs/dataset_summary.html"
        raise SentenceError(f"data.dataset={name}: MOABB has no such data set: {hint}")
    try:
        return known[name](**options)
    except (TypeError, ValueError) as error:
        raise SentenceError(f"data.options={dict(options)}: {name} refuses them: {' '.join(str(error).split())}") from error


def read(
    dataset: str, options: Mapping[str, Any], subject: Any, session: int, n_sessions: int, root: str, online: bool, unit_factor: float
) -> Signal:
    """Read one session of one person through MOABB.

    Raises
    ------
    MissingDataError
        The files are not there and may not, or cannot, be downloaded, or there is no such session.
    BrokenDataError
        The runs of the session do not share channels and rate.
    """
    there, what = build(dataset, options), f"{dataset} subject {subject}"
    sessions = _sessions(there, subject, what, Path(root), online)
    numbered = {int(re.match(r"\d+", str(name))[0]): name for name in sessions}
    if session not in numbered:
        raise MissingDataError(f"{what} has the sessions {', '.join(map(str, sessions))}, and no session {session}")
    reading = Reading(
        events={name: name for name in there.event_id},
        unit_factor=unit_factor * there.unit_factor / 1e6,  # of what the data set says it takes to reach µV
    )
    runs = {
        str(name): reading.signal(raw.load_data(verbose="ERROR"), Path(f"{what} session {session} run {name}"))
        for name, raw in sessions[numbered[session]].items()
    }
    signal = joined(runs, f"{what} session {session}")
    if len(sessions) > n_sessions and session == n_sessions - 1:
        said = f"subject {subject} has {len(sessions)} sessions, of which MOABB declares {n_sessions} for everybody: data.sessions=[0,...] takes more"
        signal.events.attrs["notes"] = [*signal.events.attrs.get("notes", []), said]
    return signal


def _sessions(there: Any, subject: Any, what: str, root: Path, online: bool) -> dict[str, dict[str, Any]]:
    """Return MOABB's sessions of one person: from the disk alone first, since MOABB asks the network before it looks there."""
    try:
        with _moabb_at(root, online=False, there=there), _explained(f"{what} could not be read from {root} without the network"):
            return there.get_data([subject])[subject]
    except MissingDataError:
        if not online:
            raise
    with _moabb_at(root, online=True), _explained(f"{what} could neither be read from {root} nor downloaded"):
        return there.get_data([subject])[subject]


def joined(runs: Mapping[str, Signal], what: str) -> Signal:
    """Lay runs behind each other as one Signal: joints between them, and in `events.attrs['runs']` where each begins (s)."""
    parts = list(runs.values())
    first = parts[0].space
    for name, part in runs.items():
        if part.space.names != first.names or part.space.sfreq != first.sfreq:
            raise BrokenDataError(
                f"{what}: run {name} has {len(part.space)} channels at {part.space.sfreq:g} Hz, the first one {len(first)} at {first.sfreq:g} Hz, "
                "so they make no session together"
            )
    starts = np.cumsum([0, *(part.X.shape[1] for part in parts)])
    events = [part.events.assign(onset_s=part.events["onset_s"] + start / first.sfreq) for part, start in zip(parts, starts, strict=False)]
    table = pd.concat(events, ignore_index=True)
    table.attrs["notes"] = list(dict.fromkeys(note for part in parts for note in part.events.attrs.get("notes", [])))
    # half a sample early, so that rounding does not put a first window into the run before
    table.attrs["runs"] = [((start - 0.5) / first.sfreq, name) for start, name in zip(starts, runs, strict=False)]
    joints = {int(start) for start in starts[1:-1]} | {
        int(start + joint) for part, start in zip(parts, starts, strict=False) for joint in part.joints
    }
    return Signal(np.concatenate([part.X for part in parts], axis=1), first, table, tuple(sorted(joints)))


# -- MOABB's surroundings -------------------------------------------------------------------------------------------


class _Offline(OSError):
    """Something wanted the network where data.root= promises that none is needed."""


@contextlib.contextmanager
def _moabb_at(folder: Path, online: bool, there: Any = None) -> Iterator[None]:
    """Let MOABB look for files in `folder`; quietly and without the network unless `online`."""
    import warnings

    import mne
    import pooch

    loggers = [logging.getLogger("moabb"), *([] if online else [pooch.get_logger()])]
    levels = [logger.level for logger in loggers]
    folder.mkdir(parents=True, exist_ok=True)
    # MOABB would write its choice of a folder into MNE's settings
    with _environment(MNE_DATA=str(folder)), contextlib.ExitStack() as stack:
        if not online:
            stack.enter_context(_environment(MOABB_DOWNLOAD_PROVIDER=_provider(there)))
            stack.enter_context(_offline())
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            with warnings.catch_warnings(), mne.utils.use_log_level("ERROR"):
                warnings.simplefilter("ignore")
                yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _provider(there: Any) -> str:
    """Return where MOABB may look: its mirror NEMAR only where files of it are on disk, since it asks there again and again."""
    place = getattr(there, "_sourcedata_store", lambda: None)()
    return "auto" if place is not None and Path(place).is_dir() else "upstream"


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Refuse every connection, and every look-up of a name, inside the block."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo
    socket.socket.connect = socket.getaddrinfo = _refuse
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, look_up


def _refuse(*_: Any, **__: Any) -> None:
    raise _Offline("it is not all on disk, and with data.root= nothing is downloaded")


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what MOABB, pooch or requests raise into a sentence; our own errors and a full disk keep their words."""
    try:
        yield
    except CorticodeError:
        raise
    except Exception as error:  # each data set of MOABB's has its own
        mendable = store.explained(error, Path(what)) if isinstance(error, OSError) else error
        if isinstance(mendable, CorticodeError):
            raise mendable from error
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise MissingDataError(
            f"{what} ({reason}): put MOABB's files there, or run corticode fetch data=moabb where there is a network"
        ) from error
