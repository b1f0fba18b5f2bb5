"""Networks as encoders: windows -> tokens, with gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from corticode.encoder.base import Encoder
from corticode.errors import SentenceError
from corticode.layer.windowed import WindowModule
from corticode.space import Space
from corticode.windows import PERSON, RECORDING, SESSION


class NeuralEncoder(WindowModule, Encoder):
    """Base of all networks.

    A network takes tensors and gives tokens: one per stretch of time, per channel or per patch, whatever it is made
    of. A head pools or flattens them. `Encoder.per_window` stays the identity.

    Parameters
    ----------
    n_chans : int
    n_times : int
        Samples per window.
    sfreq : float, Hz

    Attributes
    ----------
    n_features : int
        d, the length of a token.
    n_tokens : int
        Tokens per window.
    expects : Space or None
        What trained weights were trained on; None where the network learns from scratch.
    batch_size : int
        Windows per forward pass when nothing is trained. Part of the result's last bits, so it is fixed.
    domains_per_batch : int
        Domains that share a training batch in equal parts; 0: batches are drawn without regard to domains.
    remembers : tuple of str
        Attributes, of this or of any module inside, that are kept from step to step and are neither weights nor buffers: a training
        that was interrupted has to find them again.
    rate_hz : float or None
        The one rate it takes, where kernels, patches or spectra are those of published weights; None: any.
    has_latent : bool
        The network normalises a person by statistics of their own: `latent(features)` gives what is normalised, SPD matrices
        [n, c, c], and `rest` the network behind it, so that an aligner that acts on the latent can stand between.

    Raises
    ------
    SentenceError
        The windows come at another rate than `rate_hz`.
    """

    neural = True
    deterministic = False
    batch_size = 256
    domains_per_batch = 0
    remembers: tuple[str, ...] = ()
    has_latent = False
    n_features: int
    n_tokens: int
    expects: Space | None = None

    def forward(self, x: torch.Tensor, space: Space | None = None, subject: torch.Tensor | None = None) -> torch.Tensor:
        """Turn windows into tokens.

        Parameters
        ----------
        x : float tensor [b, channels, times], space.unit
        space : Space or None
            For networks that read names or positions of channels.
        subject : int tensor [b] or None
            Number of each row's domain, for networks with a layer or statistics per person; in training only, what `domains` gave.

        Returns
        -------
        tokens : float tensor [b, n_tokens, n_features]
        """
        raise NotImplementedError

    def domains(self, meta: pd.DataFrame) -> np.ndarray | None:
        """Return the number of each fit row's domain [n], where forward takes one; else None."""
        return None

    def begin_epoch(self, epoch: int, n_epochs: int) -> None:
        """Hear that epoch 1, 2 ... n_epochs of a training begins."""

    def cam_layer(self) -> tuple[torch.nn.Module, Callable[[torch.Tensor], torch.Tensor]] | None:
        """Return the layer whose output tells where evidence was found, for class activation maps.

        Returns
        -------
        layer, layout : module and function, or None
            `layout` brings the layer's output to [b, features, channels or 1, times or 1]; stretches of time are even and in order. None
            where no layer keeps time or channels.
        """
        return None

    def filters(self) -> torch.Tensor | None:
        """Return the temporal filters as they act on the signal, [k, samples] at `sfreq`; None where there are none."""
        return None

    def encode(self, features: np.ndarray, meta: pd.DataFrame | None = None, space: Space | None = None) -> np.ndarray:
        """Return the mean over tokens, float32 [n, n_features], in evaluation mode and without gradients."""
        self.check_input(np.shape(features))
        device = next((parameter.device for parameter in self.parameters()), torch.device("cpu"))
        parts = []
        with evaluating(self):
            for x in tensors(features, self.batch_size):
                parts.append(self(x.to(device), space).mean(dim=1).float().cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


_DOMAINS = {"subject": PERSON, "session": SESSION, "recording": RECORDING}


def domain_codes(meta: pd.DataFrame, by: str) -> np.ndarray:
    """Return the number of each row's domain, int [n], in order of first appearance.

    Raises
    ------
    SentenceError
        `by` is neither 'subject' nor 'session' nor 'recording'.
    """
    if by not in _DOMAINS:
        raise SentenceError(f"model.encoder.domain={by} is unknown: pick one of {', '.join(_DOMAINS)}")
    return meta.groupby([meta[column].astype(str) for column in _DOMAINS[by]], sort=False).ngroup().to_numpy()


@contextmanager
def evaluating(*modules: torch.nn.Module) -> Iterator[None]:
    """Switch dropout, batch statistics and gradients off, and put them back as they were."""
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def tensors(features: np.ndarray, batch_size: int) -> Iterator[torch.Tensor]:
    """Give [n, ...] as float32 tensors [b, ...] in order, copying one batch at a time out of a memory map."""
    for first in range(0, len(features), batch_size):
        yield torch.from_numpy(np.array(features[first : first + batch_size], dtype=np.float32))
