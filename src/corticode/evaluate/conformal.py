"""Prediction sets that hold the truth as often as promised, calibrated on whole people who were neither trained on nor tested.

    fold.fit --hold_out--> fit people | calibration people      (decoder fitted on the first part only)
    answers for calibration people --quantile--> threshold      (people are the units that may be exchanged)
    answers for test people --prediction_sets--> the classes that cannot be ruled out

The promise is for a new person drawn like the others, on average: no promise is made for each person, so the table names
the one who is worst off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.predictions import Predictions
from corticode.split.base import PERSON, Fold, people

METHODS = ("lac", "aps")


# -- people held back -----------------------------------------------------------------------------------------------


def hold_out(fold: Fold, meta: pd.DataFrame, y: np.ndarray, share: float = 0.25, random_state: int = 0) -> tuple[Fold, np.ndarray]:
    """Take whole people out of a fold's fit rows, to calibrate prediction sets on.

    The new fold asks about them too: its `test` is the old one followed by the held-out rows, so that one fit of one
    decoder answers for both and nothing else has to know; `part` takes the answers apart again. Where `align` equals `test`
    (transductive), it grows likewise. The test people of a left-out site or data set are not drawn like the calibration
    people: the promise then does not cover them, and the table shows what came of it.

    Parameters
    ----------
    fold : Fold
    meta : DataFrame
        Identity columns of all rows.
    y : array
        The rest must keep a window of each class.
    share : float
        Of the fit people; at least one is held out and at least one is left.
    random_state : int
        Chooses them.

    Returns
    -------
    fold : Fold
    held : int array
        Row indices of the calibration people.

    Raises
    ------
    SentenceError
        A person stands in fit and in test (calibration people must be strangers as test people are), the target gives
        labels or a calibration run of its own, or there are too few people.
    """
    inside = people(meta.iloc[fold.fit].reset_index(drop=True), PERSON)
    target = people(meta.iloc[fold.test].reset_index(drop=True), PERSON)
    shared = {_who(meta, fold.fit[rows[0]]) for _, rows in inside} & {_who(meta, fold.test[rows[0]]) for _, rows in target}
    if shared:
        raise SentenceError(
            f"fold {fold.name}: evaluate.conformal calibrates on people who are strangers to the decoder, and {'/'.join(sorted(shared)[0])} stands "
            "in fit and in test: use split=loso, kfold or leave_site_out"
        )
    if len(fold.calibrate) or fold.unlabelled == "unlabelled calibration":
        raise SentenceError(
            f"fold {fold.name}: the target gives windows of its own beforehand (split.shots=, align.access=calibration), calibration people do not, "
            "so their answers are not alike: evaluate.conformal needs split.shots=0 and align.access=online or all"
        )
    if len(inside) < 2:
        raise SentenceError(f"fold {fold.name}: evaluate.conformal holds whole people out of the fit rows, and there is one only")
    n_held = int(np.clip(round(share * len(inside)), 1, len(inside) - 1))
    order = np.random.default_rng(random_state).permutation(len(inside))
    held = np.sort(np.concatenate([fold.fit[inside[i][1]] for i in order[:n_held]]))
    fit = np.setdiff1d(fold.fit, held)
    if np.issubdtype(np.asarray(y).dtype, np.integer) and len(np.unique(y[fit])) < len(np.unique(y[fold.fit])):
        raise SentenceError(
            f"fold {fold.name}: with {n_held} people held out for evaluate.conformal a class has no fit rows left: add people"
        )
    align = np.concatenate([fold.align, held]) if len(fold.align) else fold.align
    # calibration people may be of a site (or data set) that is learned from: the fold as it was promises more, and is checked as it was
    unseen = "subject" if fold.unseen in ("site", "dataset") else fold.unseen
    return replace(fold, fit=fit, test=np.concatenate([fold.test, held]), align=align, unseen=unseen), held


def part(answers: Predictions, n_test: int) -> tuple[Predictions, Predictions]:
    """Take apart the answers for test rows and for held-out rows, which `hold_out` put behind each other."""
    rows = np.arange(len(answers))
    return answers[rows[:n_test]], answers[rows[n_test:]]


def _who(meta: pd.DataFrame, row: int) -> tuple[str, ...]:
    return tuple(str(meta[column].iloc[row]) for column in PERSON)


# -- scores and thresholds ------------------------------------------------------------------------------------------


def strangeness(yhat: np.ndarray, method: str = "lac") -> np.ndarray:
    """Return how strange each class would be as the truth.

    lac   1 - probability: the smallest sets on average, which may be empty
    aps   probability of all classes that are as likely or likelier: sets that grow with the doubt, never empty

    Parameters
    ----------
    yhat : float array [n, k]
        Probabilities.
    method : str

    Returns
    -------
    scores : float array [n, k], 0 to 1

    Source
    ------
    lac: Sadinle, Lei & Wasserman 2019, JASA 114:223. aps: Romano, Sesia & Candes 2020, NeurIPS, without the random
    tie-breaking, which makes the sets larger than promised, never smaller.
    """
    yhat = np.asarray(yhat, dtype=float)
    if method == "lac":
        return 1 - yhat
    if method != "aps":
        raise SentenceError(f"evaluate.conformal: {method!r} is unknown: pick one of {', '.join(METHODS)}")
    order = np.argsort(-yhat, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(yhat, order, axis=1), axis=1)
    scores = np.empty_like(yhat)
    np.put_along_axis(scores, order, total, axis=1)
    return scores


def of_truth(answers: Predictions, method: str = "lac") -> np.ndarray:
    """Return the strangeness of the true class of each row, float [n]."""
    return strangeness(answers.yhat, method)[np.arange(len(answers)), answers.y.astype(int)]


def quantile(scores: np.ndarray, person: Sequence, alpha: float) -> float:
    """Return the threshold below which the truth of a new person's window lies with a probability of 1 - alpha.

    Every person weighs the same, whatever their number of windows, and the person to come weighs as much as each, at
    infinity. The promise is marginal: over people and over windows of theirs, not for each person.

    Parameters
    ----------
    scores : float array [n]
        Strangeness of the truth, of calibration people.
    person : sequence [n]
    alpha : float

    Returns
    -------
    threshold : float
        Infinite, so that no class is ever ruled out, with fewer than 1 / alpha - 1 people.

    Source
    ------
    Lee, Barber & Willett 2023, Distribution-free inference with hierarchical data, arXiv 2306.06342, eq. 5; Dunn,
    Wasserman & Ramdas 2022, JASA 118:2491.
    """
    scores, weight = np.asarray(scores, dtype=float), _weights(person)
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weight[order])
    # rounding must not cost the window that just reaches the share
    at = int(np.searchsorted(below, _level(alpha) - 1e-12, side="left"))
    return float(scores[order[at]]) if at < len(scores) else np.inf


def person_quantile(scores: np.ndarray, person: Sequence, alpha: float, delta: float = 0.1) -> float:
    """Return the threshold with which a new person's sets hold the truth in 1 - alpha of their windows, for 1 - delta of people.

    The (1 - alpha) quantile of each calibration person's windows is one number per person; the threshold is the split
    conformal quantile of these numbers. Stricter than `quantile`, and infinite with fewer than 1 / delta - 1 people.
    """
    scores, person = np.asarray(scores, dtype=float), np.asarray(person)
    own = np.sort([np.quantile(scores[person == who], _level(alpha), method="higher") for who in pd.unique(person)])
    at = int(np.ceil((len(own) + 1) * _level(delta) - 1e-9)) - 1
    return float(own[at]) if at < len(own) else np.inf


def _weights(person: Sequence) -> np.ndarray:
    """Give each window its share of its person, who counts one among all and the one to come."""
    number, names = pd.factorize(np.asarray(person))
    return 1 / ((len(names) + 1) * np.bincount(number)[number])


def _level(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise SentenceError(f"evaluate.conformal={alpha} is the share of windows whose truth may be missed: wanted between 0 and 1")
    return 1 - alpha


def prediction_sets(yhat: np.ndarray, threshold: float, method: str = "lac") -> np.ndarray:
    """Return which classes cannot be ruled out: bool [n, k]."""
    return strangeness(yhat, method) <= threshold + 1e-12


# -- what came of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sets:
    """Prediction sets of test rows.

    Parameters
    ----------
    answers : Predictions
    holds : bool array [n, k]
    alpha : float
    method : str
    threshold : float
    n_calibration : int
        People it was calibrated on.
    """

    answers: Predictions
    holds: np.ndarray
    alpha: float
    method: str
    threshold: float
    n_calibration: int

    def per_person(self) -> pd.DataFrame:
        """Return one row per test person: n (windows), coverage (share of sets that hold the truth), size (mean), empty, full (shares)."""
        size = self.holds.sum(axis=1)
        hit = self.holds[np.arange(len(size)), self.answers.y.astype(int)]
        facts = {"coverage": hit, "size": size, "empty": size == 0, "full": size == self.holds.shape[1]}
        table = self.answers.meta[list(PERSON)].assign(n=1, **facts)
        spec = {"n": ("n", "sum"), **{name: (name, "mean") for name in facts}}
        return (
            table.groupby(list(PERSON), sort=False)
            .agg(**spec)
            .reset_index()
            .assign(threshold=self.threshold, n_calibration=self.n_calibration)
        )


def conformal(test: Predictions, held: Predictions, alpha: float = 0.1, method: str = "lac", delta: float | None = None) -> Sets:
    """Make the prediction sets of a fold's test rows.

    Parameters
    ----------
    test, held : Predictions
        Answers of one decoder for test people and for calibration people; probabilities.
    alpha : float
        Share of windows whose truth may be missed.
    method : str
        'lac' or 'aps'.
    delta : float or None
        None: the marginal promise (`quantile`); a number: that for 1 - delta of people (`person_quantile`).

    Raises
    ------
    SentenceError
        The answers are no probabilities.
    """
    if test.yhat_kind != "probability":
        raise SentenceError(f"evaluate.conformal needs class probabilities, and this model answers by {test.yhat_kind}: use another head")
    person = held.meta[list(PERSON)].astype(str).agg("\x1f".join, axis=1).to_numpy()
    scores = of_truth(held, method)
    threshold = quantile(scores, person, alpha) if delta is None else person_quantile(scores, person, alpha, delta)
    return Sets(test, prediction_sets(test.yhat, threshold, method), alpha, method, threshold, len(pd.unique(person)))


def apart(
    predictions: Sequence[Predictions], folds: Sequence[Fold], alpha: float = 0.1, method: str = "lac"
) -> tuple[list[Predictions], list[Sets]]:
    """Take apart what was answered about `hold_out`'s folds: the test rows alone, and their prediction sets.

    Parameters
    ----------
    predictions : sequence of Predictions
        One per model, seed and fold, in the rows of the folds that `hold_out` gave; `fold['fold']` names the fold.
    folds : sequence of Fold
        As they were before: their test rows come first.
    alpha, method
        See `conformal`.
    """
    n_test = {fold.name: len(fold.test) for fold in folds}
    pairs = [part(one, n_test[one.fold["fold"]]) for one in predictions]
    return [test for test, _ in pairs], [conformal(test, held, alpha, method) for test, held in pairs]


def table(sets: Sequence[Sets]) -> pd.DataFrame:
    """Return the rows of all folds and seeds, one per test person: their seeds averaged, the worst covered first."""
    rows = pd.concat([one.per_person().assign(model=one.answers.fold.get("model", "")) for one in sets], ignore_index=True)
    mean = rows.groupby(["model", *PERSON], sort=False).mean(numeric_only=True).reset_index()
    return mean.sort_values(["model", "coverage"], kind="stable", ignore_index=True)


def summary(rows: pd.DataFrame, alpha: float) -> dict[str, float | str | int]:
    """Return what a table of one model says: mean coverage over people, the worst, the size of sets.

    Returns
    -------
    facts : dict
        wanted (1 - alpha), coverage (mean over people), worst (lowest coverage of a person), worst_person, n_below (people
        below what is wanted), size (mean over people), n.
    """
    worst = rows.loc[rows["coverage"].idxmin()]
    return {
        "wanted": 1 - alpha, "coverage": float(rows["coverage"].mean()), "worst": float(worst["coverage"]), "worst_person": str(worst["subject"]),
        "n_below": int((rows["coverage"] < 1 - alpha).sum()), "size": float(rows["size"].mean()), "n": len(rows),
    }  # fmt: skip
