"""adapt=q_learning: the arithmetic of its targets, its memory, and what it learns from which rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from corticode.adapt.agent import Agent, Replay, Steps, probabilities, targets
from corticode.adapt.q_learning import QLearning
from corticode.augment.base import Chain
from corticode.augment.sign_flip import SignFlip
from corticode.encoder.base import Encoder
from corticode.encoder.rleegnet import RLEEGNet
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.linear import Linear
from corticode.train.settings import Training

RECIPE = {
    "max_epochs": 12,
    "batch_size": 32,
    "optimizer": "adam",
    "schedule": "constant",
    "warmup_epochs": 0,
    "weight_decay": 0.0,
    "validation": 0.0,
}


def q_learning(gamma=0.9, train_every=8, **settings):
    return QLearning(
        Training(**{**RECIPE, **settings}), gamma=gamma, train_every=train_every, target_every=100, trainer={"accelerator": "cpu"}
    )


def parts(n_outputs=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = RLEEGNet(6, 128, 128.0, n_outputs, n_filters=16, n_mixed=16, n_hidden=16)
        return encoder, Linear(encoder.n_features, n_outputs, encoder.n_tokens, pool="flatten")


@pytest.fixture
def rows(windows):
    return np.asarray(windows.X), (windows.meta["event"] == "right_hand").to_numpy().astype(int), windows.meta, windows.space


def steps(n=12, n_outputs=2):
    random = np.random.default_rng(0)
    action = random.integers(n_outputs, size=n)
    reward = random.choice([-1.0, 1.0], n).astype(np.float32)
    return Steps(np.arange(n), action, reward, np.arange(n)[::-1].copy(), np.arange(n) == n - 1)


# -- what Q shall be --


def test_a_target_is_the_reward_and_the_best_of_what_follows():
    reward, ended = torch.tensor([1.0, -1.0, 1.0]), torch.tensor([False, False, True])
    following = torch.tensor([[0.5, 2.0], [-3.0, -1.0], [7.0, 9.0]])
    assert torch.allclose(targets(reward, following, ended, 0.9), torch.tensor([1 + 0.9 * 2.0, -1 - 0.9 * 1.0, 1.0]))
    assert torch.equal(targets(reward, following, ended, 0.0), reward)


def test_without_gamma_it_is_a_classifier_by_the_squared_error_of_the_chosen_classes(rows):
    X, y, _, space = rows
    encoder, head = parts()
    agent, played = Agent(encoder, head, X, y, space, 0.0, "mse", "cpu"), steps()
    learned = [*encoder.parameters(), *head.parameters()]
    got = torch.autograd.grad(agent.loss(played), learned)
    q = head(encoder(torch.from_numpy(X[played.row]).float()))
    chosen = functional.one_hot(torch.from_numpy(played.action), 2).bool()
    wanted = torch.autograd.grad(((q[chosen] - torch.from_numpy(played.reward)) ** 2).mean(), learned)
    assert agent.target is None and all(torch.allclose(a, b, atol=1e-7) for a, b in zip(got, wanted, strict=True))


def test_the_next_state_is_valued_by_the_target_network_which_stays_until_it_catches_up(rows):
    X, y, _, space = rows
    encoder, head = parts()
    agent, played = Agent(encoder, head, X, y, space, 0.5, "mse", "cpu"), steps()

    def expected(network):
        with torch.no_grad():
            said = agent.values(played.row, agent.online)[torch.arange(12), torch.from_numpy(played.action)]
            best = agent.values(played.next_row, network).max(dim=1).values * torch.from_numpy(~played.ended)
            return ((said - torch.from_numpy(played.reward) - 0.5 * best) ** 2).mean()

    with torch.no_grad():
        head.layer.bias += 1.0
    assert torch.allclose(agent.loss(played), expected(agent.target)) and not torch.allclose(agent.loss(played), expected(agent.online))
    agent.catch_up()
    assert torch.allclose(agent.loss(played), expected(agent.online))


def test_probabilities_are_those_of_which_q_is_the_expected_reward():
    p = np.array([[0.7, 0.2, 0.1], [0.4, 0.3, 0.3]])
    assert np.allclose(probabilities(2 * p - 1), p)
    assert np.allclose(probabilities(2 * p - 1 + 5.3), p), "what gamma adds is the same for every class"
    wild = probabilities(np.array([[9.0, 9.5, -9.0]]))
    assert wild.argmax() == 1 and np.isclose(wild.sum(), 1) and (wild > 0).all()


# -- memory and chance --


def test_memory_keeps_the_last_steps():
    memory = Replay(5)
    for i in range(0, 8, 2):
        memory.add(Steps(np.array([i, i + 1]), np.zeros(2, int), np.ones(2), np.zeros(2, int), np.zeros(2, bool)))
    assert len(memory) == 5
    assert set(memory.draw(200, np.random.default_rng(0)).row) == {3, 4, 5, 6, 7}


def test_exploring_falls_on_an_exponential_and_stays():
    adapt = QLearning(epsilon_start=1.0, epsilon_end=0.01, epsilon_share=0.5)
    assert np.allclose(adapt.epsilon(np.array([0, 250, 500, 999]), 1000), [1.0, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("epsilon,share", [(0.0, 0.0), (1.0, 0.5)])
def test_an_agent_guesses_as_often_as_epsilon_says(rows, epsilon, share):
    X, y, _, space = rows
    encoder, head = parts()
    agent, every = Agent(encoder, head, X, y, space, 0.0, "mse", "cpu"), np.arange(96)
    greedy = agent.act(every, np.zeros(96), np.random.default_rng(0))
    differs = np.mean([agent.act(every, np.full(96, epsilon), np.random.default_rng(i)) != greedy for i in range(20)])
    assert abs(differs - share) < 0.05


# -- what is learned --


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_it_learns_people_it_was_not_shown(rows, gamma):
    X, y, meta, space = rows
    test = (meta.subject == "S4").to_numpy()
    encoder, head = parts()
    adapt = q_learning(gamma)
    notes = adapt.fit(encoder, head, X[~test], y[~test], meta[~test].reset_index(drop=True), space, 2, 0)
    yhat = adapt.predict(encoder, head, X[test], meta[test], space)
    assert np.allclose(yhat.sum(1), 1) and (yhat.argmax(1) == y[test]).mean() >= 0.8
    history = notes["history"]
    assert (
        len(history) == 12 and history[-1]["train_reward"] > history[0]["train_reward"] and history[0]["epsilon"] > history[-1]["epsilon"]
    )
    assert notes["selection"] == "last episode of 12, no inner validation" and notes["gamma"] == gamma
    # 72 rows, 8 at a time, from the moment on at which 32 steps are remembered
    assert notes["n_updates"] == 12 * 9 - 3


def test_the_same_seed_gives_the_same_bits_and_leaves_the_random_state(rows):
    X, y, meta, space = rows
    states = []
    for seed in (0, 0, 1):
        encoder, head = parts()
        torch.manual_seed(5)
        before = torch.get_rng_state()
        q_learning(max_epochs=2).fit(encoder, head, X, y, meta, space, 2, seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append({**encoder.state(), **head.state()})
    assert all(np.array_equal(states[0][k], states[1][k]) for k in states[0])
    assert not np.array_equal(states[0]["layer.weight"], states[2]["layer.weight"])


def test_held_back_rows_have_no_part_in_filters_or_weights(rows):
    X, y, meta, space = rows
    adapt = q_learning(max_epochs=2, validation=0.25, patience=9, monitor="val_accuracy")
    states, notes = [], []
    for spoilt in (False, True):
        from corticode.split.inner import inner_validation

        held = inner_validation(meta, y, 0.25, 0, 1.0).validation
        changed = X.copy()
        changed[held] *= 7.0 if spoilt else 1.0
        encoder, head = parts()
        notes.append(adapt.fit(encoder, head, changed, y, meta, space, 2, 0))
        states.append(encoder.state())
    assert len(held) == 24 and np.array_equal(states[0]["spatial"], states[1]["spatial"])
    assert [line["train_loss"] for line in notes[0]["history"]] == [line["train_loss"] for line in notes[1]["history"]]
    assert "1 of 4 people" in notes[0]["selection"] and notes[0]["history"][-1]["val_loss"] != notes[1]["history"][-1]["val_loss"]


def test_the_best_episode_is_kept(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    adapt = q_learning(max_epochs=6, validation=0.25)
    notes = adapt.fit(encoder, head, X, y, meta, space, 2, 0)
    losses = [line["val_loss"] for line in notes["history"]]
    assert notes["best_epoch"] == 1 + int(np.argmin(losses))
    from corticode.split.inner import inner_validation

    held = inner_validation(meta, y, 0.25, 0, 1.0).validation
    p = adapt.predict(encoder, head, X[held], meta.iloc[held], space)
    assert np.isclose(-np.log(p[np.arange(len(held)), y[held]]).mean(), min(losses), atol=1e-4)


def test_calibration_moves_the_weights_and_not_the_filters(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    adapt = q_learning(max_epochs=2, calibrate_epochs=10, calibrate_lr=3e-3)
    adapt.fit(encoder, head, X, y, meta, space, 2, 0)
    few, before = slice(0, 8), encoder.state()
    first = adapt.predict(encoder, head, X[few], meta[few], space)
    notes = adapt.calibrate(encoder, head, X[few], 1 - y[few], meta[few], space, 2, 0)
    after = adapt.predict(encoder, head, X[few], meta[few], space)
    swapped = 1 - y[few]
    assert after[np.arange(8), swapped].mean() > first[np.arange(8), swapped].mean()
    assert np.array_equal(before["spatial"], encoder.state()["spatial"])
    assert notes["history"][0]["epsilon"] == pytest.approx(0.05) and adapt.epsilon_start == 1.0
    assert adapt.calibrate(encoder, head, X[:0], y[:0], meta[:0], space, 2, 0) == {}


def test_what_cannot_work_is_refused(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    with pytest.raises(SentenceError, match="encoder Encoder has none"):
        q_learning().check(Encoder(), head)
    with pytest.raises(SentenceError, match="asks for a number: use adapt=full"):
        q_learning().check(encoder, Linear(16, 1, kind="value"))
    with pytest.raises(SentenceError, match=r"adapt\.gamma=1"):
        q_learning(gamma=1.0)
    with pytest.raises(SentenceError, match=r"trainer\.devices=1"):
        QLearning(trainer={"devices": 2})
    with pytest.raises(SentenceError, match="use augment=none"):
        QLearning(augment=Chain(flip=SignFlip(probability=0.5)))
    with pytest.raises(SentenceError, match="use logger=none"):
        QLearning(logger={"kind": "csv", "folder": "."})
    with pytest.raises(SentenceError, match="ema_decay=null"):
        q_learning(ema_decay=0.9)
    with pytest.raises(SentenceError, match="val_f1 is not measured"):
        q_learning(monitor="val_f1", validation=0.25).fit(encoder, head, X, y, meta, space, 2, 0)
    with pytest.raises(BrokenDataError, match="loss of episode 1 is"):
        q_learning(max_epochs=3, lr=1e30).fit(encoder, head, X, y, meta, space, 2, 0)
