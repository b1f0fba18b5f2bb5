"""The networks on SPD matrices: spd_learn's numbers with spd_learn's weights, the published sizes, and what each one promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from conftest import make_windows
from corticode.compose import compose
from corticode.encoder.matt import MAtt
from corticode.encoder.spdnet import SPDNet
from corticode.encoder.tensor_cspnet import TensorCSPNet
from corticode.encoder.tsmnet import TSMNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear
from corticode.layer import spectral
from corticode.recipe import Recipe
from corticode.task.classification import Classification

CHANS, TIMES, SFREQ = 8, 300, 100.0


def signal(n: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(CHANS, CHANS, generator=generator)
    return mixing @ torch.randn(n, CHANS, TIMES, generator=generator) * 3


@pytest.fixture(scope="module")
def reference():
    """spd_learn's models, which warn of their own defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spd_learn.models", reason="needs spd_learn, the reference: pip install spd_learn")


def numbers(model, head, x, training: bool) -> torch.Tensor:
    model.train(training)
    with torch.no_grad():
        return head(model(x))


def copy_head(head: Linear, linear: torch.nn.Linear) -> Linear:
    with torch.no_grad():
        head.layer.weight.copy_(linear.weight)
        head.layer.bias.copy_(linear.bias)
    return head


def same(ours, head, theirs, x, given=None, atol=1e-5):
    """Both in training mode, twice, so that running statistics move; then in evaluation mode."""
    theirs.double()
    for training in (True, True, False):
        theirs.train(training)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = theirs((x if given is None else given).double())
        got = numbers(ours, head, x, training)
        assert wanted.std() > 0.02
        assert torch.allclose(got.double(), wanted, atol=atol), (training, (got - wanted).abs().max())


def test_spdnet_equals_spd_learn(reference):
    torch.manual_seed(0)
    theirs = reference.SPDNet(n_chans=CHANS, n_outputs=3, subspacedim=5, threshold=2.0)
    ours = SPDNet(CHANS, TIMES, SFREQ, dims=[5], threshold=2.0)
    ours.bimaps[0].set_weight(theirs.bimap.weight.detach()[0])
    same(ours, copy_head(Linear(15, 3), theirs.classifier), theirs, signal())


def test_tsmnet_equals_spd_learn(reference):
    torch.manual_seed(0)
    theirs = reference.TSMNet(
        n_chans=CHANS, n_outputs=3, n_temp_filters=3, n_spatiotemp_filters=10, n_bimap_filters=6, reeig_threshold=0.05
    )
    theirs.spdbnorm.weight = torch.tensor(1.3)
    ours = TSMNet(CHANS, TIMES, SFREQ, n_temporal=3, n_spatial=10, n_filters=6, threshold=0.05, mean_gradient=False)
    with torch.no_grad():
        ours.temporal.copy_(theirs.cnn[0].weight[:, 0, 0])
        ours.spatial.copy_(theirs.cnn[1].weight[..., 0])
        ours.norm.gain.fill_(1.3)
    ours.bimap.set_weight(theirs.spdnet[0].weight.detach()[0])
    same(ours, copy_head(Linear(21, 3), theirs.head), theirs, signal())


def test_matt_equals_spd_learn(reference):
    torch.manual_seed(0)
    theirs = reference.MAtt(
        n_patches=3, n_chans=CHANS, n_outputs=3, temporal_out_channels=7, attention_in_features=7, attention_out_features=5
    )
    ours = MAtt(CHANS, TIMES, SFREQ, n_spatial=CHANS, n_temporal=7, n_attention=5, variant="spd_learn")
    with torch.no_grad():
        ours.spatial.weight.copy_(theirs.spatial_filter.weight[:, 0])
        ours.spatial.bias.copy_(theirs.spatial_filter.bias)
        ours.temporal.weight.copy_(theirs.temporal_feature_extractor.weight[:, :, 0])
        ours.temporal.bias.copy_(theirs.temporal_feature_extractor.bias)
    attention = theirs.manifold_attention
    ours.bimap.set_weight(torch.stack([getattr(attention, name).weight.detach()[0] for name in ("k_trans", "q_trans", "v_trans")]))
    same(ours, copy_head(Linear(15, 3, 3, pool="flatten"), theirs.linear), theirs, signal())


