"""Filters over time: band-pass and notch, zero-phase (sees the future) or causal (does not)."""

from __future__ import annotations

import numpy as np

# scipy.signal takes a second to import: it waits until something is filtered, which windows from the store are not
from corticode.errors import SentenceError
from corticode.prepare.base import PHASES, Step, check_choice, check_finite, each_piece, number
from corticode.recording import Signal


class _Filter(Step):
    """What both filters share: second-order sections, run over each continuous stretch by itself."""

    phase: str

    @property
    def sees(self) -> str:
        """'recording' for zero phase, 'past' for causal."""
        if self.off:
            return "window"
        return "recording" if self.phase == "zero" else "past"


class BandPass(_Filter):
    """Butterworth band-pass, high-pass or low-pass.

    A zero-phase filter runs forwards and backwards: no delay, twice the order. A causal one runs forwards once, starting
    as if the first sample had stood there for ever, so that an offset makes no step.

    Parameters
    ----------
    low_hz : float or None, Hz
        Lower edge (-3 dB; -6 dB for zero phase); None makes a low-pass.
    high_hz : float or None, Hz
        Upper edge; None makes a high-pass. Both None: off.
    order : int
    phase : str
        'zero' or 'causal'.

    Raises
    ------
    SentenceError
        The edges are not 0 < low_hz < high_hz < sfreq / 2.
    BrokenDataError
        NaN in the signal.

    Source
    ------
    scipy.signal.butter, sosfiltfilt, sosfilt.
    """

    def __init__(self, low_hz: float | None = None, high_hz: float | None = None, order: int = 4, phase: str = "zero"):
        self.low_hz = number(low_hz)
        self.high_hz = number(high_hz)
        self.order = int(order)
        self.phase = check_choice(phase, PHASES, "prepare.filter.phase")
        edges = [edge for edge in (self.low_hz, self.high_hz) if edge is not None]
        if any(edge <= 0 for edge in edges) or edges != sorted(set(edges)):
            raise SentenceError(
                f"prepare.filter passes low_hz={low_hz} to high_hz={high_hz}: wanted 0 < low_hz < high_hz; null leaves an edge out"
            )
        if self.order < 1:
            raise SentenceError(f"prepare.filter.order={order}: wanted 1 or more")

    @property
    def off(self) -> bool:
        """True without edges."""
        return self.low_hz is None and self.high_hz is None

    def __call__(self, signal: Signal) -> Signal:
        check_finite(signal, "a filter")
        return _filtered(signal, self.sections(signal.space.sfreq), self.phase, reach=0)

    def sections(self, sfreq: float) -> np.ndarray:
        """Return the second-order sections [sections, 6] at a rate."""
        top = max(edge for edge in (self.low_hz, self.high_hz) if edge is not None)
        if top >= sfreq / 2:
            raise SentenceError(
                f"a filter edge of {top:g} Hz needs more than {2 * top:g} samples per second, and the recording has {sfreq:g}: "
                f"set prepare.filter.{'high_hz' if self.high_hz is not None else 'low_hz'} below {sfreq / 2:g}"
            )
        from scipy import signal as dsp

        if self.low_hz is None:
            return dsp.butter(self.order, self.high_hz, "lowpass", fs=sfreq, output="sos")
        if self.high_hz is None:
            return dsp.butter(self.order, self.low_hz, "highpass", fs=sfreq, output="sos")
        return dsp.butter(self.order, [self.low_hz, self.high_hz], "bandpass", fs=sfreq, output="sos")


class Notch(_Filter):
    """Take out the power line and its harmonics.

    Parameters
    ----------
    freq_hz : float or None, Hz
        50 in most of the world, 60 in the Americas; None: off.
    harmonics : bool
        Also its multiples below half the sampling rate.
    quality : float
        Frequency over width (-3 dB) of the gap: 30 is 1.7 Hz at 50 Hz.
    phase : str
        'zero' or 'causal'.

    Raises
    ------
    SentenceError
        The recording's rate is too low to hold the line frequency.
    BrokenDataError
        NaN in the signal.

    Source
    ------
    scipy.signal.iirnotch.
    """

    def __init__(self, freq_hz: float | None = None, harmonics: bool = True, quality: float = 30.0, phase: str = "zero"):
        self.freq_hz = number(freq_hz)
        self.harmonics = bool(harmonics)
        self.quality = float(quality)
        self.phase = check_choice(phase, PHASES, "prepare.notch.phase")
        if self.freq_hz is not None and self.freq_hz <= 0:
            raise SentenceError(f"prepare.notch.freq_hz={freq_hz}: wanted a frequency above 0, or null for none")
        if self.quality <= 0:
            raise SentenceError(f"prepare.notch.quality={quality}: wanted a number above 0")

    @property
    def off(self) -> bool:
        """True without a frequency."""
        return self.freq_hz is None

    def __call__(self, signal: Signal) -> Signal:
        check_finite(signal, "a filter")
        sfreq = signal.space.sfreq
        if self.freq_hz >= sfreq / 2:
            raise SentenceError(
                f"a notch at {self.freq_hz:g} Hz needs more than {2 * self.freq_hz:g} samples per second, and the recording has {sfreq:g}: "
                "leave it out with prepare.notch.freq_hz=null"
            )
        from scipy import signal as dsp

        lines = np.arange(self.freq_hz, sfreq / 2, self.freq_hz)[: None if self.harmonics else 1]
        sos = np.concatenate([dsp.tf2sos(*dsp.iirnotch(line, self.quality, fs=sfreq)) for line in lines])
        # a narrow gap rings for long: three times the time in which it dies down to 1 / e
        reach = round(3 * self.quality / (np.pi * self.freq_hz) * sfreq)
        return _filtered(signal, sos, self.phase, reach)


def _filtered(signal: Signal, sos: np.ndarray, phase: str, reach: int) -> Signal:
    def act(X: np.ndarray) -> np.ndarray:
        return _zero_phase(sos, X, reach) if phase == "zero" else _causal(sos, X)

    return signal.replace(X=each_piece(signal, act))


def _zero_phase(sos: np.ndarray, X: np.ndarray, reach: int) -> np.ndarray:
    from scipy import signal as dsp

    # scipy's own padding, or more for filters that ring longer; a stretch shorter than that is padded by all it has
    pad = 3 * (2 * len(sos) + 1 - min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum()))
    return dsp.sosfiltfilt(sos, X, axis=-1, padlen=min(max(pad, reach), X.shape[1] - 1))


def _causal(sos: np.ndarray, X: np.ndarray) -> np.ndarray:
    from scipy import signal as dsp

    start = dsp.sosfilt_zi(sos)[:, None, :] * X[None, :, :1]  # [sections, channels, 2]
    return dsp.sosfilt(sos, X, axis=-1, zi=start)[0]
