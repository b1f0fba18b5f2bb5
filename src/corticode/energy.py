"""How much electricity a run takes, estimated by codecarbon without asking the network (extra [energy])."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from typing import Any

from corticode.errors import SentenceError


class Meter:
    """Measures the block that it guards: `with Meter(True, "DEU") as meter: ...`, then `meter.kwh`.

    CPU and GPU by their own counters where the system has them, else by their rated power; memory by its size. The whole
    machine is measured, so that worker processes count, and so does whatever else runs on it.

    Parameters
    ----------
    on : bool
        False measures nothing, and needs nothing installed.
    country : str
        ISO code of three letters: codecarbon asks for it in offline mode. The kWh do not depend on it.

    Attributes
    ----------
    kwh : float or None
        Kilowatt-hours, after the block; None where nothing was measured.

    Raises
    ------
    SentenceError
        codecarbon is not installed, or the country is no code of three letters.
    """

    def __init__(self, on: bool = False, country: str = "USA"):
        self.on, self.country = bool(on), str(country).upper()
        if len(self.country) != 3 or not self.country.isalpha():
            raise SentenceError(f"energy.country={country}: wanted an ISO code of three letters, such as DEU")
        self.kwh: float | None = None
        self._tracker: Any = None

    def __enter__(self) -> Meter:
        if self.on:
            with _quiet():
                self._tracker = self._made()
                self._tracker.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._tracker is None:
            return
        with _quiet():
            self._tracker.stop()
        data = getattr(self._tracker, "final_emissions_data", None)
        measured = float(getattr(data, "energy_consumed", math.nan))
        self.kwh = measured if math.isfinite(measured) else None
        self._tracker = None

    def _made(self) -> Any:
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError as error:
            raise SentenceError(
                f"energy.measure=true needs codecarbon, which is not installed ({error}): pip install 'corticode[energy]'"
            ) from error
        return OfflineEmissionsTracker(
            country_iso_code=self.country, tracking_mode="machine", save_to_file=False, log_level="critical", allow_multiple_runs=True,
        )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep codecarbon's talk about missing power counters off the screen."""
    import warnings

    logger = logging.getLogger("codecarbon")
    before, logger.disabled = logger.disabled, True  # its level is set anew by each tracker
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
