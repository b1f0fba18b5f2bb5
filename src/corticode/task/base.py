"""A task says what is asked: target, classes, metrics, unit, headline."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import GuardError, MissingDataError, SentenceError
from corticode.metric.base import Metric, named
from corticode.predictions import Predictions, units
from corticode.state import Stateful
from corticode.task.scores import LEVELS, headline, table
from corticode.task.shuffle import exchange
from corticode.windows import IDENTITY, Windows

TEST_UNITS = ("window", "trial", "recording", "subject", "stimulus")


class Task(Stateful):
    """Windows -> Windows with y; Predictions -> scores.

    Parameters
    ----------
    target : str
        The outcome column that is asked about.
    metrics : sequence of str
        Names of metrics; the headline's is added where it is not among them.
    headline_metric, headline_level : str
        The number that a run ends with: the mean over 'subject's, 'site's or 'fold's, or 'pooled'.
    unit : str
        Answers are averaged to it before scoring: 'window', 'trial', 'recording', 'subject' or 'stimulus'.
    shuffle : bool
        A control: labels change places (see `task.shuffle.exchange`), so that nothing can be learned.
    shuffle_seed : int
    uses : sequence of str
        Outcome columns that a decoder may see at test; never the target.
    made_of : sequence of str
        Columns that the target is made of, such as the `stimulus` whose category is asked: one value of them never stands in
        fit and in test (split=kfold split.by=stimulus parts them so, and any other split is refused).

    Attributes
    ----------
    yhat_kind : str
        Kind of answers the default head gives.
    default_head : dict
        `_target_` of the head for encoders that bring none.
    """

    yhat_kind = "probability"
    default_head: dict[str, Any]

    def __init__(
        self,
        target: str,
        metrics: Sequence[str | Metric],
        headline_metric: str,
        headline_level: str,
        unit: str = "window",
        shuffle: bool = False,
        shuffle_seed: int = 0,
        uses: Sequence[str] = (),
        made_of: Sequence[str] = (),
    ):
        self.target, self.headline_metric, self.headline_level, self.unit = target, headline_metric, headline_level, unit
        self.shuffle, self.shuffle_seed, self.uses, self.made_of = bool(shuffle), int(shuffle_seed), tuple(uses), tuple(made_of)
        self._asked_metrics = tuple(metrics)
        self._headline_metric = named(headline_metric)
        self.metrics = tuple(named(name) for name in dict.fromkeys([*metrics, headline_metric]))
        if headline_level not in LEVELS:
            raise SentenceError(f"task.headline_level={headline_level} is unknown: pick one of {', '.join(LEVELS)}")
        if unit not in TEST_UNITS:
            raise SentenceError(f"task.unit={unit} is unknown: pick one of {', '.join(TEST_UNITS)}")
        if target in IDENTITY:
            raise GuardError(
                f"task.target={target}: every decoder sees who and when, so this would be answered by reading it; give the label a column of its own"
            )
        if target in self.uses:
            raise GuardError(f"task.uses names the target {target}: the decoder would be told the answer")

    # -- what is asked ----------------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes after `label`; empty for regression."""
        return ()

    @property
    def n_outputs(self) -> int:
        """Columns of yhat."""
        return len(self.classes) or 1

    def label(self, windows: Windows) -> Windows:
        """Return the windows that are asked about, with y. What was left out stands in `info['notes']`.

        Raises
        ------
        MissingDataError
            The target column or all of its labels are missing, or there is nothing to tell apart.
        """
        raise NotImplementedError

    def _column(self, windows: Windows) -> pd.Series:
        """Return the target's column.

        Raises
        ------
        MissingDataError
            There is none: names those there are.
        """
        outcomes = [str(column) for column in windows.meta.columns if column not in IDENTITY]
        absent = [column for column in (self.target, *self.uses, *self.made_of) if column not in outcomes]
        if absent:
            near = difflib.get_close_matches(absent[0], outcomes, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(outcomes) or 'no outcome columns at all'}"
            word = "target" if absent[0] == self.target else "uses" if absent[0] in self.uses else "made_of"
            raise MissingDataError(f"task.{word}={absent[0]}: the windows have no such column: {hint}")
        return windows.meta[self.target]

    def _asked(self, windows: Windows, keep: np.ndarray, y: np.ndarray, notes: Sequence[str]) -> Windows:
        """Return the kept rows with y (its labels shuffled where that is asked for) and the notes."""
        chosen, notes = windows[keep], list(notes)
        if self.unit != "window" and (self.unit != "stimulus" or "stimulus" in chosen.meta):
            units(chosen.meta, y, self.unit)  # refused before anything is computed
        if self.shuffle:
            moving = exchange(y, chosen.meta)
            y = moving.draw(np.random.default_rng(self.shuffle_seed), 1)[0]
            notes.append(f"control: {moving.rule} were shuffled (task.shuffle_seed={self.shuffle_seed})")
        labelled = chosen.with_y(y)
        labelled.info["notes"] = [*windows.info.get("notes", []), *notes]
        labelled.info["whole"] = list(self.made_of)
        return labelled

    # -- how it is judged -------------------------------------------------------------------------------------

    def score(self, predictions: Sequence[Predictions]) -> pd.DataFrame:
        """Return the tidy table of scores: one row per data set x level x fold x seed x metric (see `task.scores.table`)."""
        return table(self.averaged(predictions), self.metrics)

    def averaged(self, predictions: Sequence[Predictions]) -> list[Predictions]:
        """Return answers averaged to the unit of the task."""
        if self.unit == "stimulus" and any("stimulus" not in one.meta for one in predictions):
            raise MissingDataError("task.unit=stimulus: the windows have no column `stimulus`")
        return [one.average(self.unit) for one in predictions]

    def headline(self, scores: pd.DataFrame, predictions: Sequence[Predictions]) -> dict[str, Any]:
        """Return the number that the run ends with.

        Parameters
        ----------
        scores : DataFrame
            What `score` gave.
        predictions : sequence of Predictions
            What it was made of.

        Returns
        -------
        summary : dict
            metric, level, model (the first), headline, sd, sd_seeds, n, chance, n_left_out, notes; `models` holds headline,
            sd, n and chance of each.

        Raises
        ------
        SentenceError
            The metric is undefined at this level: names the cure.
        """
        metric, level, averaged = self._headline_metric, self.headline_level, self.averaged(predictions)
        models = list(dict.fromkeys(one.fold.get("model", "") for one in predictions))
        found = {model: headline(scores, averaged, metric, level, model) for model in models}
        for model, facts in found.items():
            if facts is None:
                raise SentenceError(self._undefined(model, averaged))
        first = found[models[0]]
        notes = [f"{n} people have no {metric.name} of their own and are left out of the mean" for n in [first["n_left_out"]] if n]
        every = {name: {key: facts[key] for key in ("headline", "sd", "n", "chance")} for name, facts in found.items()}
        return {"metric": metric.name, "level": level, "model": models[0], **first, "notes": notes, "models": every}

    def _undefined(self, model: str, predictions: Sequence[Predictions]) -> str:
        name, level = self.headline_metric, self.headline_level
        kind = next(one.yhat_kind for one in predictions if one.fold.get("model", "") == model)
        if kind not in self._headline_metric.kinds:
            return f"{name} is defined for answers of the kind {' or '.join(self._headline_metric.kinds)}, and {model} gives {kind}: choose another task.headline_metric="
        if level == "site" and not any(one.meta["site"].ne("").any() for one in predictions):
            return "task.headline_level=site, and no window has a site: use task.headline_level=subject or pooled"
        cure = "choose another task.headline_metric=" if level == "pooled" else "score all together with task.headline_level=pooled"
        return f"{name} is undefined for each {level} here (it holds one class, or one value, only): {cure}"

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments for keys and files."""
        metrics = [one.name if isinstance(one, Metric) else one for one in self._asked_metrics]
        return {**super().arguments(), "metrics": metrics, "uses": list(self.uses), "made_of": list(self.made_of)}
