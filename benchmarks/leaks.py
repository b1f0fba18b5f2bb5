"""Leaks planted on purpose, and clean splits: what leakfence 0.5 finds and what a run of ours refuses.

`python benchmarks/leaks.py` writes its part of benchmarks/README.md. leakfence audits a split from outside; it is given all that
its documentation asks for: subject, session, recording and sample range of every window, the paradigm that the split claims, the
samples themselves for duplicates, and, where something is fitted outside of the split, its guard around `fit` with the fingerprints of
the test rows. Ours is what the benchmark calls for every fold of every split before anything is fitted (`split.guard.check_folds`), and
what a preparation checks of its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import GuardError
from corticode.prepare.base import Prepare, Step
from corticode.prepare.window import Cue
from corticode.recording import Signal
from corticode.space import Space
from corticode.split.base import Fold, Split
from corticode.split.cross_dataset import CrossDataset
from corticode.split.cross_session import CrossSession
from corticode.split.guard import check_folds
from corticode.split.kfold import KFold
from corticode.split.learning_curve import LearningCurve
from corticode.split.loso import LOSO
from corticode.split.predefined import Predefined
from corticode.split.pseudo_online import PseudoOnline
from corticode.split.within_session import WithinSession
from corticode.windows import Windows

SFREQ, SECONDS = 64.0, 1.0


@dataclass(frozen=True)
class Case:
    """One split, planted or clean.

    Parameters
    ----------
    kind : str
    windows : Windows
    parts : function () -> list of dict
        The arguments of each Fold.
    context : (before, after)
        Neighbouring windows that the decoder looks at.
    fitted : function () -> None, or None
        Something that is fitted outside of the split.
    """

    kind: str
    windows: Windows
    parts: Callable[[], list[dict[str, Any]]]
    context: tuple[int, int] = (0, 0)
    fitted: Callable[[], None] | None = None
    scaler: Callable[[], tuple[Any, np.ndarray]] | None = None


def recorded(
    seed: int = 0,
    n_subjects: int = 4,
    n_sessions: int = 2,
    n_trials: int = 12,
    per_trial: int = 1,
    step_s: float = SECONDS,
    smooth: int = 1,
) -> Windows:
    """Return windows of noise that was recorded in one go per session, cut every `step_s` seconds; labels alternate by trial."""
    rng = np.random.default_rng(seed)
    X, rows = [], []
    n = n_trials * per_trial
    for subject in range(1, n_subjects + 1):
        for session in range(n_sessions):
            signal = 10 * rng.standard_normal((6, round((n * step_s + SECONDS) * SFREQ)))
            signal = np.apply_along_axis(np.convolve, 1, signal, np.ones(smooth) / np.sqrt(smooth), "same")
            for i in range(n):
                first = round(i * step_s * SFREQ)
                X.append(signal[:, first : first + round(SECONDS * SFREQ)])
                rows.append((f"S{subject}", str(session), f"site{subject % 2}", i // per_trial, i * step_s, f"image{i // per_trial % 6}"))
    meta = pd.DataFrame(rows, columns=["subject", "session", "site", "trial", "onset_s", "stimulus"])
    y = np.array(["left", "right"])[meta["trial"] % 2]
    windows = Windows.from_arrays(np.array(X), y, sfreq=SFREQ, meta=meta, overlap=step_s < SECONDS)
    return windows.with_y((meta["trial"] % 2).to_numpy(dtype=np.int64))


# -- what each of the two says -----------------------------------------------------------------------------------------


def ours(case: Case) -> str:
    """Return the sentence with which a run of ours refuses; '' if it does not."""
    try:
        if case.fitted is not None:
            case.fitted()
        check_folds(case.windows, [Fold(**parts) for parts in case.parts()], case.context)
    except GuardError as error:
        return str(error)
    return ""


PARADIGMS = {
    "subject": "cross-subject",
    "dataset": "cross-subject",
    "site": "cross-subject",
    "session": "cross-session",
    "trial": "within-session",
}


def theirs(case: Case) -> str:
    """Return what leakfence finds; '' for nothing."""
    import leakfence

    meta, X = case.windows.meta, np.asarray(case.windows.X)
    first = np.round(meta["onset_s"].to_numpy() * SFREQ).astype(int)
    about = {
        "subject": meta[["dataset", "subject"]].agg("/".join, axis=1),
        "session": meta["session"],
        "recording": meta[["dataset", "recording"]].agg("/".join, axis=1),
        "sample_range": list(zip(first, first + X.shape[2], strict=True)),
    }
    found = []
    for parts in case.parts():
        # labelled windows of the target are rightly of the test person: they are audited as a split within the session
        sides = [(parts["fit"], PARADIGMS[parts.get("unseen", "trial")])]
        sides += [(parts["calibrate"], "within-session")] if len(parts.get("calibrate", ())) else []
        for learned, paradigm in sides:
            found += [str(error) for error in leakfence.audit_split(learned, parts["test"], **about, paradigm=paradigm).errors]
            copies = leakfence.check_duplicates(X, train_idx=learned, test_idx=parts["test"])[1]
            found += [str(violation) for violation in copies if violation.severity == "error"]
        if case.scaler is not None:
            estimator, rows = case.scaler()
            guarded, violations = leakfence.guard_fit(estimator, test_fingerprints=leakfence.fingerprint_rows(X[parts["test"]]))
            guarded.fit(X[rows])
            found += [str(violation) for violation in violations]
    return "; ".join(found)


# -- planted leaks -----------------------------------------------------------------------------------------------------


def one(kind: str, windows: Windows, fit: Any, test: Any, **more: Any) -> Case:
    """Return a case of one fold."""
    outside = {name: more.pop(name) for name in ("context", "fitted", "scaler") if name in more}
    return Case(kind, windows, lambda: [{"fit": fit, "test": test, "name": kind, **more}], **outside)


def of(windows: Windows, **who: Any) -> np.ndarray:
    """Return the rows of some people, sessions ..."""
    keep = np.ones(len(windows), dtype=bool)
    for column, values in who.items():
        keep &= windows.meta[column].isin([values] if isinstance(values, str | int) else values).to_numpy()
    return np.flatnonzero(keep)


def planted() -> Iterator[Case]:
    """Give every planted leak; three or more of a kind, which differ in where and how much is shared."""
    for seed in range(3):
        yield from planted_rows(seed)
        yield from planted_samples(seed)
        yield from planted_people(seed)
        yield from planted_copies(seed)
        yield from planted_answers(seed)
        yield from planted_preparation(seed)


def planted_rows(seed: int) -> Iterator[Case]:
    """Rows and trials on both sides."""
    windows, rng = recorded(seed), np.random.default_rng(seed)
    fit, test = of(windows, session="0"), of(windows, session="1")
    yield one("a row on both sides", windows, np.r_[fit, rng.choice(test, 1 + seed)], test)
    last = int(test[-1])
    yield one("a row under two numbers (-1 and the last)", windows, np.r_[fit, last - len(windows) - seed], test)
    several = recorded(seed, per_trial=3)
    rows = rng.permutation(of(several, subject="S1", session="0"))
    yield one("windows of a trial on both sides", several, rows[: 24 + seed], rows[24 + seed :])
    mine, others = of(several, subject="S2"), of(several, subject=["S1", "S3", "S4"])
    yield one("calibration and test share a trial", several, others, mine[4 + seed * 3 :], calibrate=mine[: 4 + seed * 3], unseen="subject")


def planted_samples(seed: int) -> Iterator[Case]:
    """Windows that share samples."""
    sliding = recorded(seed, step_s=0.25 * (1 + seed))
    rows = np.random.default_rng(seed).permutation(of(sliding, subject="S1", session="0"))
    yield one("overlapping windows on both sides", sliding, rows[:8], rows[8:])
    mine = of(sliding, subject="S2", session="1")
    yield one("past and future without a gap", sliding, mine[:6], mine[6:], past=True)
    windows = recorded(seed)
    windows.info.update(overlap=True, reach_s=[-0.5 * (1 + seed), SECONDS])
    mine = of(windows, subject="S3", session="0")
    yield one("a baseline inside a window of the other side", windows, mine[::2], mine[1::2])
    quiet = recorded(seed)
    mine = of(quiet, subject="S3", session="0")
    yield one("context that reaches over the cut", quiet, mine[:6], mine[6:], context=(1 + seed, seed))


def planted_people(seed: int) -> Iterator[Case]:
    """Promises of a split that do not hold."""
    windows = recorded(seed)
    subject = f"S{1 + seed}"
    mine, others = of(windows, subject=subject), np.setdiff1d(np.arange(len(windows)), of(windows, subject=subject))
    yield one("the test person in a split across people", windows, np.r_[others, mine[: 1 + seed]], mine[12:], unseen="subject")
    given = np.r_[mine[:3], mine[20 + seed]]
    yield one(
        "labelled windows of the target recorded after those asked",
        windows, others, np.setdiff1d(mine, given), calibrate=given, unseen="subject", past=True,
    )  # fmt: skip
    later = of(windows, subject=subject, session="1")
    yield one(
        "the test session in a split across sessions",
        windows,
        np.r_[of(windows, session="0"), later[: 2 + seed]],
        later[6:],
        unseen="session",
    )
    here = of(windows, site="site1", subject="S1")
    yield one(
        "the test site in a split across sites",
        windows,
        np.r_[of(windows, site="site0"), of(windows, subject="S3")[: 1 + seed]],
        here,
        unseen="site",
    )
    yield one(
        "the future in a split from past to future",
        windows,
        later[seed:],
        of(windows, subject=subject, session="0"),
        unseen="session",
        past=True,
    )


def planted_copies(seed: int) -> Iterator[Case]:
    """One signal under two names."""
    rng = np.random.default_rng(seed)

    def copied(change: Callable[[np.ndarray], np.ndarray], source: str = "S1", name: str = "S4") -> Case:
        windows = recorded(seed)
        X = np.array(windows.X)
        X[of(windows, subject=name, session=str(seed % 2))] = change(X[of(windows, subject=source, session="0")])
        again = Windows.from_arrays(X, list(windows.meta["event"]), sfreq=SFREQ, meta=windows.meta.drop(columns="event")).with_y(windows.y)
        fit = of(again, subject=["S1", "S2", "S3"])
        return one("", again, fit, of(again, subject="S4"), unseen="subject")

    changes = {
        "a recording under two names": lambda X: X,
        "a recording under two names, another gain and offset": lambda X: X * 0.5 * (1 + seed) + 3 * seed,
        "a recording under two names, polarity turned": lambda X: -X,
        "a recording under two names, rounded": lambda X: np.round(X * 20) / 20 + rng.normal(0, 0.001, X.shape),
    }
    for kind, change in changes.items():
        case = copied(change)
        yield Case(kind, case.windows, case.parts)
    yield from planted_stretches(seed)
    windows = recorded(seed)
    more = Windows.concatenate([windows, windows[of(windows, subject="S4")[: 3 + seed]]])
    more.meta.loc[len(windows) :, ["subject", "trial"]] = ["S5", 90 + seed]
    fit = np.setdiff1d(np.arange(len(more)), of(more, subject="S4"))
    yield one("windows repeated before the split (oversampling)", more, fit, of(more, subject="S4"), unseen="subject")


def planted_stretches(seed: int) -> Iterator[Case]:
    """One signal under two names, cut elsewhere; windows that overlap and do not say so."""
    later = recorded(seed, step_s=1.0 / SFREQ, n_sessions=1, n_trials=96, n_subjects=2)  # a window at every sample
    first, last = of(later, subject="S1"), of(later, subject="S2")
    rows = np.r_[first[::32], last[::32], first[1 + seed :: 32]]
    for kind, order in (
        ("a recording under two names, cues some samples later", slice(None)),
        ("the same, channels in another order", [3, 0, 5, 2, 1, 4]),
    ):
        X = np.array(later.X)[rows]
        X[6:] = X[6:][:, order]
        yield one(kind, told(X, subject=np.repeat(["S1", "S2", "S3"], 3)), np.arange(6), np.arange(6, 9), unseen="subject")
    X = np.array(later.X)[first[:: 8 * (1 + seed)]]
    meta = {"recording": [f"window{i}" for i in range(len(X))], "onset_s": np.arange(len(X)) * (1 + seed) / 8}
    half = np.arange(len(X)) % 2 == 0
    for kind, columns in (("overlapping windows that do not say so", {}), ("overlapping windows, each a recording of its own", meta)):
        yield one(kind, told(X, **columns), np.flatnonzero(half), np.flatnonzero(~half))


def told(X: np.ndarray, **columns: Any) -> Windows:
    """Return somebody's own windows, of two classes in turn, with what their table says."""
    y = np.arange(len(X)) % 2
    who = {"site": "", "session": "", "subject": "S1", **columns}
    return Windows.from_arrays(X, np.array(["left", "right"])[y], sfreq=SFREQ, meta=pd.DataFrame(who, index=range(len(X)))).with_y(y)


