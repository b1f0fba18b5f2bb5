"""Class activation maps are those of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode import catalogue
from corticode.explain import cam
from corticode.explain.network import evidence
from corticode.space import Space
from sized import sized, small


def test_grad_cam_equals_captum_s(source, trained):
    from captum.attr import LayerGradCam

    layer, _ = trained.encoder.cam_layer()
    y = torch.from_numpy(np.asarray(source.y[:10]))
    wanted = LayerGradCam(evidence(trained), layer).attribute(
        torch.from_numpy(source.X[:10]), additional_forward_args=y, relu_attributions=True
    )
    maps, slopes = next(cam.activations(trained, source[:10]))
    np.testing.assert_allclose(cam._weighted(maps, slopes)[:, 0].numpy(), wanted[:, 0].detach().numpy(), atol=1e-6)


def test_hires_cam_adds_up_to_the_evidence_where_all_that_follows_is_linear(source, trained, monkeypatch):
    """Maps just before a flattening head: evidence is their places' parts plus a constant."""
    monkeypatch.setattr(
        trained.encoder, "cam_layer", lambda: (trained.head.dropout, lambda x: x.unflatten(1, (6, 16)).transpose(1, 2)[:, :, None])
    )
    maps, slopes = next(cam.activations(trained, source[:20]))
    y = torch.from_numpy(np.asarray(source.y[:20]))
    with torch.no_grad():
        said = evidence(trained)(torch.from_numpy(source.X[:20]), y)
    bias = trained.head.layer.bias.detach()
    parts = (slopes * maps).sum(dim=(1, 2, 3)) + (bias - bias.mean())[y]
    np.testing.assert_allclose(parts.numpy(), said.numpy(), atol=1e-4)


def test_eigen_cam_is_the_first_component(rng):
    maps = torch.from_numpy(rng.standard_normal((3, 4, 2, 30)))
    course = np.sin(np.linspace(0, 6, 60)).reshape(2, 30) ** 5
    maps += 20 * torch.from_numpy(rng.standard_normal((3, 4, 1, 1)) * course)
    seen = cam._principal(maps).numpy()
    assert seen.shape == (3, 2, 30) and (seen >= 0).all()
    for one in seen:
        positive = max(np.corrcoef(one.ravel(), np.clip(sign * (course - course.mean()), 0, None).ravel())[0, 1] for sign in (1, -1))
        assert positive > 0.95


def networks() -> list[str]:
    from corticode.compose import compose

    found = []
    for name in catalogue.names("model"):
        if name in ("own", "braindecode"):
            continue
        encoder = compose([f"model={name}"])["model"].get("encoder") or {}
        if encoder.get("_target_") and catalogue.locate(encoder["_target_"]).neural:
            found.append(name)
    return found


@pytest.mark.parametrize("model", networks())
def test_what_a_network_tells_of_itself_is_there(model):
    """cam_layer lays its output out in time or over channels, and filters are filters over samples."""
    from corticode.compose import compose

    config = compose([f"model={model}", *small(model)])["model"]["encoder"]
    n_times, sfreq = sized(model, 512)
    space = Space("eeg", ("Fz", "C3", "Cz", "C4", "Pz", "O1"), "uV", sfreq).to_dict()
    encoder = catalogue.make(config, n_chans=6, n_times=n_times, sfreq=sfreq, n_outputs=2, classes=("a", "b"), space=space).eval()
    x = torch.randn(3, 6, n_times, generator=torch.Generator().manual_seed(0))
    if (told := encoder.cam_layer()) is not None:
        layer, layout = told
        seen = []
        hook = layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
        encoder(x)
        hook.remove()
        b, features, channels, times = layout(seen[-1]).shape
        assert b == 3 and features > 1 and channels in (1, 6) and max(channels, times) > 1
    if (taps := encoder.filters()) is not None:
        assert taps.ndim == 2 and 1 < taps.shape[1] <= 1024
