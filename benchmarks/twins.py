"""Our networks and braindecode's: which are the same, and with what steps put in their outputs are equal."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from corticode.compose import compose
from corticode.recipe import Recipe
from corticode.space import Space

TESTS = Path(__file__).resolve().parents[1] / "tests"
N_CHANS, SFREQ, CLASSES = 22, 250.0, ("left hand", "right hand", "feet", "tongue")


class Ours(nn.Module):
    """Encoder and head of a recipe, as a run builds them."""

    def __init__(self, model: str, n_times: int):
        super().__init__()
        cfg = compose([f"model={model}", "trainer=cpu"])
        space = Space("eeg", tuple(f"E{k}" for k in range(N_CHANS)), "uV", SFREQ)
        decoder = Recipe(model, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], space, n_times, CLASSES)(0)
        self.encoder, self.head, self.space = decoder.encoder, decoder.head, space

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x))


@dataclass(frozen=True)
class Twin:
    """A network that both have.

    Parameters
    ----------
    model, published : str
        Its names here and there.
    arguments : dict
        What theirs needs to be of the paper's size.
    alike : function of (proof, ours, theirs)
        Puts into ours the steps by which theirs departs from the paper, for the comparison of outputs alone. `proof` is the
        test that keeps our numbers equal, tests/encoder/test_<model>.py.
    note : str
        What was put in.
    n_times : int
        1001, but for those that cut a window in equal parts and read its rest differently.
    """

    model: str
    published: str
    arguments: dict[str, Any] = field(default_factory=dict)
    alike: Callable[[Any, Ours, nn.Module], None] = lambda proof, ours, theirs: None
    note: str = ""
    n_times: int = 1001

    def ours(self) -> Ours:
        """Return our network."""
        torch.manual_seed(0)
        return Ours(self.model, self.n_times)

    def theirs(self) -> nn.Module:
        """Return braindecode's."""
        from braindecode import models

        torch.manual_seed(0)
        make = getattr(models, self.published)
        return make(n_chans=N_CHANS, n_times=self.n_times, n_outputs=len(CLASSES), sfreq=SFREQ, **self.arguments)

    def apart(self, theirs: nn.Module) -> float:
        """Return the largest difference of two answers, ours with the weights of `theirs`, over their largest."""
        proof, golden = _test(self.model), _module("golden", TESTS / "golden.py")
        ours, x = self.ours().eval(), golden.windows(N_CHANS, self.n_times)
        published = {name: tensor.detach().clone() for name, tensor in golden.state(theirs.eval()).items()}
        self.alike(proof, ours, theirs)
        given = proof.place(published)
        if isinstance(given, tuple):
            given = {
                f"{part}.{name}": tensor
                for part, tensors in zip(("encoder", "head"), given, strict=True)
                for name, tensor in tensors.items()
            }
        golden.load(ours, published, lambda _: given)
        with torch.no_grad():
            wanted = theirs(x)
            return float((ours(x) - wanted).abs().max() / wanted.abs().max())


def _test(model: str) -> Any:
    return _module(f"test_{model}", TESTS / "encoder" / f"test_{model}.py")


def _module(name: str, path: Path) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


# -- steps by which braindecode departs -------------------------------------------------------------------------------


def _eegnet(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    ours.encoder = proof.as_in_braindecode(N_CHANS, ours.encoder.n_times)


def _eeg_tcnet(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    ours.encoder = proof.as_in_braindecode(N_CHANS, ours.encoder.n_times)
    ours.head.max_norm = None  # the weights that are copied have been limited in their way


def _atcnet(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    proof.with_published_epsilons(ours.encoder)
    ours.head.max_norm = None


def _attention(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    for block in ours.encoder.blocks:
        block.attention.scale = (ours.encoder.n_features / ours.encoder.n_heads) ** -0.5


def _bands(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    bank, rows = ours.encoder.bank, []
    for taps in theirs.spectral_filtering.fir_list:
        rows.append(torch.fft.rfft(nn.functional.pad(taps, (0, bank.n_padded - len(taps))).roll(-((len(taps) - 1) // 2))))
    bank.response = torch.stack(rows)[:, None]


def _ifnet(proof: Any, ours: Ours, theirs: nn.Module) -> None:
    _bands(proof, ours, theirs)
    ours.encoder.pool, ours.head.max_norm = "log_power", 0.5  # the second version


TWINS = (
    Twin("eegnet", "EEGNet", {"final_layer_with_constraint": True}, _eegnet, "padding of even filters"),
    Twin("shallow_convnet", "ShallowFBCSPNet"),
    Twin("deep_convnet", "Deep4Net"),
    Twin(
        "eeg_tcnet",
        "EEGTCNet",
        {"kern_length": 32},
        _eeg_tcnet,
        "ELU behind the first norm, padding of even filters, epsilons, limit of the classifier",
    ),
    Twin("atcnet", "ATCNet", {}, _atcnet, "epsilons, limit of the classifier"),
    Twin("conformer", "EEGConformer", {}, _attention, "scale of attention"),
    Twin("ctnet", "CTNet", {"n_filters_time": 8, "embed_dim": 16, "num_heads": 2}, _attention, "scale of attention"),
    Twin("ifnet", "IFNet", {}, _ifnet, "zero-phase bands, log power", 1000),
    Twin("fbcnet", "FBCNet", {"n_bands": [(4 * k, 4 * k + 4) for k in range(1, 10)]}, _bands, "zero-phase bands", 1000),
    Twin("tcformer", "TCFormer"),
    Twin("eeg_simpleconv", "EEGSimpleConv"),
)
