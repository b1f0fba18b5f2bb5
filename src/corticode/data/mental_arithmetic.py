"""Rest, then serial subtraction: one minute of each per person."""

from __future__ import annotations

from collections.abc import Sequence

from corticode.data.base import Card
from corticode.data.bids import Bids


class MentalArithmetic(Bids):
    """27 adults, one minute of rest and one of arithmetic, 19 electrodes at 125 Hz, in BIDS; outcome column `task`.

    Parameters
    ----------
    root : str or None
        The BIDS folder.
    subjects : list of str or None
    unit_factor : float
    """

    name = "mental_arithmetic"
    order = ("rest", "arithmetic")
    card = Card(
        title="EEG during rest and mental arithmetic (60 s each)",
        source="https://physionet.org/content/eegmat/1.0.0/",
        licence="ODC-By 1.0",
        citation="Zyma 2019 (Data 4:14, doi 10.3390/data4010014), Goldberger 2000 (Circulation 101:e215)",
        n_subjects=27,
        n_channels=19,
        sfreq=125.0,
        notes=(
            "rest always comes first: order and condition cannot be told apart, and part of what decodes is time",
            "all windows of a condition come from one recording: split by person",
            "cleaned by ICA and a 50 Hz notch at the provider; old electrode names T3 T4 T5 T6",
            "the provider's files end in about 2 s of zeros, cut off in the BIDS copy",
            "three people fall below 0.5; sub-12 comes out reversed",
        ),
    )

    def __init__(self, root: str | None = None, subjects: Sequence[str] | None = None, unit_factor: float = 1.0):
        super().__init__(root, subjects, unit_factor=unit_factor)

    @property
    def classes(self) -> dict[str, list[str]]:
        """The condition, and how well the person counted."""
        return {"task": ["rest", "arithmetic"]}
