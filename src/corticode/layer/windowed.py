"""A module that is built for windows of one size, and refuses others."""

from __future__ import annotations

from corticode.errors import SentenceError
from corticode.layer.stateful import StatefulModule


class WindowModule(StatefulModule):
    """Base of what takes windows [b, channels, times]: encoders and tokenizers.

    Parameters
    ----------
    n_chans : int
    n_times : int
        Samples per window.
    sfreq : float, Hz

    Attributes
    ----------
    rate_hz : float or None
        The one rate it takes, where kernels, patches or spectra are those of published weights; None: any.

    Raises
    ------
    SentenceError
        The windows come at another rate than `rate_hz`.
    """

    rate_hz: float | None = None

    def __init__(self, n_chans: int, n_times: int, sfreq: float):
        super().__init__()
        self.n_chans, self.n_times, self.sfreq = int(n_chans), int(n_times), float(sfreq)
        if self.rate_hz is not None and abs(self.sfreq - self.rate_hz) > 1e-6 * self.rate_hz:
            raise SentenceError(
                f"{type(self).__name__} knows signals of {self.rate_hz:g} Hz alone and these windows have {self.sfreq:g} Hz: "
                f"set prepare.resample.sfreq_hz={self.rate_hz:g}"
            )

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Refuse windows [n, channels, times] of another shape than it was built for.

        Raises
        ------
        SentenceError
        """
        if len(shape) != 3 or tuple(shape[1:]) != (self.n_chans, self.n_times):
            raise SentenceError(
                f"{type(self).__name__} was built for windows of {self.n_chans} channels x {self.n_times} samples at {self.sfreq:g} Hz "
                f"and got {list(shape)}: prepare these recordings as those it was trained on"
            )
