"""A decoder's network as a function of windows: evidence for a class, and its gradients at the channels as recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.windows import Windows

_FAITHFUL = 1e-3  # of the signal's rms that an alignment may leave unexplained by a matrix per window


def check_network(decoder: Decoder, method: str) -> None:
    """Refuse decoders that cannot be differentiated from the signal to the answer.

    Raises
    ------
    SentenceError
    """
    if not (decoder.encoder.neural and decoder.head.neural):
        raise SentenceError(
            f"{method} follows gradients through a network, and this decoder has none: use occlusion, which asks any decoder"
        )
    if decoder.aligner.acts_on == "latent":
        raise SentenceError(f"{method} cannot follow an alignment inside the network: use occlusion, or train with another align=")


def evidence(decoder: Decoder) -> Callable:
    """Return a function (x [b, channels, times], row of yhat [b]) -> evidence [b]: the logit above the mean of all logits.

    Probabilities do not change when all logits rise, so what raises all of them is no evidence. A regressed value is itself.
    """
    encoder, head, space = decoder.encoder.eval(), decoder.head.eval(), decoder.space
    centred = head.yhat_kind == "probability" and decoder.n_outputs > 1

    def score(x, column):
        outputs = head(encoder(x, space))
        outputs = outputs - outputs.mean(dim=1, keepdim=True) if centred else outputs
        return outputs.gather(1, column[:, None])[:, 0]

    return score


def columns(decoder: Decoder, windows: Windows) -> np.ndarray:
    """Return the column of yhat that each row is asked about, int [n]: its class; 0 for a regressed value.

    Raises
    ------
    SentenceError
        No y.
    """
    if windows.y is None:
        raise SentenceError("an explanation is of classes, and these windows have none: let a task set y (task.label)")
    return np.asarray(windows.y, dtype=np.int64) if decoder.classes else np.zeros(len(windows), dtype=np.int64)


def labels(decoder: Decoder, column: np.ndarray) -> tuple[str, ...]:
    """Return the names of the classes that have rows, in the order of `maps.class_means`."""
    return tuple(decoder.classes[k] for k in np.unique(column)) if decoder.classes else ("",)


def as_recorded(X: np.ndarray, F: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Bring gradients at aligned windows back to the channels as recorded.

    An alignment of signals multiplies each window by a matrix, F = M X, so its gradient is M' G.

    Parameters
    ----------
    X, F, G : float array [n, channels, times]
        Windows as recorded and as aligned, and gradients at the latter.

    Raises
    ------
    SentenceError
        F is not X times a matrix.
    """
    if X is F or np.array_equal(X, F):
        return G
    X, F = X.astype(np.float64), F.astype(np.float64)
    M = F @ np.linalg.pinv(X)  # [n, channels, channels]
    left = np.sqrt(np.mean((F - M @ X) ** 2))
    if left > _FAITHFUL * np.sqrt(np.mean(F**2)):
        raise SentenceError("the alignment is no matrix per window, so gradients cannot be brought back to the channels: use occlusion")
    return M.transpose(0, 2, 1) @ G