@pytest.mark.parametrize("mlp", [False, True])
def test_tensor_cspnet_equals_spd_learn(reference, mlp):
    torch.manual_seed(0)
    theirs = reference.TensorCSPNet(n_chans=CHANS, n_outputs=3, n_patches=2, dims=(CHANS, 11, 11, 6), tcn_channels=5, use_mlp=mlp)
    floor = 1e4 * torch.finfo(torch.float64).eps  # spd_learn's in double precision
    ours = TensorCSPNet(CHANS, TIMES, SFREQ, 2, 0.5, 11, 6, 5, mlp=mlp, threshold=floor, stiefel=False)
    ours.first.set_weight(theirs.bimap_block[0].weight.detach())
    ours.second.set_weight(theirs.bimap_block[2].weight.detach())
    place = torch.randn(6, 6, generator=torch.Generator().manual_seed(1)) * 0.2
    log_place = (place + place.T) / 2
    with torch.no_grad():
        theirs.bimap_block[4].parametrizations.bias.original.copy_(log_place[None])
        ours.norm.log_place.copy_(spectral.upper(log_place))
        ours.mix[0].weight.copy_(theirs.temporal_block.weight.flatten(1))
        ours.mix[0].bias.copy_(theirs.temporal_block.bias)
    last = theirs.final_layers
    if mlp:
        for mine, other in ((1, 0), (3, 2)):
            ours.mix[mine].load_state_dict(last[other].state_dict())
        last = last[4]
    x = signal()
    bands = torch.stack([x * k for k in range(1, 10)], dim=1)  # any nine signals will do: theirs comes filtered
    halves = torch.stack([spectral.covariance(bands[..., :150]), spectral.covariance(bands[..., 150:])], dim=2)
    same(ours, copy_head(Linear(5, 3), last), theirs, halves, given=bands)


# -- the published sizes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network,count",
    [
        (SPDNet(22, 1000, 250.0), 231 + 253 * 4 + 4),
        (TSMNet(22, 1000, 250.0), 4 * 25 + 40 * 4 * 22 + 590 + 1 + 210 * 4 + 4),
        (MAtt(22, 1000, 250.0), (22 * 22 + 22) + 44 + (22 * 12 * 20 + 20) + 40 + 3 * 189 + 3 * 171 * 4 + 4),
        (TensorCSPNet(22, 1000, 250.0), 18 * (630 + 539) + 253 + 18 * 484 * 16 + 16 + 16 * 4 + 4),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_number_of_parameters(network, count):
    head = Linear(network.n_features, 4, network.n_tokens, pool="flatten")
    assert network.n_parameters + head.n_parameters == count
    assert f"{count:,}" in type(network).__doc__


# -- what is faster is the same ---------------------------------------------------------------------------------------


def test_tensor_cspnet_s_early_rectification_is_the_published_order():
    """An orthonormal BiMap of padded matrices, then ReEig, is ReEig, then the BiMap."""
    torch.manual_seed(0)
    network = TensorCSPNet(CHANS, TIMES, SFREQ, n_hidden=11, n_filters=6, threshold=0.5).eval()
    for bimap in (network.first, network.second):
        torch.nn.init.normal_(bimap.angles)
    x = signal(4)
    fast = network(x)
    plain = TensorCSPNet(CHANS, TIMES, SFREQ, n_hidden=11, n_filters=6, threshold=0.5, stiefel=False).eval()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith(("first", "second"))}, strict=False)
    for name in ("first", "second"):
        getattr(plain, name).set_weight(getattr(network, name).weight.detach())
    assert spectral.of(plain.covariances(x), spectral.LOG).min() < np.log(0.5), "nothing to rectify"
    assert torch.allclose(plain(x), fast, atol=1e-5)


def test_tensor_cspnet_takes_what_per_window_makes():
    network = TensorCSPNet(CHANS, TIMES, SFREQ).eval()
    x = signal(40)
    features = network.per_window(x.numpy(), None)
    assert features.shape == (40, 9, 2, CHANS, CHANS)
    assert np.allclose(network.encode(features), network.encode(x.numpy()), atol=1e-4)
    assert np.array_equal(network.per_window(x[33:35].numpy(), None), network.per_window(x[33:35].numpy(), None))
    assert np.allclose(network.per_window(x[35:36].numpy(), None), features[35:36], rtol=1e-4)