def planted_answers(seed: int) -> Iterator[Case]:
    """What tells the answer: a stimulus that stands on both sides, a trigger line."""
    windows = recorded(seed)
    windows.info["whole"] = ["stimulus"]
    test = of(windows, subject="S1", stimulus=[f"image{i}" for i in range(1 + seed)])
    yield one("a stimulus that the target is made of", windows, of(windows, subject=["S2", "S3", "S4"]), test, unseen="subject")
    lines = {
        "a trigger line among the channels": lambda X, y: 5.0 + 3 * y + 0 * X,
        "a trigger line with 0.1 % of noise": lambda X, y: 100 * y + 0.01 * X,
        "a trigger line that marks one of three classes": lambda X, y: 100.0 * (y == 1) + 0 * X,
        "a marker in the first sample": lambda X, y: X + (100 * y - X) * (np.arange(X.shape[1]) == 0),
    }
    for kind, line in lines.items():
        mine = recorded(seed)
        y = np.arange(len(mine)) % 3 if "three" in kind else mine.y
        X = np.array(mine.X)
        X[:, seed] = line(X[:, seed], y[:, None])
        again = Windows.from_arrays(X, list(mine.meta["event"]), sfreq=SFREQ, meta=mine.meta.drop(columns="event")).with_y(y)
        yield one(kind, again, of(again, subject=["S2", "S3", "S4"]), of(again, subject="S1"), unseen="subject")


