"""Eye movements taken out of the EEG by regression on the EOG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.base import Step, check_finite, each_piece, words
from corticode.recording import Signal


class RegressEOG(Step):
    """Subtract from each channel what the EOG explains of it, one set of coefficients per recording.

    Coefficients are estimated above 1 Hz, where slow drifts cannot feign them, and applied to the signal as it is. Apply
    it before EOG channels are left behind by `pick`; windows rejected by amplitude are judged after it.

    Parameters
    ----------
    regress : bool
        False: off.
    channels : list of str or None
        Channels that show the eyes; None takes those of type 'eog'. [Fp1, Fp2] where there are none: these then come
        out flat and are best left out by `pick`.

    Raises
    ------
    BrokenDataError
        There is no such channel, or NaN in the signal.

    Source
    ------
    Gratton et al. 1983, Electroencephalogr. Clin. Neurophysiol. 55, without its separation of blinks and saccades.
    """

    def __init__(self, regress: bool = False, channels: Sequence[str] | None = None):
        self.regress = bool(regress)
        self.channels = words(channels)
        if self.channels and not self.regress:
            raise SentenceError("prepare.eog.channels is given and prepare.eog.regress is false: set prepare.eog.regress=true")

    @property
    def off(self) -> bool:
        """True unless asked to regress."""
        return not self.regress

    @property
    def sees(self) -> str:
        """'recording': the coefficients come from all of it."""
        return "window" if self.off else "recording"

    def __call__(self, signal: Signal) -> Signal:
        check_finite(signal, "EOG regression")
        space = signal.space
        eyes = space.index(self.channels) if self.channels else [i for i, kind in enumerate(space.channel_types) if kind == "eog"]
        if not eyes:
            raise BrokenDataError(
                "EOG regression was asked for and no channel is of type eog: name channels near the eyes, "
                "prepare.eog.channels=[Fp1,Fp2], or leave it out with prepare.eog.regress=false"
            )
        mine = [i for i, kind in enumerate(space.channel_types) if kind == space.kind and i not in eyes]
        weights = _coefficients(signal, eyes, mine)
        X = np.array(signal.X, dtype=np.float64)
        X[mine] -= weights @ X[eyes]
        return signal.replace(X=X)


def _coefficients(signal: Signal, eyes: list[int], mine: list[int]) -> np.ndarray:
    """Return the least-squares weights [channels, eyes]."""
    from scipy.signal import butter, sosfiltfilt

    sos = butter(2, 1.0, "highpass", fs=signal.space.sfreq, output="sos")
    fast = each_piece(signal, lambda X: sosfiltfilt(sos, X, axis=-1, padlen=min(round(signal.space.sfreq), X.shape[1] - 1)))
    return np.linalg.lstsq(fast[eyes].T, fast[mine].T, rcond=None)[0].T
