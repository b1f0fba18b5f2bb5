"""Simulated motor imagery that looks like EEG: a known answer for any number of people, channels and classes, without a file.

    sources (rhythms, 1/f background, eyes) --MNE's sphere of three shells--> electrodes (+ amplifier noise, mains)

Imagining a movement lowers the 10 and 20 Hz rhythms of its part of the motor cortex: opposite to a hand, below Cz for
the feet, far to the sides for the tongue. Nothing else tells the classes apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft

from corticode.data.base import Card, DataSet
from corticode.data.forward import Forward, make_forward, unit
from corticode.errors import MissingDataError, SentenceError
from corticode.recording import Recording, Signal
from corticode.space import Space

CLASSES = ("left_hand", "right_hand", "feet", "tongue")

# Where each rhythm arises (between these electrodes), and its strength at the best electrode, µV rms at 10 and 20 Hz.
_AREAS = {
    "left_hand_area": (("C3", "CP3"), 7.0, 3.0),
    "right_hand_area": (("C4", "CP4"), 7.0, 3.0),
    "foot_area": (("Cz",), 5.0, 3.0),
    "left_face_area": (("C5", "T7"), 5.0, 2.5),
    "right_face_area": (("C6", "T8"), 5.0, 2.5),
    "left_occipital": (("O1", "PO3"), 9.0, 0.0),
    "right_occipital": (("O2", "PO4"), 9.0, 0.0),
}

# How far each class lowers the rhythm of each area (below 0: raises it, as feet do to the idle hands).
_LOWERS = {
    "left_hand": {"right_hand_area": 1.0, "left_hand_area": 0.25},
    "right_hand": {"left_hand_area": 1.0, "right_hand_area": 0.25},
    "feet": {"foot_area": 1.0, "left_hand_area": -0.2, "right_hand_area": -0.2},
    "tongue": {"left_face_area": 0.9, "right_face_area": 0.9, "foot_area": -0.2},
}

_N_BACKGROUND = 64  # patches of cortex with 1/f activity
_BACKGROUND_UV = 4.0
_AMPLIFIER_UV = 0.6
_LINE_UV = 1.0
_BLINK_UV, _SACCADE_UV = 90.0, 30.0  # at the electrode nearest to the eyes


class Simulated(DataSet):
    """Motor imagery of simulated people.

    Person i is the same whatever the number of people, sessions or channels, and every run is made from the seed when it
    is read. People differ in age, peak frequencies, amplitudes, place and tilt of their sources and in how well they
    imagine (about one in six hardly does); sessions differ in where the cap sits and in gain.

    Parameters
    ----------
    n_subjects, n_sessions : int
        A session is one run.
    n_trials : int
        Per session, classes in equal shares and random order; a cue every 5 to 5.5 s.
    n_channels : int
        3 to 330, nested: 22 are those of BCI Competition IV 2a, 64 those of EEGMMIDB.
    n_classes : int
        2 to 4: left_hand, right_hand, feet, tongue.
    effect : float
        Size of the desynchronisation; 1 is typical, 0 leaves nothing to decode.
    lapse : float
        Share of trials in which nothing is imagined: no decoder can pass 1 - lapse * (1 - 1 / n_classes).
    spread : float
        Size of the differences between people and sessions; 0 makes all alike but for age.
    sfreq_hz : float, Hz
    line_hz : float or None, Hz
        Mains; None, or above half the rate, for none.
    eog : bool
        Adds the channels VEOG and HEOG, of type 'eog'. Blinks and saccades reach the EEG either way.
    seed : int
    subjects : list of str or None
        S1, S2 ...; None takes all.

    Attributes
    ----------
    facts of each recording : age, in years (20 to 80)
        It slows the 10 Hz rhythms by 0.04 Hz a year (11.5 Hz at 20) and flattens the background (exponent 1.15 at 20,
        0.85 at 80), and so can be read from the signal.

    Raises
    ------
    SentenceError
        A number out of range.
    MissingDataError
        A person who is not simulated is asked for.

    Source
    ------
    Desynchronisation: Pfurtscheller and Lopes da Silva 1999, Clin. Neurophysiol. 110. Age: Voytek et al. 2015,
    J. Neurosci. 35; the slowing is stronger than in life. Head: mne.make_sphere_model, mne.make_forward_solution.
    """

    name = "simulated"
    card = Card(
        title="Simulated motor imagery",
        source="made by corticode.data.simulated",
        licence="none needed",
        citation="none",
        classes=CLASSES[:2],
        notes=("every number made on it says how a decoder does on this simulation, not on people",),
    )

    def __init__(
        self,
        n_subjects: int = 6,
        n_sessions: int = 2,
        n_trials: int = 40,
        n_channels: int = 22,
        n_classes: int = 2,
        effect: float = 1.0,
        lapse: float = 0.1,
        spread: float = 1.0,
        sfreq_hz: float = 128.0,
        line_hz: float | None = 50.0,
        eog: bool = True,
        seed: int = 0,
        subjects: Sequence[str] | None = None,
    ):
        super().__init__(subjects=subjects)
        self.n_subjects = _within("n_subjects", int(n_subjects), 1)
        self.n_sessions = _within("n_sessions", int(n_sessions), 1)
        self.n_classes = _within("n_classes", int(n_classes), 2, 4)
        self.n_trials = _within("n_trials", int(n_trials), self.n_classes)
        self.n_channels = _within("n_channels", int(n_channels), 3, 330)
        self.effect = _within("effect", float(effect), 0)
        self.lapse = _within("lapse", float(lapse), 0, 1)
        self.spread = _within("spread", float(spread), 0)
        self.sfreq_hz = _within("sfreq_hz", float(sfreq_hz), 64)
        self.line_hz = None if line_hz is None else _within("line_hz", float(line_hz), 1)
        self.eog = bool(eog)
        self.seed = _within("seed", int(seed), 0)

    @property
    def classes(self) -> dict[str, list[str]]:
        """The first `n_classes` movements."""
        return {"event": list(CLASSES[: self.n_classes])}

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per person and session; nothing is computed before it is read."""
        people = [f"S{i + 1}" for i in range(self.n_subjects)]
        absent = [s for s in self.subjects or [] if s not in people]
        if absent:
            raise MissingDataError(
                f"data.subjects asks for {', '.join(absent)}, and data.n_subjects={self.n_subjects} makes S1 to S{self.n_subjects}"
            )
        # what does not change a recording must not change its key either
        knobs = {k: v for k, v in self.arguments().items() if k not in ("n_subjects", "n_sessions", "subjects")}
        for person, subject in enumerate(people):
            if self.subjects is not None and subject not in self.subjects:
                continue
            for session in range(self.n_sessions):
                yield Recording(
                    who={"dataset": self.name, "subject": subject, "session": str(session + 1)},
                    read=functools.partial(simulate, person, session, **knobs),
                    facts={"age": make_person(self.seed, person, self.spread).age},
                    origin={**knobs, "person": person, "session": session},
                )

    def fetch(self) -> Path:
        """Nothing to download."""
        raise SentenceError("data=simulated has no files: it is made when it is read")

    def recording_of(self, file: Path) -> Recording:
        """Refuse: there are no files to read like the simulated ones."""
        raise SentenceError(
            f"{file} cannot be read as data=simulated, which has no files: train on data=folder to predict files of your own"
        )