class Remembering(Step):
    """Standardises by all that it has ever seen, as a scaler does that is fitted before the split."""

    def __init__(self):
        self.seen = []

    def __call__(self, signal: Signal) -> Signal:
        self.seen.append(float(signal.X.std()))
        return signal.replace(X=signal.X / np.mean(self.seen))


class Scaler:
    """The same as an estimator: what leakfence's guard wraps."""

    def fit(self, X: np.ndarray) -> Scaler:
        self.scale = float(X.std())
        return self


def planted_preparation(seed: int) -> Iterator[Case]:
    """A preparation that is fitted on all recordings, before the split."""
    windows = recorded(seed)
    events = pd.DataFrame({"onset_s": [1.0, 3.0], "duration_s": 1.0, "event": ["left", "right"]})
    signal = Signal(np.random.default_rng(seed).standard_normal((3, 640)), Space("eeg", ("C3", "Cz", "C4"), "uV", SFREQ), events)
    prepare = Prepare(scale=Remembering(), window=Cue(0, 1))
    fit, test = of(windows, subject=["S2", "S3", "S4"]), of(windows, subject="S1")
    yield one(
        "a preparation fitted on all recordings", windows, fit, test, unseen="subject",
        fitted=lambda: prepare(signal), scaler=lambda: (Scaler(), np.r_[fit, test[: 1 + seed]]),
    )  # fmt: skip


