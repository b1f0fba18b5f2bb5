"""One battery for every network that conf/model/ names, built by its recipe as a run builds it.

A new network is found by itself. Run it for one alone with `pytest tests/encoder/test_networks.py -k name`.
"""

from __future__ import annotations

import functools
import shutil

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from conftest import make_windows
from corticode import catalogue
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe
from corticode.space import Space
from corticode.task.classification import Classification
from sized import sized as sized_at
from sized import small

CLASSES = ("left", "right", "feet")
# 64 of the 10-10 system, which some networks know by name; left and right of the head, since some learn from what lies opposite
ROWS = {"C": (3, 1, 5), "FC": (3, 1, 5), "CP": (3, 1, 5), "F": (3, 1, 5, 7, 9), "P": (3, 1, 5, 7, 9), "T": (7, 9), "FT": (7, 9), "TP": (7, 9),
        "AF": (3, 7, 5), "PO": (3, 7, 5), "O": (1,)}  # fmt: skip
ELECTRODES = [f"{row}{side + right}" for row, sides in ROWS.items() for side in sides for right in (0, 1)]
# channels, samples, rate: from the least that must work or say why not, to what large montages bring
SIZES = [(1, 50, 100.0), (3, 128, 128.0), (21, 480, 160.0), (22, 1000, 250.0), (64, 640, 160.0), (64, 321, 160.0)]


def networks() -> list[str]:
    found = []
    for file in sorted((catalogue.conf_folder() / "model").glob("*.yaml")):
        model = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("model") or {}
        if file.stem == "braindecode":  # somebody else's networks, each with its own sizes: test_braindecode.py
            continue
        if "encoder" in model and getattr(catalogue.locate(model["encoder"]["_target_"]), "neural", False):
            found.append(file.stem)
    return found


@functools.cache
def config(name: str) -> dict:
    return compose([f"model={name}", "model.train.max_epochs=1", "trainer=cpu", *small(name)])


sized = functools.cache(sized_at)


def build(name: str, n_chans: int = 6, n_times: int = 256, sfreq: float = 128.0, classes=CLASSES, space=None) -> Decoder:
    cfg = config(name)
    n_times, sfreq = sized(name, n_times, sfreq)
    space = space or Space("eeg", tuple(ELECTRODES[:n_chans]), "uV", sfreq)
    return Recipe(name, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], space, n_times, classes)(0)


def signal(name: str, n: int = 8, n_chans: int = 6, n_times: int = 256, sfreq: float = 128.0) -> np.ndarray:
    n_times, _ = sized(name, n_times, sfreq)
    return np.random.default_rng(0).normal(0, 10, (n, n_chans, n_times)).astype(np.float32)


def batch(name: str, *size: int) -> torch.Tensor:
    return torch.from_numpy(signal(name, *size))