def test_tensor_cspnet_s_bands_are_the_published_filters():
    from scipy.signal import cheb2ord, cheby2, sosfilt

    network = TensorCSPNet(3, 400, 100.0, stiefel=False, n_segments=1, segment_share=1.0)
    x = np.random.default_rng(0).normal(size=(2, 3, 400))
    x -= x.mean(axis=-1, keepdims=True)
    features = network.per_window(x, None)
    for k, low in enumerate(range(4, 40, 4)):
        stop = (low - 2, low + 6)
        order, _ = cheb2ord((low, low + 4), stop, 3, 30, fs=100)
        filtered = sosfilt(cheby2(order, 30, stop, "bandpass", output="sos", fs=100), x)
        wanted = np.stack([np.cov(row, bias=True) for row in filtered])
        assert np.allclose(features[:, k, 0], wanted, atol=2e-3 * wanted.max())


def test_tsmnet_s_one_convolution_is_two():
    network = TSMNet(CHANS, TIMES, SFREQ)
    x = signal(3)
    padded = torch.nn.functional.pad(x[:, None], (12, 12, 0, 0), mode="reflect")
    temporal = torch.nn.functional.conv2d(padded, network.temporal[:, None, None], bias=torch.ones(4))
    filtered = torch.nn.functional.conv2d(temporal, network.spatial[..., None], bias=torch.ones(40))[:, :, 0]
    wanted = spectral.of(network.bimap(spectral.covariance(filtered)), spectral.rectified(1e-4))
    assert torch.allclose(network._latent(x), wanted, rtol=1e-4, atol=1e-4)


def test_matt_cuts_the_window_as_published():
    """The first segments take what is left over; none of the window is dropped."""
    network = MAtt(CHANS, 299, SFREQ, n_temporal=7, n_attention=5)
    x = torch.randn(2, 7, 301, generator=torch.Generator().manual_seed(0))
    C = network._covariances(x)
    for k, part in enumerate((x[..., :101], x[..., 101:201], x[..., 201:])):
        wanted = np.cov(part[0].numpy())
        assert np.allclose(C[0, k], wanted / np.trace(wanted) + 1e-5 * np.eye(7), atol=1e-6)


def test_unknown_settings_are_refused():
    with pytest.raises(SentenceError, match="variant 'other' is unknown"):
        MAtt(CHANS, TIMES, SFREQ, variant="other")
    with pytest.raises(SentenceError, match="rate above 84 Hz, not 80"):
        TensorCSPNet(CHANS, TIMES, 80.0)
    with pytest.raises(SentenceError, match=r"segment_share=1\.5"):
        TensorCSPNet(CHANS, TIMES, SFREQ, segment_share=1.5)


# -- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network",
    [
        SPDNet(4, 60, 100.0, dims=[4, 3], threshold=0.5),
        TSMNet(4, 60, 100.0, n_temporal=2, n_spatial=6, kernel_length=5, n_filters=4, threshold=0.2),
        MAtt(4, 60, 100.0, n_segments=2, n_spatial=4, n_temporal=4, kernel_length=3, n_attention=3),
        MAtt(4, 60, 100.0, n_segments=2, n_spatial=4, n_temporal=4, kernel_length=3, n_attention=3, variant="spd_learn"),
        TensorCSPNet(4, 60, 100.0, n_hidden=5, n_filters=3, n_mixed=2),
        TensorCSPNet(4, 60, 100.0, n_hidden=5, n_filters=3, n_mixed=2, stiefel=False, threshold=0.5),
    ],
    ids=lambda network: type(network).__name__,
)
def test_gradients_equal_finite_differences(network):
    network = network.double().eval()
    names, values = zip(*network.named_parameters(), strict=True)
    generator = torch.Generator().manual_seed(0)
    values = [(v + 0.1 * torch.randn(v.shape, dtype=v.dtype, generator=generator)).detach().requires_grad_() for v in values]
    x = 3 * torch.randn(3, 4, 60, dtype=torch.float64, generator=generator)

    def act(*values):
        return torch.func.functional_call(network, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(act, values, atol=1e-5, rtol=1e-4, fast_mode=True)


# -- they learn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model,words", [("spdnet", ()), ("matt", ("model.train.lr=0.003",)), ("tensor_cspnet", ()), ("tsmnet", ())])
def test_it_learns_what_is_simulated(model, words):
    """Three people to learn from, a stranger to answer for; power of one channel tells the class."""
    windows = Classification().label(make_windows(n_trials=16))
    cfg = compose([f"model={model}", "trainer=cpu", "model.train.max_epochs=12", "model.train.batch_size=16", *words])
    recipe = Recipe(model, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))
    target = (windows.meta["subject"] == "S4").to_numpy()
    yhat = recipe(0).fit(windows[~target]).predict(windows[target].blind())
    assert (yhat.argmax(axis=1) == windows[target].y).mean() >= 0.8
