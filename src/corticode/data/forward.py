"""The way from sources in the cortex to scalp electrodes: MNE's sphere of three shells, for simulated recordings."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

# The first 22 are those of BCI Competition IV 2a, the first 64 those of EEGMMIDB; the rest of the 10-05 system follows.
_MOTOR_22 = "C3 C4 Cz FC3 FC4 CP3 CP4 Fz Pz C1 C2 C5 C6 FC1 FC2 FCz CP1 CP2 CPz P1 P2 POz"
_TO_64 = (
    "FC5 FC6 CP5 CP6 Fp1 Fp2 Fpz AF7 AF8 AF3 AF4 AFz F7 F8 F5 F6 F3 F4 F1 F2 FT7 FT8 T7 T8 T9 T10 TP7 TP8 "
    "P7 P8 P5 P6 P3 P4 PO7 PO8 PO3 PO4 O1 O2 Oz Iz"
)
# other names of T7 T8 P7 P8 TP9 TP10
_SECOND_NAMES = ("T3", "T4", "T5", "T6", "M1", "M2", "A1", "A2")


@dataclass(frozen=True)
class Forward:
    """Electrodes, sources, and what each source does to each electrode.

    Parameters
    ----------
    names : tuple of str
    positions : float array [electrodes, 3], m, head coordinates
    centre : float array [3], m
        Of the sphere.
    directions : float array [sources, 3]
        From the centre to each source, length 1.
    gain : float array [sources, electrodes, 3]
        Potential per dipole moment along x, y and z.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    centre: np.ndarray
    directions: np.ndarray
    gain: np.ndarray

    def towards(self, *names: str) -> np.ndarray:
        """Return the direction [3] from the centre to the middle of some electrodes."""
        return unit(np.mean([self.positions[self.names.index(name)] for name in names], axis=0) - self.centre)

    def topography(self, direction: np.ndarray, tilt: np.ndarray, width_rad: float = 0.15) -> np.ndarray:
        """Return what a patch of cortex looks like at the electrodes [electrodes], 1 at the best one.

        The patch is a Gaussian of dipoles around `direction` [3], all pointing outwards and leaning by `tilt` [3].
        """
        angle = np.arccos(np.clip(self.directions @ direction, -1, 1))
        near = angle < max(3 * width_rad, 0.2)
        weight = np.exp(-0.5 * (angle[near] / width_rad) ** 2)
        seen = np.tensordot(weight, self.gain[near], axes=1) @ unit(direction + tilt)
        return seen / np.abs(seen).max()


@functools.cache
def make_forward() -> Forward:
    """Return the standard head: 10-05 electrodes, dipoles 2 cm below them and about 6 mm apart. Takes a second, once."""
    import mne

    # MNE 1.13 gave its template montages new names
    known = mne.channels.get_builtin_montages()
    montage = mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in known else "standard_1005")
    first = (_MOTOR_22 + " " + _TO_64).split()
    names = first + [name for name in montage.ch_names if name not in first and name not in _SECOND_NAMES]
    info = mne.create_info(names, 256.0, "eeg")
    info.set_montage(montage)
    sphere = mne.make_sphere_model(r0="auto", head_radius="auto", info=info, verbose="error")
    directions = _even_directions(2500)
    directions = directions[directions[:, 2] > -0.4]  # no cortex below the ears
    places = sphere["r0"] + 0.8 * sphere["layers"][-1]["rad"] * directions
    sources = mne.setup_volume_source_space(pos={"rr": places, "nn": directions}, sphere_units="m", verbose="error")
    solution = mne.make_forward_solution(info, trans=None, src=sources, bem=sphere, eeg=True, meg=False, mindist=0.0, verbose="error")
    gain = solution["sol"]["data"].reshape(len(names), -1, 3).swapaxes(0, 1)  # [sources, electrodes, orientation]
    positions = np.array([channel["loc"][:3] for channel in info["chs"]])
    return Forward(tuple(names), positions, np.array(sphere["r0"]), directions, np.ascontiguousarray(gain))


def unit(vector: np.ndarray) -> np.ndarray:
    """Return vectors [..., 3] of length 1."""
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def _even_directions(n: int) -> np.ndarray:
    """Return n points spread evenly over the unit sphere [n, 3], along a golden spiral."""
    step = np.arange(n) + 0.5
    height = 1 - 2 * step / n
    turn = np.pi * (1 + 5**0.5) * step
    flat = np.sqrt(1 - height**2)
    return np.c_[flat * np.cos(turn), flat * np.sin(turn), height]