def _within(name: str, value: float, low: float, high: float = np.inf) -> float:
    if not low <= value <= high:
        wanted = f"{low} or more" if np.isinf(high) else f"{low} to {high}"
        raise SentenceError(f"data.{name}={value}: wanted {wanted}")
    return value


# -- people and sessions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """What stays with a person: age (years), rhythms (Hz), 1/f exponent, skill (0 to 1), sources."""

    age: float
    mu_hz: float
    beta_hz: float
    exponent: float
    skill: float
    loudness: np.ndarray  # [areas]
    shifts: np.ndarray  # [areas, 3] rad
    tilts: np.ndarray  # [areas, 3]
    background: np.ndarray  # directions [patches, 3]
    background_tilts: np.ndarray  # [patches, 3]


def make_person(seed: int, person: int, spread: float = 1.0) -> Person:
    """Return person number `person` of the people of a seed."""
    rng = np.random.default_rng([seed, 1, person])
    n = len(_AREAS)
    # golden steps spread the ages evenly, however few people there are
    age = round(20 + 60 * ((0.618034 * person + 0.137 * seed) % 1), 1)
    weak = rng.random() < 1 / 6
    skill = 0.15 if weak and spread > 0 else float(np.clip(0.65 + 0.12 * spread * rng.standard_normal(), 0.3, 1.0))
    patches = unit(rng.standard_normal((_N_BACKGROUND, 3)))
    return Person(
        age=age,
        mu_hz=11.5 - 0.04 * (age - 20) + 0.25 * spread * rng.standard_normal(),
        beta_hz=20.0 + 1.5 * spread * rng.standard_normal(),
        exponent=1.15 - 0.005 * (age - 20) + 0.03 * spread * rng.standard_normal(),
        skill=skill,
        loudness=np.exp(0.25 * spread * rng.standard_normal(n)),
        shifts=0.06 * spread * rng.standard_normal((n, 3)),
        tilts=0.25 * spread * rng.standard_normal((n, 3)),
        background=np.where(patches[:, 2:] < -0.3, -patches, patches),  # no cortex below the ears
        background_tilts=1.5 * rng.standard_normal((_N_BACKGROUND, 3)),
    )


