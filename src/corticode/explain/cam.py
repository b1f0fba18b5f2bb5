"""Class activation maps: where in a network's last maps over time (and electrodes) the evidence stands."""

from __future__ import annotations

import numpy as np

from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.explain.maps import Map, class_means
from corticode.explain.network import check_network, columns, evidence, labels
from corticode.windows import Windows

_BATCH = 64


def gradcam(decoder: Decoder, windows: Windows) -> Map:
    """Grad-CAM: feature maps weighted by how the class's evidence grows with each of them, what speaks against it left out.

    Raises
    ------
    SentenceError
        The decoder is no network, or none of its layers keeps time or channels.

    Source
    ------
    Selvaraju et al. 2017, ICCV. Checked against Captum's `LayerGradCam` (tests/explain/test_cam.py).
    """
    return _map("gradcam", decoder, windows, _weighted)


def hirescam(decoder: Decoder, windows: Windows) -> Map:
    """HiResCAM: each place of each feature map times how the class's evidence grows there, what speaks against it left out.

    Grad-CAM weighs a feature map by its mean slope, which says little where places weigh differently (a head that flattens) or where
    what follows squares the map (its slopes cancel over time).

    Raises
    ------
    SentenceError
        The decoder is no network, or none of its layers keeps time or channels.

    Source
    ------
    Draelos and Carin 2020, arXiv:2011.08891.
    """
    return _map("hirescam", decoder, windows, lambda maps, slopes: (slopes * maps).sum(dim=1).relu())


def eigencam(decoder: Decoder, windows: Windows) -> Map:
    """Eigen-CAM: the first principal component of the feature maps of each window, whatever the class.

    Feature maps are centred over time and space, and the sign is that in which the component deviates most; the paper does neither.

    Raises
    ------
    SentenceError
        The decoder is no network, or none of its layers keeps time or channels.

    Source
    ------
    Muhammad and Yeasin 2020, IJCNN.
    """
    return _map("eigencam", decoder, windows, lambda maps, slopes: _principal(maps))


def _weighted(maps, slopes):
    return (slopes.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu()


def _principal(maps):
    import torch

    rows = maps.flatten(2)
    rows = rows - rows.mean(dim=2, keepdim=True)  # [b, features, places]
    direction = torch.linalg.svd(rows, full_matrices=False)[0][:, :, 0]
    seen = torch.einsum("bf,bfp->bp", direction, rows)
    strongest = seen.gather(1, seen.abs().argmax(dim=1, keepdim=True))
    return (seen * strongest.sign()).relu().unflatten(1, maps.shape[2:])


def activations(decoder: Decoder, windows: Windows):
    """Give feature maps and the evidence's slopes at them, batch by batch: two tensors [b, features, channels or 1, times or 1]."""
    import torch

    layer, layout = decoder.encoder.cam_layer()
    score, column = evidence(decoder), torch.from_numpy(columns(decoder, windows))
    F = np.asarray(decoder.read(windows.blind(decoder.uses)), dtype=np.float32)
    kept = []

    def keep(module, inputs, output):
        kept.append(output)
        return output.clone()  # what follows may write into it

    hook = layer.register_forward_hook(keep)
    try:
        for first in range(0, len(F), _BATCH):
            kept.clear()
            x = torch.from_numpy(F[first : first + _BATCH]).requires_grad_()
            said = score(x, column[first : first + _BATCH])
            (slope,) = torch.autograd.grad(said.sum(), kept[-1])
            yield layout(kept[-1]).detach(), layout(slope).detach()
    finally:
        hook.remove()


def _map(method: str, decoder: Decoder, windows: Windows, seen) -> Map:
    check_network(decoder, method)
    if decoder.encoder.cam_layer() is None:
        raise SentenceError(
            f"{method} needs a layer that keeps time or channels, and {type(decoder.encoder).__name__} names none: use occlusion"
        )
    cams = np.concatenate([seen(*both).numpy() for both in activations(decoder, windows)]).astype(np.float64)  # [n, channels, times]
    column, space = columns(decoder, windows), decoder.space
    views, edges_s = {}, np.zeros(1)
    if cams.shape[1] > 1:
        views["electrode"] = class_means(cams.mean(axis=2), column)
    if cams.shape[2] > 1:
        views["time"] = class_means(cams.mean(axis=1), column)
        edges_s = np.linspace(0, windows.n_times / space.sfreq, cams.shape[2] + 1)
    return Map(method, labels(decoder, column), views, "", space.names, space.positions, edges_s, n_windows=len(windows))
