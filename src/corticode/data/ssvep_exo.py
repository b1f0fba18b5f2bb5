"""Steady-state visual potentials: LEDs at 13, 17 and 21 Hz on an arm exoskeleton, or rest."""

from __future__ import annotations

from collections.abc import Sequence

from corticode.data.base import Card
from corticode.data.bids import Bids
from corticode.errors import SentenceError


class SsvepExo(Bids):
    """12 people, 5 s trials back to back, 8 occipital electrodes at 256 Hz, in BIDS; events rest, 13Hz, 17Hz, 21Hz.

    The pauses between trials are gone, and each border of two trials is a joint of the signal: a trial is the 1280 samples from
    its event, and nothing is filtered across.

    Parameters
    ----------
    root : str or None
        The BIDS folder.
    subjects : list of str or None
    excluded : str
        'drop' leaves out the five sessions that the authors left out of their papers (27 sessions, 864 trials remain);
        'keep' takes all 32 (1024 trials), of which two clip at 500 µV.
    unit_factor : float
    """

    name = "ssvep_exo"
    card = Card(
        title="SSVEP with an arm exoskeleton (cut trials)",
        source="https://github.com/sylvchev/dataset-ssvep-exoskeleton",
        licence="CC0 1.0",
        citation="Kalunga, Chevallier, Barthelemy 2016 (Neurocomputing 191:55)",
        n_subjects=12,
        n_channels=8,
        sfreq=256.0,
        classes=("rest", "13Hz", "17Hz", "21Hz"),
        notes=(
            "pauses between trials are gone: never filter across a joint",
            "five sessions were left out by the authors (sub-08 ses-01, sub-10 ses-01 and ses-04, sub-11 ses-01 and ses-02); those of sub-11 clip",
            "the source holds one session twice, under sub-03 and sub-07, and files mV labelled V; both are mended in the BIDS copy",
            "sessions of one person are minutes apart: split by person",
        ),
    )

    def __init__(self, root: str | None = None, subjects: Sequence[str] | None = None, excluded: str = "drop", unit_factor: float = 1.0):
        if excluded not in ("drop", "keep"):
            raise SentenceError(f"data.excluded={excluded} is unknown: say drop or keep")
        super().__init__(root, subjects, exclude={"excluded_by_authors": True} if excluded == "drop" else None, unit_factor=unit_factor)
        self.excluded = excluded

    @property
    def classes(self) -> dict[str, list[str]]:
        """The four things to look at."""
        return {"event": list(self.card.classes)}