# -- clean splits ------------------------------------------------------------------------------------------------------


def split_by(kind: str, split: Split, windows: Windows, **how: Any) -> Case:
    """Return what a split of ours makes."""

    def parts() -> list[dict[str, Any]]:
        reach = windows.reach_s
        folds = split.folds(windows.meta, windows.y, overlap=bool(windows.info.get("overlap")), length_s=reach[1] - reach[0], **how)
        return [{**vars(fold)} for fold in folds]

    return Case(kind, windows, parts)


def clean() -> Iterator[Case]:
    """Give 26 splits with nothing wrong, some of which look as if there were."""
    windows, sliding, several = recorded(), recorded(step_s=0.5), recorded(per_trial=3)
    yield split_by("leave one person out", LOSO(), windows)
    yield split_by("leave one person out, overlapping windows", LOSO(), sliding)
    yield split_by("leave one person out, several windows of a trial", LOSO(), several)
    yield split_by("few labelled windows of the target", LOSO(shots=2), windows)
    yield split_by("few labelled windows of the target, overlapping", LOSO(shots=2), sliding)
    yield split_by("a labelled share of the target", LOSO(shots=0.2), several)
    yield split_by("unlabelled calibration", LOSO(), sliding, access="calibration", n_align=4)
    yield split_by("transductive, and said so", LOSO(), windows, access="all")
    yield split_by("folds of people", KFold(n_folds=2), windows)
    yield split_by("folds of sites", KFold(n_folds=None, by="site"), windows)
    yield split_by("across sessions, past to future", CrossSession(), windows)
    yield split_by("across sessions, all others", CrossSession(order="all"), sliding)
    yield split_by("within sessions, drawn", WithinSession(n_folds=3), windows)
    yield split_by("within sessions, in time", WithinSession(n_folds=3, shuffle=False), several)
    yield split_by("predefined", Predefined(column="subject", test=["S4"]), windows)
    yield split_by("pseudo-online, with a gap", PseudoOnline(), sliding)
    yield split_by("pseudo-online, quarter steps", PseudoOnline(gap_s=0.5), recorded(step_s=0.25, n_trials=40))
    yield split_by("learning curve of people", LearningCurve(), windows)
    yield split_by("learning curve of trials", LearningCurve(of="trial", n_folds=3), windows)
    other = recorded(1)
    other.meta["dataset"] = "other"
    yield split_by("two data sets whose people have the same names", CrossDataset(), Windows.concatenate([windows, other]))
    stimuli = recorded()
    stimuli.info["whole"] = ["stimulus"]
    yield split_by("folds of stimuli", KFold(n_folds=3, by="stimulus"), stimuli)
    yield split_by("slow signals, neighbours much alike", WithinSession(n_folds=3), recorded(smooth=40))
    yield split_by("mains hum far above the signal", LOSO(), humming())
    yield split_by("mains hum four hundred times the signal", WithinSession(n_folds=3), humming(400.0, signal=0.1))
    yield split_by("one open electrode, 10 mV of mains", WithinSession(n_folds=3), humming(10000.0, channels=slice(5, 6)))
    mine = of(windows, subject="S1", session="0")
    yield one("context, with a gap as wide", windows, mine[:4], mine[7:], context=(2, 1))


