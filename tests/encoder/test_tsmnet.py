"""TSMNet normalises each domain by itself: while it learns, and at test through align=spd_batchnorm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import make_windows
from corticode.align.base import NoAlign
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.encoder.tsmnet import DomainNorm, TSMNet
from corticode.errors import SentenceError
from corticode.layer import spd, spectral
from corticode.layer.spd_norm import congruence
from corticode.recipe import Recipe
from corticode.task.classification import Classification


def matrices(n: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = scale * torch.randn(4, 4, dtype=torch.float64, generator=generator)
    x = mixing @ torch.randn(n, 4, 60, dtype=torch.float64, generator=generator)
    return x @ x.mT / 60


def norm(**settings) -> DomainNorm:
    return DomainNorm(4, **{"momentum": 0.1, "mean_gradient": True, **settings})


class TestNorm:
    C = torch.cat([matrices(20, 1), matrices(12, 2, 30.0)])
    domain = torch.tensor([7] * 20 + [3] * 12)

    def test_each_domain_comes_to_mean_zero_and_dispersion_one(self):
        S = norm()(self.C, self.domain)
        for name in (7, 3):
            mine = S[self.domain == name]
            assert mine.mean(dim=0).norm() < 0.02
            assert torch.isclose(mine.square().sum(dim=(1, 2)).mean(), torch.tensor(1.0).double(), atol=1e-4)

    def test_a_domain_does_not_see_the_others(self):
        together = norm()(self.C, self.domain)
        order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(norm()(self.C[order], self.domain[order]), together[order])
        assert torch.allclose(norm()(self.C[:20], self.domain[:20]), together[:20])

    def test_one_step_at_rate_one_is_the_textbook_s(self):
        S = norm()(self.C[:20])
        mean = spd.mean_riemann(self.C[:20].numpy())
        whitened = spd.invsqrtm(mean) @ self.C[:20].numpy() @ spd.invsqrtm(mean)
        dispersion = (spd.distance(self.C[:20].numpy(), mean) ** 2).mean()
        assert np.allclose(S, spd.logm(whitened) / np.sqrt(dispersion), atol=0.02)

    def test_statistics_of_a_domain_follow_its_batches(self):
        layer = norm()
        layer.begin_epoch(1, 40, 0.2)
        layer(self.C[:10], self.domain[:10])
        layer.rate = 0.25
        layer(self.C[10:20], self.domain[10:20])
        first, second = norm(), norm()
        first(self.C[:10], self.domain[:10])
        second(self.C[10:20], self.domain[10:20])
        wanted = spd.geodesic(first._known[7][0].numpy(), second._known[7][0].numpy(), 0.25)
        assert np.allclose(layer._known[7][0], wanted)
        whitener = spectral.of(layer._known[7][0], spectral.INVERSE_SQRT)
        here = spectral.of(congruence(self.C[10:20], whitener), spectral.LOG).square().sum(dim=(1, 2)).mean()
        assert torch.isclose(layer._known[7][1], 0.75 * first._known[7][1] + 0.25 * here)
        layer.begin_epoch(1, 40, 0.2)
        assert not layer._known, "what is known of domains lasts for one fit"

    def test_the_rate_falls_from_one_to_a_domain_s_share(self):
        layer, rates = norm(), []
        for epoch in range(1, 51):
            layer.begin_epoch(epoch, 40, 0.2)
            rates.append(layer.rate)
        assert rates[0] == 1 and np.allclose(rates[39:], 0.2) and np.all(np.diff(rates[:40]) < 0)
        assert np.isclose(rates[19], 1 - (0.2 ** (20 / 39) - 0.2))

    def test_evaluation_without_domains_uses_what_is_known_of_all(self):
        layer = norm(momentum=0.3)
        for _ in range(40):
            layer(self.C, self.domain)
        layer.eval()
        S = layer(self.C)
        assert torch.allclose(layer(self.C[3:4]), S[3:4])
        middle = spd.geodesic(spd.mean_riemann(self.C[:20].numpy()), spd.mean_riemann(self.C[20:].numpy()), 0.5)
        assert spd.distance(layer.running_mean.numpy(), middle) < 0.1

    def test_gradients_equal_finite_differences_where_the_mean_is_given(self):
        layer = norm(mean_gradient=False).double()
        C = matrices(4, 3).requires_grad_()
        mean = {}

        def act(C):
            C = (C + C.mT) / 2
            whitener = spectral.of(mean["M"], spectral.INVERSE_SQRT)
            S = spectral.of(congruence(C, whitener), spectral.LOG)
            return S / (S.square().sum(dim=(1, 2)).mean() + 1e-5).sqrt()

        S = layer(C, torch.zeros(4, dtype=torch.long))
        mean["M"] = layer._known[0][0]
        assert torch.autograd.gradcheck(act, C)
        weight = torch.randn(4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        (got,) = torch.autograd.grad((S * weight).sum(), C)
        (wanted,) = torch.autograd.grad((act(C) * weight).sum(), C)
        assert torch.allclose((got + got.mT) / 2, wanted)

    def test_a_row_of_a_domain_of_one_is_no_trouble(self):
        layer, C = norm(), torch.eye(4, dtype=torch.float64).repeat(3, 1, 1).requires_grad_()
        S = layer(C, torch.tensor([0, 1, 1]))
        S.square().sum().backward()
        assert torch.isfinite(C.grad).all() and S.abs().max() < 1e-6


def test_domains_are_sessions_of_people():
    meta = pd.DataFrame({"dataset": "d", "subject": ["b", "b", "a", "b"], "session": ["1", "0", "1", "1"]})
    assert TSMNet(4, 64, 128.0).domains(meta).tolist() == [0, 1, 2, 0]
    assert TSMNet(4, 64, 128.0, domain="subject").domains(meta).tolist() == [0, 0, 1, 0]
    with pytest.raises(SentenceError, match="domain=person is unknown"):
        TSMNet(4, 64, 128.0, domain="person").domains(meta)


# -- in a decoder -----------------------------------------------------------------------------------------------------


def decoder_of(windows, *words: str, epochs: int = 10) -> Decoder:
    cfg = compose(["model=tsmnet", "trainer=cpu", f"model.train.max_epochs={epochs}", "model.train.lr=0.01", *words])
    classes = tuple(windows.info["classes"]["event"])
    return Recipe("tsmnet", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, classes)(0)


@pytest.fixture(scope="module")
def parts():
    windows = Classification().label(make_windows(n_trials=16))
    target = (windows.meta["subject"] == "S4").to_numpy()
    return windows[~target], windows[target]


@pytest.fixture(scope="module")
def fitted(parts):
    return decoder_of(parts[0]).fit(parts[0])


def accuracy(yhat: np.ndarray, windows) -> float:
    return float((yhat.argmax(axis=1) == windows.y).mean())


def test_training_tells_the_norm_of_epochs_and_domains(parts, monkeypatch):
    seen, act = [], DomainNorm.forward

    def spy(self, C, domain=None):
        if self.training:
            seen.append((round(self.rate, 6), len(domain.unique())))
        return act(self, C, domain)

    monkeypatch.setattr(DomainNorm, "forward", spy)
    decoder_of(parts[0], "model.train.batch_size=12", "model.encoder.domains_per_batch=4", epochs=13).fit(parts[0])
    rates = [rate for rate, _ in seen]
    assert len(set(rates)) == 3 and rates[0] == 1 and rates[-1] == 0.25 and sorted(rates, reverse=True) == rates
    # two people of two sessions are left to learn from, each with a quarter of every batch
    assert {domains for _, domains in seen} == {4}


def test_a_stranger_is_understood_by_what_came_before(fitted, parts):
    yhat = fitted.predict(parts[1].blind())
    assert accuracy(yhat, parts[1]) > 0.8
    assert fitted.aligner.access == "online" and not fitted.aligner.target, "predicting leaves no trace"


def test_the_future_plays_no_part(fitted, parts):
    target = parts[1]
    whole = fitted.predict(target.blind())
    late = np.array(target.X)
    late[10:] *= 3
    changed = type(target).from_arrays(
        late, target.meta["event"], sfreq=128.0, subject=target.meta["subject"], session=target.meta["session"], ch_names=target.space.names
    )
    got = fitted.predict(changed.blind())
    assert np.allclose(got[:10], whole[:10], atol=1e-6) and not np.allclose(got[10:], whole[10:], atol=1e-3)


def test_a_person_s_gain_and_mixing_play_no_part_once_known(parts):
    """Statistics of the target's own, from rows without labels, undo a linear change of the latent."""
    source, target = parts
    decoder = decoder_of(source, "align.access=all", "align.hold=0", "align.prior=0").fit(source)
    plain = decoder.align(target.blind()).predict(target.blind())
    decoder.aligner.forget()
    louder = type(target).from_arrays(
        4 * np.array(target.X), target.meta["event"], sfreq=128.0, subject=target.meta["subject"], session=target.meta["session"],
        ch_names=target.space.names,
    )  # fmt: skip
    assert np.allclose(decoder.align(louder.blind()).predict(louder.blind()), plain, atol=1e-4)
    decoder.aligner = NoAlign()
    assert not np.allclose(decoder.predict(louder.blind()), decoder.predict(target.blind()), atol=1e-2)