class Whole(nn.Module):
    """Encoder and head as one module, which is what is compiled and exported."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.encoder, self.head = decoder.encoder, decoder.head

    def forward(self, x):
        return self.head(self.encoder(x))


def parameters(decoder: Decoder) -> dict[str, nn.Parameter]:
    return {n: p for n, p in Whole(decoder).named_parameters() if p.requires_grad}


def sizes(decoder: Decoder) -> list[torch.Size]:
    return [value.shape for value in Whole(decoder).state_dict().values()]


def loss(name: str, decoder: Decoder) -> torch.Tensor:
    """One batch's loss by the recipe's own objective, in training mode; by its labels where it learns by reward."""
    decoder.encoder.train(), decoder.head.train()
    objective = getattr(decoder.adapter, "objective", None) or Supervised()
    y = torch.arange(8) % len(decoder.classes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return objective(decoder.encoder, decoder.head, batch(name), y, decoder.space)["loss"]


def settled(name: str) -> Decoder:
    """A decoder whose batch statistics are those of the signal, as after training."""
    decoder = build(name)
    with torch.no_grad():
        for _ in range(3):
            loss(name, decoder)
    decoder.encoder.eval(), decoder.head.eval()
    return decoder


def close(got: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return torch.allclose(got, wanted, atol=tolerance, rtol=tolerance)


def test_there_are_networks():
    assert {"eegnet", "eegformer", "spdnet", "tsmnet", "tensor_cspnet", "matt"} <= set(networks())


@pytest.mark.parametrize("name", networks())
class TestNetwork:
    # -- sizes --

    @pytest.mark.parametrize("n_chans,n_times,sfreq", SIZES)
    def test_a_size_works_or_is_refused_with_a_cure(self, name, n_chans, n_times, sfreq):
        try:
            decoder = build(name, n_chans, n_times, sfreq)
        except SentenceError as refusal:
            assert n_chans == 1 or n_times / sfreq < 1, f"an ordinary size is refused: {refusal}"
            assert ": " in str(refusal) and any(w in str(refusal) for w in ("take ", "set ", "use ", "pick "))
            return
        encoder, head = decoder.encoder.eval(), decoder.head.eval()
        with torch.no_grad():
            tokens = encoder(batch(name, 2, n_chans, n_times, sfreq))
            answers = head(tokens)
        assert tokens.shape == (2, encoder.n_tokens, encoder.n_features)
        assert answers.shape == (2, 3) and answers.isfinite().all()

    def test_short_windows_are_refused(self, name):
        with pytest.raises(SentenceError, match="longer windows"):
            build(name, n_times=5)

    def test_windows_of_another_shape_are_refused(self, name):
        n_times, sfreq = sized(name)
        with pytest.raises(SentenceError, match=rf"6 channels x {n_times} samples at {sfreq:g} Hz and got \[2, 5, {n_times}\]"):
            build(name).encoder.encode(signal(name, 2, n_chans=5))

    # -- rows --

    def test_a_row_does_not_depend_on_other_rows(self, name):
        whole = Whole(settled(name))
        x = batch(name)
        with torch.no_grad():
            together = whole(x)
            assert close(torch.cat([whole(row[None]) for row in x]), together)
            assert close(whole(x.flip(0)), together.flip(0))
        assert (together - together[0]).abs().max() > 1e-4

    def test_batches_change_nothing(self, name):
        encoder = settled(name).encoder
        whole = encoder.encode(signal(name))
        assert whole.shape == (8, encoder.n_features) and whole.dtype == np.float32
        encoder.batch_size = 3
        assert np.allclose(encoder.encode(signal(name)), whole, atol=1e-5)
        assert len(encoder.encode(signal(name)[:0])) == 0

    def test_encode_leaves_the_mode_and_learns_nothing(self, name):
        encoder = settled(name).encoder.train()
        before = encoder.state()
        assert np.array_equal(encoder.encode(signal(name)), encoder.encode(signal(name)))
        assert encoder.training
        assert all(np.array_equal(before[k], v) for k, v in encoder.state().items())

    # -- weights --

    def test_every_parameter_learns(self, name):
        decoder = build(name)
        with torch.no_grad():  # away from zero, where blocks that start as the identity pass nothing on
            for parameter in parameters(decoder).values():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        loss(name, decoder).backward()
        silent = [n for n, p in parameters(decoder).items() if p.grad is None or not p.grad.isfinite().all() or not p.grad.abs().sum() > 0]
        assert not silent

    def test_initial_weights_follow_the_seed(self, name):
        first, again = build(name).encoder.state(), build(name).encoder.state()
        assert all(np.array_equal(first[k], again[k]) for k in first)

    def test_arguments_and_state_make_a_twin(self, name):
        decoder = settled(name)
        for part in (decoder.encoder, decoder.head):
            twin = type(part)(**part.arguments())
            for parameter in twin.parameters():
                nn.init.ones_(parameter)
            twin.load_state(part.state())
            assert part.state().keys() == twin.state().keys() == part.state_dict().keys()
            assert all(np.array_equal(v, twin.state()[k]) for k, v in part.state().items())

    def test_another_network_s_state_is_refused(self, name):
        short, wide = build(name, n_times=128), build(name, n_chans=40, n_times=512)
        if sizes(short) != sizes(wide):  # some networks have weights for any channels and lengths
            with pytest.raises(BrokenDataError, match="built for other channels"):
                wide.encoder.load_state(short.encoder.state()), wide.head.load_state(short.head.state())
        with pytest.raises(BrokenDataError, match="differ in"):
            short.encoder.load_state(short.head.state())

    def test_a_trained_decoder_comes_back_from_the_disk_bit_for_bit(self, name, tmp_path):
        n_times, sfreq = sized(name)
        labelled = Classification().label(make_windows(n_subjects=3, n_sessions=1, n_trials=8, n_times=n_times, sfreq=sfreq))
        target, source = labelled[np.arange(16, 24)].blind(), labelled[np.arange(16)]
        decoder = build(name, classes=("left_hand", "right_hand"), space=labelled.space)
        answers = decoder.fit(source).predict(target)
        assert answers.shape == (8, 2) and np.isfinite(answers).all()
        assert np.array_equal(Decoder.load(decoder.save(tmp_path / "decoder")).predict(target), answers)

    # -- what torch does with it --

    def test_it_is_exported(self, name):
        whole = Whole(settled(name))
        exported = torch.export.export(whole, (batch(name, 4),), dynamic_shapes={"x": {0: torch.export.Dim("b", min=1, max=512)}}).module()
        with torch.no_grad():
            assert close(exported(batch(name, 4)), whole(batch(name, 4)))
            assert close(exported(batch(name, 7)), whole(batch(name, 7)))

    def test_it_is_compiled(self, name):
        """`aot_eager` traces forward and backward as the real compiler does, and needs none of C++."""
        decoder = settled(name)
        whole = Whole(decoder)
        names, learned = zip(*parameters(decoder).items(), strict=True)
        torch._dynamo.reset()
        got, wanted = torch.compile(whole, backend="aot_eager")(batch(name)), whole(batch(name))
        assert close(got, wanted)
        for n, a, b in zip(names, gradients(got, learned), gradients(wanted, learned), strict=True):
            assert close(a, b, 1e-4 * max(1.0, b.abs().max().item())), n

    @pytest.mark.slow
    @pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="machine code for a CPU needs a C++ compiler")
    def test_it_is_compiled_to_machine_code(self, name):
        whole = Whole(settled(name))
        torch._dynamo.reset()
        with torch.no_grad():
            assert close(torch.compile(whole)(batch(name)), whole(batch(name)), 1e-4)

    def test_it_runs_in_half_precision(self, name):
        decoder = settled(name)
        whole = Whole(decoder)
        with torch.autocast("cpu", torch.bfloat16):
            value, answers = loss(name, decoder), whole.eval()(batch(name))
        value.float().backward()
        assert answers.isfinite().all() and value.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in parameters(decoder).values())


def gradients(answers: torch.Tensor, learned: tuple[nn.Parameter, ...]) -> list[torch.Tensor]:
    found = torch.autograd.grad(answers.square().sum(), learned, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(learned, found, strict=True)]
