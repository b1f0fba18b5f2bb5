"""TCFormer equals the published network, and its groups stay apart where the paper keeps them apart."""

from __future__ import annotations

import pytest
import torch

import golden
from corticode.encoder.tcformer import Block, TCFormer
from corticode.errors import SentenceError
from corticode.head.averaged import Averaged


class Whole(torch.nn.Module):
    def __init__(self, n_chans=22, n_times=1000, n_outputs=4):
        super().__init__()
        self.encoder = TCFormer(n_chans, n_times, 250.0)
        self.head = Averaged(self.encoder.n_features, n_outputs, self.encoder.n_tokens, max_norm=0.25)

    def forward(self, x):
        return self.head(self.encoder(x))


NORMS = {
    "conv_block.channel_reduction.1": "reduce_norm",
    "conv_block.temporal_conv_2.1": "second_norm",
    "mix.1": "mix_norm",
    "reduce.2": "narrow_norm",
}
LAYERS = {
    "conv_block.channel_reduction.0": "reduce", "conv_block.temporal_conv_2.0": "second", "mix.0": "mix", "reduce.1": "narrow",
    "conv_block.group_attn.att_fc1": "gate.squeeze", "conv_block.group_attn.att_fc2": "gate.excite", **NORMS,
}  # fmt: skip
BLOCK = {
    "norm1": "attention_norm", "attn.query_proj": "query", "attn.key_value_proj": "key_value", "attn.out_proj": "out", "norm2": "forward_norm",
    "mlp.0": "widen", "mlp.2": "narrow",
}  # fmt: skip
TCN = {"conv1": "first", "bn1": "first_norm", "conv2": "second", "bn2": "second_norm"}


def place(published: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name the published weights as ours are named."""
    names = {"final_layer.conv.bias": "head.bias", "final_layer.conv.parametrizations.weight.original": "head.weight"}
    prefixes = {theirs: f"encoder.{ours}" for theirs, ours in LAYERS.items()}
    for i in range(2):
        prefixes |= {f"transformer.{i}.{theirs}": f"encoder.blocks.{i}.{ours}" for theirs, ours in BLOCK.items()}
        prefixes |= {f"tcn.blocks.{i}.{theirs}": f"encoder.tcn.{i}.{ours}" for theirs, ours in TCN.items()}
    given, spatial = {}, {}
    for key, value in published.items():
        prefix, _, last = key.rpartition(".")
        if key in names:
            given[names[key]] = value
        elif key.startswith("conv_block.temporal_convs"):
            bank, layer = (int(part) for part in prefix.split(".")[2:])
            given[f"encoder.banks.{bank}." + ("temporal" if layer == 1 else f"temporal_norm.{last}")] = value
        elif key.startswith("conv_block.channel_dw_conv"):
            spatial["spatial" if prefix.endswith("0") else f"spatial_norm.{last}"] = value
        else:
            given[f"{prefixes[prefix]}.{last}"] = value
    for name, value in spatial.items():  # one array there, one per length of filter here
        for bank, part in enumerate(value.chunk(3)):
            given[f"encoder.banks.{bank}.{name}"] = part
    return given


def test_it_equals_the_published_network():
    network, wanted = Whole().eval(), golden.read("tcformer")
    golden.load(network, golden.weights("tcformer"), place)
    with torch.no_grad():
        assert torch.allclose(network(golden.windows(22, 1000)), torch.tensor(wanted["output"]), atol=1e-5)


@pytest.mark.parametrize("n_chans,n_times,n_outputs,count", [(22, 1000, 4, 77_820), (22, 1125, 4, 77_820)])
def test_number_of_parameters(n_chans, n_times, n_outputs, count):
    network = Whole(n_chans, n_times, n_outputs)
    assert sum(p.numel() for p in network.parameters()) == count
    assert golden.read("tcformer")["n_parameters"] == count


def test_durations_are_kept_at_other_rates():
    half = TCFormer(3, 500, 125.0)
    assert [bank.temporal.shape[1] for bank in half.banks] == [10, 16, 32]
    assert half.banks[0].pool == 4
    given = TCFormer(3, 500, 125.0, kernel_lengths=[9, 17], pool_length=5)
    assert [bank.temporal.shape[1] for bank in given.banks] == [9, 17]
    assert given.n_tokens == 3 and given.filters().shape == (64, 17)


def test_attention_knows_distances_of_steps_and_not_places():
    """Turned by their positions, queries and keys meet in products that depend on how far apart they are.

    The published angles are laid out in halves and applied to pairs, so it holds where a pair has one angle: with four features a
    head, features 0 and 1 turn by different angles; with two it holds.
    """
    from corticode.encoder.tcformer import _rotary, _turned

    q, k = torch.randn(2), torch.randn(2)
    rotary = _rotary(9, 2)
    turned = [_turned(v.expand(1, 1, 9, 2), rotary)[0, 0] for v in (q, k)]
    products = turned[0] @ turned[1].T
    assert torch.allclose(products.diagonal(2), products[0, 2].expand(7), atol=1e-5)
    assert not torch.allclose(products[0, 2], products[0, 3], atol=1e-3)


def test_some_windows_pass_a_block_by_while_it_learns():
    block = Block(8, 2, 1, drop_prob=0.0, drop_path=0.5)
    x, rotary = torch.randn(200, 3, 8), torch.stack((torch.ones(3, 4), torch.zeros(3, 4)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        passed = (block.train()(x, rotary) == x).all(dim=(1, 2)).float().mean()
    assert 0.15 < passed < 0.35  # by both halves of the block: a quarter
    assert not (block.eval()(x, rotary) == x).all(dim=(1, 2)).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(SentenceError, match="longer windows"):
        TCFormer(3, 50, 250.0)
    with pytest.raises(SentenceError, match="n_heads"):
        TCFormer(3, 500, 250.0, n_heads=5)
