"""The losses of MVCNet: labels of all views, and what belongs together looks alike."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from corticode.encoder.mvcnet import MVCNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear
from corticode.objective.multi_view import MultiView, nt_xent
from corticode.objective.supervised import Supervised
from corticode.space import Space

SPACE = Space("eeg", ("C3", "Cz", "C4"), "uV", 50.0)
HANDS = ("left_hand", "right_hand")


def parts(n_outputs: int = 2):
    torch.manual_seed(0)
    encoder = MVCNet(3, 50, 50.0, n_filters=4, drop_prob=0.0, transformer_drop_prob=0.0)
    x, y = torch.randn(6, 3, 50), torch.arange(6) % n_outputs
    return encoder, Linear(4, n_outputs, encoder.n_tokens, pool="flatten"), x, y


def test_the_contrast_is_that_of_its_formula():
    a, b = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    rows, total = torch.cat((a, b)), 0.0
    for i in range(10):
        similar = [math.exp(functional.cosine_similarity(rows[i], rows[j], dim=0).item() / 0.2) for j in range(10)]
        total -= math.log(similar[(i + 5) % 10] / (sum(similar) - similar[i]))
    assert nt_xent(a, b, 0.2).item() == pytest.approx(total / 10, rel=1e-5)
    same = torch.ones(5, 7)
    assert nt_xent(same, same, 0.2).item() == pytest.approx(math.log(9))
    apart = torch.eye(5)
    assert nt_xent(apart, apart, 0.2) < nt_xent(apart, apart.roll(1, 0), 0.2)


def test_the_loss_is_the_sum_of_its_parts():
    encoder, head, x, y = parts()
    objective = MultiView(cross_view=0.3, cross_model=0.7, temperature=0.5, classes=HANDS)
    got = objective(encoder.train(), head, x, y, SPACE)
    n = torch.arange(50)
    padded = functional.pad(x, (0, 14))
    hilbert = torch.fft.irfft(torch.fft.rfft(padded) * -1j, 64)[..., :50]
    angle = 2 * math.pi * 0.1 * n / 50
    views = [(x, y), (-x, y), (x * angle.cos() - hilbert * angle.sin(), y), (x[:, [2, 1, 0]], 1 - y)]
    branches = [encoder.both(view) for view, _ in views]
    labels = [functional.cross_entropy(head(first), y) for (first, _), (_, y) in zip(branches, views, strict=True)]
    first, second = ([pair[i].flatten(1) for pair in branches] for i in (0, 1))
    together = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    cross_view = sum(nt_xent(together[0], view, 0.5) for view in together[1:]) / 3
    cross_model = nt_xent(torch.cat(first), torch.cat(second), 0.5)
    assert got["loss"].item() == pytest.approx((sum(labels) + 0.3 * cross_view + 0.7 * cross_model).item(), rel=1e-4)
    assert got["cross_view"].item() == pytest.approx(cross_view.item(), rel=1e-4)
    assert got["cross_model"].item() == pytest.approx(cross_model.item(), rel=1e-4)


def test_held_back_rows_are_judged_as_they_are():
    encoder, head, x, y = parts()
    encoder.eval()
    judged = MultiView(classes=HANDS)(encoder, head, x, y, SPACE)
    assert set(judged) == {"loss", "accuracy"}
    assert judged["loss"] == Supervised()(encoder, head, x, y, SPACE)["loss"]


@pytest.mark.parametrize(
    "classes,labels,wanted",
    [
        (HANDS, "auto", [1, 0]),
        (HANDS, "keep", [0, 1]),
        (("feet", "right_hand"), "auto", [0, 1]),  # as the paper: no left hand to swap with
        (("feet", "left_hand", "right_hand"), "auto", [0, 2, 1]),
        (("rest", "arithmetic"), "auto", [0, 1]),
    ],
)
def test_the_view_of_space_swaps_labels_that_have_a_side(classes, labels, wanted):
    objective = MultiView(views=["space"], labels=labels, classes=classes)
    x, y = torch.randn(len(classes), 3, 50), torch.arange(len(classes))
    swapped, seen = objective._viewed(objective._changes[0], x, y, SPACE)
    assert torch.equal(swapped, x[:, [2, 1, 0]])
    assert seen.tolist() == wanted


def test_the_second_branch_learns_from_the_contrast_alone():
    encoder, head, x, y = parts()
    MultiView(classes=HANDS, cross_view=0.0, cross_model=0.0)(encoder.train(), head, x, y, SPACE)["loss"].backward()
    assert not any(p.grad.abs().any() for p in encoder.project.parameters())
    MultiView(classes=HANDS)(encoder, head, x, y, SPACE)["loss"].backward()
    assert all(p.grad.abs().any() for p in encoder.project.parameters())


def test_values_are_learned_too():
    encoder, _, x, _ = parts()
    head = Linear(4, 1, encoder.n_tokens, pool="flatten", kind="value")
    got = MultiView(classes=())(encoder.train(), head, x, torch.randn(6), SPACE)
    assert got["loss"].isfinite() and "accuracy" not in got


def test_what_cannot_be_is_refused():
    encoder, head, x, y = parts()
    encoder.train()
    with pytest.raises(SentenceError, match="views="):
        MultiView(views=["colour"])
    with pytest.raises(SentenceError, match=r"model\.objective\.labels=keep"):
        MultiView(classes=("feet", "right_hand"), labels="swap")
    with pytest.raises(SentenceError, match=r"model.objective.views=\[time,frequency\]"):
        MultiView(classes=HANDS)(encoder, head, x, y, Space("eeg", ("A", "B", "C"), "uV", 50.0))
    with pytest.raises(SentenceError, match="give classes="):
        MultiView()(encoder, head, x, y, SPACE)
    with pytest.raises(SentenceError, match="model=mvcnet"):
        MultiView(classes=HANDS)(torch.nn.Identity().train(), head, x, y, SPACE)


def test_the_task_s_classes_reach_it():
    from corticode.compose import compose
    from corticode.recipe import Recipe

    cfg = compose(["model=mvcnet"])
    decoder = Recipe("mvcnet", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], SPACE, 50, HANDS)(0)
    assert decoder.adapter.objective.classes == HANDS
