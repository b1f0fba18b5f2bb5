"""One battery for every network that conf/model/ names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml

from corticode import catalogue
from corticode.encoder.neural import NeuralEncoder, tensors
from corticode.errors import BrokenDataError, SentenceError


def recipes() -> dict[str, dict]:
    found = {}
    for file in sorted((catalogue.conf_folder() / "model").glob("*.yaml")):
        model = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("model") or {}
        if "encoder" in model and getattr(catalogue.locate(model["encoder"]["_target_"]), "neural", False):
            found[file.stem] = model
    return found


RECIPES = recipes()


def build(name: str, n_chans: int = 6, n_times: int = 256, sfreq: float = 128.0, n_outputs: int = 3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = catalogue.make(RECIPES[name]["encoder"], n_chans=n_chans, n_times=n_times, sfreq=sfreq)
        head = catalogue.make(RECIPES[name]["head"], n_features=encoder.n_features, n_tokens=encoder.n_tokens, n_outputs=n_outputs)
    return encoder, head


def signal(n: int = 8, n_chans: int = 6, n_times: int = 256) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 10, (n, n_chans, n_times)).astype(np.float32)


def test_there_are_networks():
    assert {"eegnet", "eegformer", "spdnet", "tsmnet", "tensor_cspnet", "matt"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
class TestNetwork:
    @pytest.mark.parametrize(
        "n_chans,n_times,sfreq", [(1, 256, 128.0), (3, 200, 100.0), (22, 1000, 250.0), (21, 480, 160.0), (64, 321, 160.0)]
    )
    def test_tokens_have_the_declared_shape(self, name, n_chans, n_times, sfreq):
        encoder, head = build(name, n_chans, n_times, sfreq)
        tokens = encoder(torch.from_numpy(signal(4, n_chans, n_times)))
        assert tokens.shape == (4, encoder.n_tokens, encoder.n_features)
        assert head(tokens).shape == (4, 3)

    def test_every_parameter_learns(self, name):
        encoder, head = build(name)
        with torch.no_grad():  # away from zero, where blocks that start as the identity pass nothing on
            for parameter in encoder.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        head(encoder(torch.from_numpy(signal()))).square().sum().backward()
        silent = [n for n, p in [*encoder.named_parameters(), *head.named_parameters()] if p.grad is None or not p.grad.abs().sum() > 0]
        assert not silent

    def test_a_row_does_not_depend_on_other_rows(self, name):
        encoder, _ = build(name)
        encoder(torch.from_numpy(signal()))  # move the batch statistics
        X = signal()
        Z = encoder.encode(X)
        assert Z.shape == (8, encoder.n_features) and Z.dtype == np.float32
        assert np.allclose(encoder.encode(X[3:4]), Z[3:4], atol=1e-5)
        assert np.allclose(encoder.encode(X[::-1]), Z[::-1], atol=1e-5)
        assert np.abs(Z - Z[0]).max() > 1e-3

    def test_batches_change_nothing(self, name):
        encoder, _ = build(name)
        whole = encoder.encode(signal())
        encoder.batch_size = 3
        assert np.allclose(encoder.encode(signal()), whole, atol=1e-5)

    def test_encode_leaves_the_mode_and_learns_nothing(self, name):
        encoder, _ = build(name)
        before = encoder.state()
        encoder.train()
        assert np.array_equal(encoder.encode(signal()), encoder.encode(signal()))
        assert encoder.training
        assert all(np.array_equal(before[k], v) for k, v in encoder.state().items())

    def test_state_makes_a_twin(self, name):
        encoder, head = build(name)
        encoder(torch.from_numpy(signal()))
        twin, other = build(name)
        for parameter in [*twin.parameters(), *other.parameters()]:
            torch.nn.init.ones_(parameter)
        twin.load_state(encoder.state())
        other.load_state(head.state())
        assert np.array_equal(twin.encode(signal()), encoder.encode(signal()))
        assert all(isinstance(v, np.ndarray) for v in encoder.state().values())
        assert encoder.state().keys() == encoder.state_dict().keys()

    def test_arguments_make_a_twin(self, name):
        encoder, head = build(name)
        assert [p.shape for p in type(encoder)(**encoder.arguments()).parameters()] == [p.shape for p in encoder.parameters()]
        assert [p.shape for p in type(head)(**head.arguments()).parameters()] == [p.shape for p in head.parameters()]

    def test_another_network_s_state_is_refused(self, name):
        states = [part.state() for part in build(name, n_chans=6, n_times=128)]
        with pytest.raises(BrokenDataError, match="built for other channels"):
            for part, state in zip(build(name, n_chans=40, n_times=512), states, strict=True):
                part.load_state(state)
        with pytest.raises(BrokenDataError, match="differ in"):
            build(name)[0].load_state(states[1])

    def test_windows_of_another_shape_are_refused(self, name):
        encoder, _ = build(name)
        with pytest.raises(SentenceError, match=r"6 channels x 256 samples at 128 Hz and got \[2, 5, 256\]"):
            encoder.encode(signal(2, n_chans=5))

    def test_short_windows_are_refused(self, name):
        with pytest.raises(SentenceError, match="longer windows"):
            build(name, n_times=5)

    def test_no_rows_no_answers(self, name):
        assert len(build(name)[0].encode(signal()[:0])) == 0

    def test_initial_weights_follow_the_seed(self, name):
        first, again = build(name)[0].state(), build(name)[0].state()
        assert all(np.array_equal(first[k], again[k]) for k in first)


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    X = signal()
    np.save(tmp_path / "x.npy", X)
    parts = list(tensors(np.load(tmp_path / "x.npy", mmap_mode="r"), 3))
    assert [len(p) for p in parts] == [3, 3, 2]
    assert np.array_equal(torch.cat(parts).numpy(), X)


def test_a_base_has_no_forward():
    with pytest.raises(NotImplementedError):
        NeuralEncoder(2, 32, 100.0)(torch.zeros(1, 2, 32))
