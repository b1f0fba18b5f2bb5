"""The methods by name, each with its sanity control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from corticode.catalogue import near
from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.explain.cam import eigencam, gradcam, hirescam
from corticode.explain.control import ignorant
from corticode.explain.gradient import gradient, integrated
from corticode.explain.maps import Explanation, Map, agreement
from corticode.explain.occlusion import occlusion
from corticode.explain.spectrum import filters
from corticode.windows import Windows

METHODS: dict[str, Callable[[Decoder, Windows], Map]] = {
    "occlusion": occlusion, "gradient": gradient, "integrated": integrated, "gradcam": gradcam, "hirescam": hirescam, "eigencam": eigencam, "filters": filters,
}  # fmt: skip


def explain(decoder: Decoder, windows: Windows, method: str, n_controls: int = 3, seed: int = 0) -> Explanation:
    """Ask what a decoder used, and whether a decoder that knows nothing would give the same map.

    Parameters
    ----------
    decoder : Decoder
        Fitted. It stays as it is.
    windows : Windows
        With y: those whose answers are explained. A hundred or so are enough.
    method : str
        'occlusion' (any decoder), 'gradient', 'integrated', 'gradcam', 'hirescam', 'eigencam' or 'filters' (networks).
    n_controls : int
        Ignorant decoders to compare with, one or more.
    seed : int
        Of the controls.

    Returns
    -------
    explanation : Explanation

    Raises
    ------
    SentenceError
        No such method, or this decoder has nothing that it could show.

    Examples
    --------
    >>> found = explain(result.decoder, windows, "occlusion").found  # doctest: +SKIP
    >>> dict(zip(found.names, found.views["electrode"][0]))  # doctest: +SKIP
    """
    if method not in METHODS:
        raise SentenceError(f"there is no explanation {method!r}{near(method, list(METHODS))}: known are {', '.join(METHODS)}")
    if n_controls < 1:
        raise SentenceError(f"n_controls={n_controls}: a map without a control shows nothing, wanted 1 or more")
    ask = METHODS[method]
    found = ask(decoder, windows)
    controls, against = [], ""
    for k in range(n_controls):
        other, against = ignorant(decoder, windows, seed + k)
        controls.append(_on_axes_of(found, ask(other, windows)))
    each = [agreement(found, control) for control in controls]
    mean = {name: float(np.mean([abs(one[name]) for one in each])) for name in each[0]}
    return Explanation(found, controls[0], mean, against)


def _on_axes_of(found: Map, control: Map) -> Map:
    """Return a control with the frequencies of the map that it is compared with: which of them are shown depends on the values."""
    from dataclasses import replace

    n = len(found.edges_hz) - 1
    views = dict(control.views)
    for name in set(views) & {"frequency", "time_frequency"}:
        view = views[name][:, :n]
        views[name] = np.pad(view, [(0, 0), (0, n - view.shape[1]), *[(0, 0)] * (view.ndim - 2)])
    return replace(control, views=views, edges_hz=found.edges_hz)


def possible(decoder: Decoder) -> Sequence[str]:
    """Return the methods that can show something of a decoder."""
    network = decoder.encoder.neural and decoder.head.neural
    followed = network and decoder.aligner.acts_on != "latent"
    mapped = followed and decoder.encoder.cam_layer() is not None
    able = {
        "occlusion": True, "gradient": followed, "integrated": followed, "gradcam": mapped, "hirescam": mapped, "eigencam": mapped,
        "filters": network and decoder.encoder.filters() is not None,
    }  # fmt: skip
    return [method for method in METHODS if able[method]]
