"""Gradient x input and integrated gradients: how much each sample, electrode and frequency added to the evidence."""

from __future__ import annotations

import numpy as np

from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.explain.maps import Map, class_means
from corticode.explain.network import as_recorded, check_network, columns, evidence, labels
from corticode.windows import Windows

_STEPS = 32
_BATCH = 64
_PIECE_S, _PIECES_OVER = 0.5, 4  # length of a piece of the spectrogram, and how many lie over each sample
_SHOWN = 0.995  # share of what was attributed that the frequencies shown hold


def gradient(decoder: Decoder, windows: Windows) -> Map:
    """Gradient of a class's evidence times the signal: what each sample adds, to first order.

    Raises
    ------
    SentenceError
        The decoder is no network, or Captum is not there.

    Source
    ------
    Shrikumar et al. 2016, arXiv:1605.01713.
    """
    return _map("gradient", decoder, windows, gradients(decoder, windows, steps=None))


def integrated(decoder: Decoder, windows: Windows) -> Map:
    """Integrated gradients from silence to the signal: the parts add up to the evidence that silence does not give.

    Raises
    ------
    SentenceError
        The decoder is no network, or Captum is not there.

    Source
    ------
    Sundararajan et al. 2017, ICML; Captum.
    """
    return _map("integrated", decoder, windows, gradients(decoder, windows, steps=_STEPS))


def gradients(decoder: Decoder, windows: Windows, steps: int | None) -> np.ndarray:
    """Return the gradient of each row's evidence at its samples as recorded, float64 [n, channels, times].

    Parameters
    ----------
    decoder : Decoder
        A network.
    windows : Windows
        With y: the class whose evidence is followed.
    steps : int or None
        Mean gradient on the way from silence to the signal, by so many steps (Gauss-Legendre); None: at the signal itself.
    """
    import torch

    check_network(decoder, "gradient" if steps is None else "integrated")
    attribution = _captum()
    score, column = evidence(decoder), torch.from_numpy(columns(decoder, windows))
    F = np.asarray(decoder.read(windows.blind(decoder.uses)), dtype=np.float32)
    parts = []
    for first in range(0, len(F), _BATCH):
        x, asked = torch.from_numpy(F[first : first + _BATCH]).requires_grad_(), column[first : first + _BATCH]
        if steps is None:
            found = attribution.Saliency(score).attribute(x, additional_forward_args=asked, abs=False)
        else:
            way = attribution.IntegratedGradients(score, multiply_by_inputs=False)
            found = way.attribute(x, additional_forward_args=asked, n_steps=steps, internal_batch_size=4 * _BATCH)
        parts.append(found.detach().numpy())
    return as_recorded(np.asarray(windows.X), F, np.concatenate(parts).astype(np.float64))


def _captum():
    try:
        from captum import attr
    except ModuleNotFoundError as error:
        raise SentenceError("gradient and integrated need captum: pip install 'corticode[explain]'") from error
    return attr


def _map(method: str, decoder: Decoder, windows: Windows, G: np.ndarray) -> Map:
    X, column, space = np.asarray(windows.X, dtype=np.float64), columns(decoder, windows), decoder.space
    views, edges_s, edges_hz = {"electrode": class_means((X * G).sum(axis=2), column)}, np.zeros(1), np.zeros(1)
    if windows.n_times > 2 * _PIECES_OVER:
        parts, edges_s, edges_hz = spectrogram(X, G, space.sfreq)
        views["time_frequency"], edges_hz = _trimmed(class_means(parts, column), edges_hz)
    return Map(
        method, labels(decoder, column), views, "logit" if decoder.classes else "of y's sd", space.names, space.positions,
        edges_s, edges_hz, len(windows),
    )  # fmt: skip


def spectrogram(X: np.ndarray, G: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part the sum of gradient times signal among times and frequencies.

    Signal and gradient are cut into overlapping pieces whose squared tapers add to 1, and each piece into frequencies. That is a tight
    frame: the parts add up to the sum over samples exactly.

    Parameters
    ----------
    X, G : float array [n, channels, times]
    sfreq : float, Hz

    Returns
    -------
    parts : float array [n, frequencies, times], summed over channels
    edges_s : float array [times + 1], s
    edges_hz : float array [frequencies + 1], Hz

    Source
    ------
    Vielhaben et al. 2023, arXiv:2303.06365 (attributions in the frequencies' own basis).
    """
    n_times = X.shape[-1]
    length = min(n_times, max(8, round(_PIECE_S * sfreq)))
    hop = max(1, length // _PIECES_OVER)
    centres = np.linspace(0, n_times, -(-n_times // hop) + 1).round().astype(int)
    where = centres[:, None] - length // 2 + np.arange(length)  # [pieces, length], in samples of the window
    inside = (where >= 0) & (where < n_times)
    taper = np.sin(np.pi * (np.arange(length) + 0.5) / length) * inside
    where = where.clip(0, n_times - 1)
    total = np.bincount(where.ravel(), (taper**2).ravel(), n_times)
    taper /= np.sqrt(total)[where]
    # of a real signal's spectrum all but the first and (for even lengths) the last stand for two
    twice = np.full(length // 2 + 1, 2.0)
    twice[0] = 1.0
    if length % 2 == 0:
        twice[-1] = 1.0
    parts = np.empty((len(X), len(centres), len(twice)))
    for i in range(len(X)):
        x, g = (np.fft.rfft(A[i][:, where] * taper, axis=-1) for A in (X, G))  # [channels, pieces, frequencies]
        parts[i] = (x * g.conj()).real.sum(axis=0) * twice / length
    edges_s = np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [n_times]]) / sfreq
    edges_hz = np.concatenate([[0.0], (np.arange(len(twice)) + 0.5) * sfreq / length])
    return parts.transpose(0, 2, 1), edges_s, edges_hz


def _trimmed(view: np.ndarray, edges_hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out high frequencies that hold next to nothing."""
    share = np.abs(view).sum(axis=(0, 2)).cumsum()
    last = int(np.searchsorted(share, _SHOWN * share[-1])) + 1
    last = min(len(share), max(last, 2))
    return view[:, :last], edges_hz[: last + 1]
