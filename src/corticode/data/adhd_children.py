"""Children with ADHD and control children, one minute of a visual attention task each."""

from __future__ import annotations

from collections.abc import Sequence

from corticode.data.base import Card
from corticode.data.bids import Bids


class AdhdChildren(Bids):
    """91 children, 60 s each, 19 electrodes at 128 Hz, in BIDS; the diagnosis is the fact `group`.

    Parameters
    ----------
    root : str or None
        The BIDS folder.
    subjects : list of str or None
    unit_factor : float
        The provider states no unit; digital steps are taken as µV.
    """

    name = "adhd_children"
    card = Card(
        title="EEG of children with ADHD and control children during a visual attention task (first 60 s)",
        source="https://doi.org/10.21227/rzfh-zn36",
        licence="CC BY 4.0 as a public copy states; the provider's page was not read",
        citation="Nasrabadi, Allahverdy, Samavati, Mohammadi 2020, IEEE DataPort",
        n_subjects=91,
        n_channels=19,
        sfreq=128.0,
        notes=(
            "the provider states no physical unit: amplitudes are not microvolts for certain",
            "gain alone tells the groups apart (AUC 0.735), and so does the length of the delivered recording (0.639): one minute of each is used",
            "50 Hz line noise and an offset of about 126 units; constant stretches in v151 Fz (0.7 s) and v204 F7 (1.2 s)",
            "channel order is inferred from the data",
            "one recording per child: split by child",
        ),
    )

    def __init__(self, root: str | None = None, subjects: Sequence[str] | None = None, unit_factor: float = 1.0):
        super().__init__(root, subjects, unit_factor=unit_factor)

    @property
    def classes(self) -> dict[str, list[str]]:
        """The diagnosis."""
        return {"group": ["control", "adhd"]}
