"""Learn a classifier by reward: deep Q-learning with replay memory, a target network and an exploring agent.

    state = a window    action = the class that the agent says    reward = +1 where it is right, -1 where it is not
    one window is one step; the next state is the next window of a shuffled pass over the fit rows, which is an episode

    y = r + gamma max_a' Q_target(s', a')   (y = r at the end of an episode)         loss = huber(Q(s, a) - y)

The next window has nothing to do with what was said to this one. What gamma adds to Q is therefore the same for every class: it
changes no answer, and only adds noise while it is learned. With gamma = 0 this is a classifier trained by the error of the
classes that the agent tried. Reward is earned on rows that are met in every episode, by an agent that also guesses: it is no accuracy.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch

from corticode.adapt.agent import LOSSES, RIGHT, WRONG, Agent, Replay, Steps, probabilities
from corticode.adapt.base import Adapt
from corticode.errors import BrokenDataError, SentenceError
from corticode.split.inner import Inner, inner_validation
from corticode.train import infer
from corticode.train.optimizer import optimizer_of, schedule_of
from corticode.train.settings import Hardware, Training


class QLearning(Adapt):
    """Deep Q-network (Mnih et al. 2015) that says one class per window.

    `training` gives what is common to all networks: `max_epochs` is the number of episodes, and with `validation` above 0 the
    best episode on people held out of the fit rows is kept. What the encoder learns by itself (the CSP of `rleegnet`) it learns
    first, from the rows that are trained on. `calibrate` goes on with the target's labelled rows, exploring as at the end.

    Q-values are answers in the unit of the reward. Since their mean error is squared, Q(s, a) estimates 2 p(a | s) - 1 + v, where v is
    the same for every class, and the probabilities are p(a | s) = 1 / K + (Q(s, a) - mean of Q(s)) / 2, cut off at 0; the class with
    the largest Q has the largest probability.

    Parameters
    ----------
    training : Training or None
    gamma : float
        Weight of the next step's value, 0 to below 1.
    n_replay : int
        Steps that are remembered.
    target_every : int
        Steps after which the target network becomes a copy of the network.
    train_every : int
        Steps between two updates; each update draws `train.batch_size` steps from the memory.
    epsilon_start, epsilon_end : float
        Share of random actions in the first step, and from `epsilon_share` of all steps on; an exponential between them.
    epsilon_share : float
    loss : str
        'huber' (squared up to an error of 1) or 'mse'.
    trainer : dict, Hardware or None
        accelerator ...; one device, and full precision.
    logger, augment : None
        There are none of them here.

    Raises
    ------
    SentenceError
        A number out of range, several devices, augmentations, a logger, or averages of weights.

    Source
    ------
    Mnih et al. 2015, Nature 518; as a way to classify windows: Nallani and Ramachandran 2024, arXiv 2402.09465, whose numbers
    (all of those above) are not known: they are proposed.
    """

    deterministic = False
    trains = True

    def __init__(
        self,
        training: Training | None = None,
        gamma: float = 0.9,
        n_replay: int = 10_000,
        target_every: int = 500,
        train_every: int = 16,
        epsilon_start: float = 1.0,
        epsilon_end: float = 0.05,
        epsilon_share: float = 0.3,
        loss: str = "huber",
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        augment: Any = None,
    ):
        self.training, self.trainer, self.logger, self.augment = training or Training(), trainer, None, None
        self.gamma, self.n_replay, self.loss = float(gamma), int(n_replay), loss
        self.target_every, self.train_every = int(target_every), int(train_every)
        self.epsilon_start, self.epsilon_end, self.epsilon_share = float(epsilon_start), float(epsilon_end), float(epsilon_share)
        self._check_numbers()
        if (logger or {}).get("kind"):
            raise SentenceError("adapt=q_learning writes its curves into history.csv alone: use logger=none")
        if augment:
            raise SentenceError("adapt=q_learning rewards answers to windows as they were recorded: use augment=none, or adapt=full")
        if Hardware.of(trainer).devices not in (1, "auto"):
            raise SentenceError(
                f"adapt=q_learning learns on one device, not on trainer.devices={Hardware.of(trainer).devices}: use trainer.devices=1"
            )
        settings = self.training
        if settings.ema_decay is not None or settings.average_from is not None or settings.second_stage_epochs:
            raise SentenceError(
                "adapt=q_learning keeps the last or the best episode: set train.ema_decay=null train.average_from=null train.second_stage_epochs=0"
            )

    def _check_numbers(self) -> None:
        for name in ("n_replay", "target_every", "train_every"):
            if getattr(self, name) < 1:
                raise SentenceError(f"adapt.{name}={getattr(self, name)} is too small: take 1 or more")
        if not 0 <= self.gamma < 1:
            raise SentenceError(f"adapt.gamma={self.gamma}: take 0 or more and less than 1, or values grow without end")
        for name in ("epsilon_start", "epsilon_end", "epsilon_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SentenceError(f"adapt.{name}={getattr(self, name)} is a share: take 0 to 1")
        if self.loss not in LOSSES:
            raise SentenceError(f"adapt.loss={self.loss} is unknown: pick one of {', '.join(LOSSES)}")

    def check(self, encoder, head):
        """Refuse parts without gradients, a head that answers with a number, and networks that learn domain by domain.

        Raises
        ------
        SentenceError
        """
        for word, part in (("encoder", encoder), ("head", head)):
            if not part.neural:
                raise SentenceError(f"adapt=q_learning trains by gradients, and {word} {type(part).__name__} has none: use adapt=probe")
        if head.kind != "probability":
            raise SentenceError("adapt=q_learning rewards the right class, and this task asks for a number: use adapt=full")
        if encoder.domains_per_batch:
            raise SentenceError(
                f"adapt=q_learning draws steps without regard to people, and {type(encoder).__name__} learns domain by domain: use adapt=full"
            )

    def epsilon(self, step: np.ndarray, n_steps: int) -> np.ndarray:
        """Return the share of random actions at each of `n_steps` steps, which count from 0."""
        done = np.minimum(1.0, np.asarray(step) / max(1.0, self.epsilon_share * n_steps))
        if self.epsilon_end == 0 or self.epsilon_start == 0:  # no exponential comes from or to nothing: a line
            return self.epsilon_start + (self.epsilon_end - self.epsilon_start) * done
        return self.epsilon_start * (self.epsilon_end / self.epsilon_start) ** done

    # -- the verbs ----------------------------------------------------------------------------------------------

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Learn what the encoder learns by itself, then play; see `Adapt.fit` for the notes.

        Raises
        ------
        SentenceError
            The windows are not those the network was built for.
        BrokenDataError
            The loss is no longer a number.
        """
        encoder.check_input(np.shape(F))
        y = np.asarray(y)
        inner = inner_validation(meta, y, self.training.validation, seed, max(length_s, np.shape(F)[-1] / space.sfreq))
        mine = slice(None) if len(inner.fit) == len(F) else inner.fit
        encoder.fit(F[mine], y[mine], meta.iloc[mine])
        return self._play(encoder, head, F, y, space, inner, self.training, seed)

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Go on for `train.calibrate_epochs` episodes of F; filters and other statistics stay those of the source."""
        if not self.training.calibrate_epochs or not len(F):
            return {}
        calm = copy.copy(self)
        calm.epsilon_start = self.epsilon_end
        everything = Inner(np.arange(len(F)), np.arange(0), "nothing")
        return calm._play(encoder, head, F, np.asarray(y), space, everything, self.training.for_calibration, seed)

    def predict(self, encoder, head, F, meta, space):
        """Return the probabilities that belong to the Q-values."""
        # the softmax is undone up to what is the same for every class, which probabilities do not need
        logits = np.log(np.maximum(infer.predict(encoder, head, F, space, device=Hardware.of(self.trainer).device), 1e-300))
        return probabilities(logits)

    def _play(self, encoder, head, F, y, space, inner: Inner, training: Training, seed: int) -> dict[str, Any]:
        """Play all episodes with these settings and return the notes."""
        device = Hardware.of(self.trainer).resolved().device
        with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
            torch.manual_seed(seed)
            agent = Agent(encoder.to(device), head.to(device), F, y, space, self.gamma, self.loss, device)
            try:
                history, best = self._episodes(agent, inner, training, np.random.default_rng([seed, len(inner.fit)]))
            finally:
                for module in (encoder, head):
                    module.cpu().eval()
        held = f"inner validation: {inner.held}, best {training.monitor} at episode {best} of {len(history)}"
        return {
            "selection": held if len(inner.validation) else f"last episode of {len(history)}, no inner validation",
            "history": history,
            "best_epoch": best,
            "n_parameters": encoder.n_parameters + head.n_parameters,
            "precision": "32-true",
            "gamma": self.gamma,
            "n_updates": agent.n_updates,
        }

    def _episodes(self, agent: Agent, inner: Inner, training: Training, random: np.random.Generator) -> tuple[list[dict[str, Any]], int]:
        """Play until the last episode, or until none has been better for `patience`; return the history and the episode that is kept."""
        n_updates = training.max_epochs * -(-len(inner.fit) // self.train_every)
        optimizer = optimizer_of((agent.encoder, agent.head), training)
        schedule = schedule_of(optimizer, training, n_updates)
        memory, history, best, kept = Replay(self.n_replay), [], None, None
        for episode in range(1, training.max_epochs + 1):
            agent.encoder.begin_epoch(episode, training.max_epochs)
            line = {"epoch": episode, "lr": optimizer.param_groups[0]["lr"]}
            line |= self._episode(agent, memory, inner.fit, training, optimizer, schedule, random, episode)
            if not math.isfinite(line["train_loss"]):
                raise BrokenDataError(
                    f"training diverged: the loss of episode {episode} is {line['train_loss']}: lower model.train.lr=, or look for windows "
                    "of extreme amplitude"
                )
            history.append(line)
            if not len(inner.validation):
                continue
            line |= agent.judged(inner.validation)
            if training.is_better(_monitored(line, training.monitor), best):
                best, kept = line[training.monitor], (episode, copy.deepcopy(agent.online.state_dict()))
            elif episode - (kept[0] if kept else 0) >= training.patience and episode >= training.min_epochs:
                break
        if kept is None:
            return history, len(history)
        agent.online.load_state_dict(kept[1])
        return history, kept[0]

    def _episode(self, agent, memory, rows, training, optimizer, schedule, random, episode) -> dict[str, float]:
        """Say a class for each row, once and in random order, and learn on the way; return the means of the episode."""
        order = random.permutation(rows)
        n, step, reward, losses = len(order), (episode - 1) * len(order), 0.0, []
        for first in range(0, n, self.train_every):
            # between two updates the network stays, so that what would be said step by step is said at once
            place = np.arange(first, min(first + self.train_every, n))
            epsilon = self.epsilon(step + place, training.max_epochs * n)
            action = agent.act(order[place], epsilon, random)
            earned = np.where(action == agent.y[order[place]], RIGHT, WRONG)
            memory.add(Steps(order[place], action, earned, order[np.minimum(place + 1, n - 1)], place == n - 1))
            reward += float(earned.sum())
            if len(memory) >= min(training.batch_size, n):
                losses.append(agent.learn(memory.draw(training.batch_size, random), optimizer, schedule, training.gradient_clip))
            if (step + place[-1] + 1) // self.target_every > (step + first) // self.target_every:
                agent.catch_up()
        return {
            "train_loss": float(torch.stack(losses).mean()) if losses else 0.0,
            "train_reward": reward / n,
            "epsilon": float(epsilon[-1]),
        }


def _monitored(line: dict[str, float], name: str) -> float:
    if name not in line:
        raise SentenceError(f"train.monitor={name} is not measured here: pick val_loss, val_accuracy")
    return line[name]