def humming(size_uv: float = 50.0, channels: slice = slice(None), signal: float = 1.0) -> Windows:
    """Return windows in which channels are a 20 Hz hum in some phase, and `signal` times 10 µV of signal."""
    windows = recorded()
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (len(windows), 1, 1))
    X = signal * np.array(windows.X)
    X[:, channels] += size_uv * np.sin(2 * np.pi * 20 * np.arange(windows.n_times) / SFREQ + phase)
    return Windows.from_arrays(X, list(windows.meta["event"]), sfreq=SFREQ, meta=windows.meta.drop(columns="event")).with_y(windows.y)


# -- the table ---------------------------------------------------------------------------------------------------------


def table() -> str:
    """Return the comparison as Markdown."""
    counts: dict[str, list[int]] = {}
    for case in planted():
        line = counts.setdefault(case.kind, [0, 0, 0])
        for i, found in enumerate((True, bool(theirs(case)), bool(ours(case)))):
            line[i] += found
    splits = list(clean())
    alarms = [sum(bool(judge(case)) for case in splits) for judge in (theirs, ours)]
    lines = [f"| {kind} | {n} | {them} | {us} |" for kind, (n, them, us) in counts.items()]
    total = np.sum(list(counts.values()), axis=0)
    head = ["| leak | planted | leakfence 0.5 found | ours stopped |", "|---|---|---|---|"]
    sums = [f"| **all {len(counts)} kinds** | **{total[0]}** | **{total[1]}** | **{total[2]}** |"]
    return "\n".join([*head, *lines, *sums, f"| false alarms on {len(splits)} clean splits | | {alarms[0]} | {alarms[1]} |"])


def main() -> None:
    """Run all cases and write this script's part of the page."""
    from page import keep, made_with

    text = f"""## Leaks, planted on purpose: what an audit from outside finds and what a run refuses

{table()}

Made by `python benchmarks/leaks.py`. leakfence is given all that its documentation asks for (subject, session, recording, sample
range, paradigm, the samples for `check_duplicates`, `guard_fit` with the test rows' fingerprints) and has to be called by whoever made the
split; ours is part of every run. Neither finds a copy that went through another filter, another reference or another rate,
or that had more noise added than rounding makes."""
    keep("leaks", f"{text}\n\n{made_with('leakfence')}")


if __name__ == "__main__":
    main()