def _turned(directions: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return directions [..., 3] moved by a small turn [3] (rad): the cap sits elsewhere."""
    return unit(directions + np.cross(turn, directions))


# -- one run ------------------------------------------------------------------------------------------------------


def simulate(
    person: int,
    session: int,
    n_trials: int,
    n_channels: int,
    n_classes: int,
    effect: float,
    lapse: float,
    spread: float,
    sfreq_hz: float,
    line_hz: float | None,
    eog: bool,
    seed: int,
) -> Signal:
    """Return one run: X [channels, times] in µV, and its cues. Arguments are those of `Simulated`."""
    forward, who = make_forward(), make_person(seed, person, spread)
    # one stream per ingredient, so that a knob of one leaves the others as they were
    cues, cap, rhythm, noise, eyes, amplifier = (np.random.default_rng([seed, 2, person, session, k]) for k in range(6))
    events, tried = _cues(cues, n_trials, n_classes, lapse, sfreq_hz)
    n_times = round((events["onset_s"].iloc[-1] + 6.0) * sfreq_hz)
    turn = 0.03 * spread * cap.standard_normal(3)
    loud = np.exp(spread * (0.1 * cap.standard_normal() + 0.05 * cap.standard_normal(len(forward.names))))  # [electrodes]
    look = _eyes(eyes, n_times, sfreq_hz)
    lowered = effect * who.skill * _lowered(events, tried, n_times, sfreq_hz)
    background = _BACKGROUND_UV * _coloured(noise, _N_BACKGROUND, n_times, sfreq_hz, _pink(who.exponent))

    X = _area_maps(forward, who, turn)[:n_channels] @ _rhythms(rhythm, who, lowered, sfreq_hz)
    X += _background_maps(forward, who, turn)[:n_channels] @ background
    X += _eye_maps(forward, turn)[:n_channels] @ look
    X *= loud[:n_channels, None]
    X += _AMPLIFIER_UV * amplifier.standard_normal((n_channels, n_times))
    if line_hz is not None and line_hz < sfreq_hz / 2:
        caught, wave = _line(cap, len(forward.names), n_times, line_hz / sfreq_hz)
        X += caught[:n_channels] @ wave

    names, positions, types = forward.names[:n_channels], forward.positions[:n_channels], ("eeg",) * n_channels
    if eog:
        X = np.concatenate([X, 1.6 * look + 3.0 * _coloured(eyes, 2, n_times, sfreq_hz, _pink(1.0))])
        names, types = (*names, "VEOG", "HEOG"), (*types, "eog", "eog")
        positions = np.concatenate([positions, np.full((2, 3), np.nan)])
    return Signal(X, Space("eeg", names, "uV", sfreq_hz, positions=positions, types=types), events)


def _cues(rng: np.random.Generator, n_trials: int, n_classes: int, lapse: float, sfreq: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the events, and how hard each trial was tried [n_trials]: 0 in a lapse."""
    labels = rng.permutation(np.arange(n_trials) % n_classes)
    onset = 2.0 + np.cumsum(5.0 + 0.5 * rng.random(n_trials)) - 5.0
    tried = rng.uniform(0.8, 1.2, n_trials) * (rng.random(n_trials) >= lapse)
    events = pd.DataFrame({"onset_s": np.round(onset * sfreq) / sfreq, "duration_s": 4.0, "event": [CLASSES[k] for k in labels]})
    return events, tried


def _lowered(events: pd.DataFrame, tried: np.ndarray, n_times: int, sfreq: float) -> np.ndarray:
    """Return by how much the rhythms of each area are lowered [areas, times], for full effect and skill."""
    shape = _rise_and_fall(sfreq)
    lowered = np.zeros((len(_AREAS), n_times))
    for onset, event, hard in zip(events["onset_s"], events["event"], tried, strict=True):
        first = round(onset * sfreq)
        for i, area in enumerate(_AREAS):
            lowered[i, first : first + len(shape)] += _LOWERS[event].get(area, 0.0) * hard * shape[: n_times - first]
    return lowered


def _rise_and_fall(sfreq: float) -> np.ndarray:
    """Return the course of one desynchronisation from the cue on: begins after 0.2 s, whole from 0.7 to 3.6 s, over at 4.4 s."""
    return np.interp(np.arange(round(4.4 * sfreq)) / sfreq, [0.0, 0.2, 0.7, 3.6, 4.4], [0.0, 0.0, 1.0, 1.0, 0.0])


def _rhythms(rng: np.random.Generator, who: Person, lowered: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the 10 and 20 Hz rhythms of the areas [areas, times], µV at the best electrode."""
    n, n_times = lowered.shape
    mu_uv, beta_uv = np.array([uv for _, *uv in _AREAS.values()]).T[..., None]
    mu = _coloured(rng, n, n_times, sfreq, _bump(who.mu_hz, 0.8))
    beta = _coloured(rng, n, n_times, sfreq, _bump(who.beta_hz, 2.5))
    return (mu_uv * mu + beta_uv * beta) * who.loudness[:, None] * np.clip(1 - lowered, 0.05, 2.0)


def _area_maps(forward: Forward, who: Person, turn: np.ndarray) -> np.ndarray:
    """Return the topographies of the areas [electrodes, areas]."""
    places = [
        _turned(_turned(forward.towards(*between), shift), turn) for (between, *_), shift in zip(_AREAS.values(), who.shifts, strict=True)
    ]
    return np.stack([forward.topography(place, tilt) for place, tilt in zip(places, who.tilts, strict=True)], axis=1)


def _background_maps(forward: Forward, who: Person, turn: np.ndarray) -> np.ndarray:
    """Return the topographies of the patches with 1/f activity [electrodes, patches]."""
    places = zip(_turned(who.background, turn), who.background_tilts, strict=True)
    return np.stack([forward.topography(place, tilt, width_rad=0.3) for place, tilt in places], axis=1)


def _eyes(rng: np.random.Generator, n_times: int, sfreq: float) -> np.ndarray:
    """Return blinks and sideways looks [2, times], µV at the nearest electrode."""
    look = np.zeros((2, n_times))
    minutes = n_times / sfreq / 60
    blink = np.hanning(max(3, round(0.35 * sfreq)))
    for first in rng.integers(0, n_times, rng.poisson(12 * minutes)):
        part = blink[: n_times - first]
        look[0, first : first + len(part)] += _BLINK_UV * rng.uniform(0.6, 1.4) * part
    for first in rng.integers(0, n_times, rng.poisson(15 * minutes)):
        part = np.tanh(6 * np.hanning(max(3, round(rng.uniform(0.4, 1.2) * sfreq))))[: n_times - first]
        look[1, first : first + len(part)] += _SACCADE_UV * rng.choice([-1, 1]) * rng.uniform(0.5, 1.0) * part
    return look


def _eye_maps(forward: Forward, turn: np.ndarray) -> np.ndarray:
    """Return the topographies of both eyes upwards and to the right [electrodes, 2]."""
    sides = [_turned(forward.towards(*names), turn) for names in (("AF7", "Fp1", "Fp1"), ("AF8", "Fp2", "Fp2"))]
    left, right = (forward.topography(side, np.zeros(3), width_rad=0.4) for side in sides)
    maps = np.stack([left + right, right - left], axis=1)
    return maps / np.abs(maps).max(axis=0)


def _line(rng: np.random.Generator, channels: int, n_times: int, cycles: float) -> tuple[np.ndarray, np.ndarray]:
    """Return one wave as its sine and cosine [2, times], and how electrodes catch it [channels, 2], some more than others."""
    size = _LINE_UV * np.sqrt(2) * rng.lognormal(0.0, 0.5, channels)
    phase = 0.3 * rng.standard_normal(channels)
    turn = 2 * np.pi * cycles * np.arange(n_times)
    return np.stack([size * np.cos(phase), size * np.sin(phase)], axis=1), np.stack([np.sin(turn), np.cos(turn)])


# -- coloured noise -----------------------------------------------------------------------------------------------


def _coloured(rng: np.random.Generator, n: int, n_times: int, sfreq: float, amplitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return Gaussian noise [n, times], rms 1, whose amplitude is this function of frequency (Hz)."""
    length = fft.next_fast_len(n_times, real=True)
    frequency = fft.rfftfreq(length, 1 / sfreq)
    spectrum = rng.standard_normal((n, len(frequency), 2)).view(complex)[..., 0] * amplitude(frequency)
    spectrum[:, 0] = 0.0
    x = fft.irfft(spectrum, length, axis=1)[:, :n_times]
    return x / x.std(axis=1, keepdims=True)


def _pink(exponent: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the amplitude of power ~ 1 / f^exponent, level below 0.5 Hz."""
    return lambda frequency: np.maximum(frequency, 0.5) ** (-exponent / 2)


def _bump(centre_hz: float, width_hz: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the amplitude of a rhythm: a Gaussian around its frequency."""
    return lambda frequency: np.exp(-0.5 * ((frequency - centre_hz) / width_hz) ** 2)