def test_unlabelled_rows_must_be_seen_before_they_serve(fitted, parts):
    source, target = parts
    decoder = decoder_of(source, "align.access=calibration", epochs=1).fit(source)
    with pytest.raises(SentenceError, match=r"none were seen of .* S4"):
        decoder.predict(target.blind())


def test_calibration_goes_on_with_the_target(parts):
    source, target = parts
    decoder = decoder_of(source, "model.train.calibrate_epochs=2", epochs=2).fit(source)
    first = (target.meta["session"] == "0").to_numpy()
    before = decoder.encoder.state()["temporal"]
    decoder.calibrate(target[first])
    assert not np.array_equal(decoder.encoder.state()["temporal"], before)
    assert len(decoder.aligner.target) == 1
    assert np.isfinite(decoder.predict(target[~first].blind())).all()


def test_updates_are_remembered(fitted, parts, tmp_path):
    target = parts[1]
    whole = fitted.predict(target.blind())
    fitted.save(tmp_path / "model")
    decoder = Decoder.load(tmp_path / "model")
    decoder.update(target[:12].blind())
    assert np.allclose(decoder.predict(target[12:].blind()), whole[12:], atol=1e-6)
    decoder.save(tmp_path / "later")
    assert np.array_equal(Decoder.load(tmp_path / "later").predict(target.blind()), decoder.predict(target.blind()))
    assert decoder.encode(target.blind()).shape == (len(target), 210)


def test_another_network_has_no_place_for_it(parts):
    cfg = compose(["model=eegnet", "align=spd_batchnorm", "trainer=cpu"])
    recipe = Recipe("eegnet", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], parts[0].space, parts[0].n_times, ("a", "b"))
    with pytest.raises(SentenceError, match="EEGNet has no place for it: use model=tsmnet"):
        recipe(0)
