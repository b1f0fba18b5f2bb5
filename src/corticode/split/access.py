"""What of the target a decoder was given: the words of the `access` column, one for one with MOABB's CrossSubjectMode.

none                nothing: learned from others, the target answered as it stands
trialwise           the same, each window answered by itself
online              each window aligned by what came before it and itself (MOABB has no such mode)
unlabelled 20 %     the first 20 % of each session, without labels, not tested
transductive        all test windows, without labels, before the first is answered
labelled 20 %       the first 20 % of each session, with labels, not tested
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from corticode.split.fold import Fold
from corticode.split.rows import PERSON, SESSION, codes


@dataclass(frozen=True)
class Mode:
    """One protocol: our word, MOABB's, and what is typed for it.

    Parameters
    ----------
    word : str
        In the `access` column of every table.
    moabb : str or None
        Value of the member of moabb.evaluations.protocols.CrossSubjectMode; None where it has none.
    typed : dict
        Keys of the command line and their values, beside split=loso.
    """

    word: str
    moabb: str | None
    typed: dict[str, object] = field(default_factory=dict)


MODES = (
    Mode("none", "train", {"align": "none"}),
    Mode("trialwise", "train_trialwise", {"align": "none", "align.access": "trialwise"}),
    Mode("online", None, {"align": "riemannian", "align.access": "online"}),
    Mode("unlabelled 20 %", "train_and_target_unlabeled_20p", {"align": "riemannian", "align.access": "calibration", "align.n_align": 0.2}),
    Mode("unlabelled 50 %", "train_and_target_unlabeled_50p", {"align": "riemannian", "align.access": "calibration", "align.n_align": 0.5}),
    Mode("transductive", "train_and_target_unlabeled_full", {"align": "riemannian", "align.access": "all"}),
    Mode("labelled 20 %", "train_and_target_labeled_20p", {"align": "none", "split.shots": 0.2}),
    Mode("labelled 50 %", "train_and_target_labeled_50p", {"align": "none", "split.shots": 0.5}),
)


def seen(fold: Fold, meta: pd.DataFrame, aligned: bool) -> str:
    """Return what of the target people a decoder saw, in words: 'none' for strangers of whom nothing was seen.

    First their labelled windows: in the fit rows (within-session, cross-session) and for calibration; then, without labels,
    'trialwise', 'unlabelled ...', 'transductive', or 'online' where an aligner follows the past.

    Parameters
    ----------
    fold : Fold
    meta : DataFrame [n]
        Identity columns of all rows.
    aligned : bool
        The decoder has an aligner.
    """
    words = []
    for said, columns in (("labelled windows of the session", SESSION), ("labelled other sessions", PERSON)):
        number = codes(meta, columns)
        if np.isin(number[fold.test], number[fold.fit]).any():
            words.append(said)
            break
    given = list(fold.given)
    if not given:  # a fold of one's own
        given = [f"{len(fold.calibrate)} labelled"] if len(fold.calibrate) else []
        given += [fold.unlabelled] if fold.unlabelled else []
    if not aligned:  # what nobody aligns by was not seen
        given = [word for word in given if word != "transductive"]
    if aligned and not fold.unlabelled and "trialwise" not in given:
        given.append("online")
    return " + ".join([*words, *given]) or "none"
