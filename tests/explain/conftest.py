import numpy as np
import pytest

from corticode.decoder import Decoder
from explain.planted import CLASSES, SFREQ, planted


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def network(windows, epochs=30, align=None, encoder=None) -> Decoder:
    """A network that learned these windows: an EEGNet, or another class of encoder."""
    import torch

    from corticode.adapt.full import Full
    from corticode.encoder.eegnet import EEGNet
    from corticode.head.linear import Linear
    from corticode.train.settings import Training

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = (len(windows.space), windows.n_times, SFREQ)
        net = EEGNet(*shape, F1=4, drop_prob=0.25) if encoder is None else encoder(*shape)
        head = Linear(net.n_features, 2, net.n_tokens, pool="flatten", max_norm=0.25)
    training = Training(max_epochs=epochs, lr=0.005, warmup_epochs=2, validation=0.0)
    adapt = Full(training=training, trainer={"accelerator": "cpu"})
    return Decoder(net, head, adapt, align, space=windows.space, n_times=windows.n_times, classes=CLASSES).fit(windows)


def classical(windows) -> Decoder:
    """Log-variances of the channels and a discriminant."""
    from corticode.adapt.probe import Probe
    from corticode.encoder.logvar import LogVar
    from corticode.head.lda import LDA

    return Decoder(LogVar(), LDA(), Probe(), space=windows.space, n_times=windows.n_times, classes=CLASSES).fit(windows)


@pytest.fixture(scope="package")
def source():
    """Windows with a planted source."""
    return planted()


@pytest.fixture(scope="package")
def trained(source):
    """A network that learned the planted source."""
    return network(source)
