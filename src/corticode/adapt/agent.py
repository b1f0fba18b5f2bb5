"""The agent of deep Q-learning: it says a class for each window, remembers what that earned, and learns from memory."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import evaluating

RIGHT, WRONG = 1.0, -1.0
LOSSES = {"huber": functional.huber_loss, "mse": functional.mse_loss}
_VALIDATION_BATCH = 256


def targets(reward: torch.Tensor, following: torch.Tensor | None, ended: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return what Q(s, a) shall be, [b]: the reward, and gamma times the largest Q of the next state where there is one.

    Parameters
    ----------
    reward : float tensor [b]
    following : float tensor [b, n_outputs] or None
        Q of the next state by the target network; of no use where gamma is 0.
    ended : bool tensor [b]
        The step was the last of its episode.
    gamma : float
    """
    if following is None or gamma == 0:
        return reward
    return reward + gamma * following.max(dim=1).values * ~ended


def probabilities(q: np.ndarray) -> np.ndarray:
    """Return p [n, k] of Q-values [n, k] for rewards of +1 and -1; a number added to all Q of a row changes nothing."""
    q = np.asarray(q, dtype=np.float64)
    p = 1 / q.shape[1] + (q - q.mean(axis=1, keepdims=True)) / (RIGHT - WRONG)
    p = np.maximum(p, 1e-6)
    return p / p.sum(axis=1, keepdims=True)


class Steps(NamedTuple):
    """Steps [b] of the agent; windows are named by their rows, so that none is kept twice."""

    row: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_row: np.ndarray
    ended: np.ndarray


class Replay:
    """The last steps of the agent.

    Parameters
    ----------
    capacity : int
    """

    def __init__(self, capacity: int):
        self.capacity, self._n = int(capacity), 0
        kinds = Steps(row=np.int64, action=np.int64, reward=np.float32, next_row=np.int64, ended=bool)
        self._steps = Steps(*(np.zeros(self.capacity, dtype=kind) for kind in kinds))

    def __len__(self) -> int:
        """How many steps are remembered."""
        return min(self._n, self.capacity)

    def add(self, steps: Steps) -> None:
        """Remember steps in their order; the oldest give way."""
        place = (self._n + np.arange(len(steps.row))) % self.capacity
        for kept, new in zip(self._steps, steps, strict=True):
            kept[place] = new
        self._n += len(place)

    def draw(self, n: int, random: np.random.Generator) -> Steps:
        """Return n remembered steps, each drawn from all."""
        which = random.integers(len(self), size=n)
        return Steps(*(kept[which] for kept in self._steps))


class Agent:
    """A network that says classes, the copy of it that values the next state, and the windows they speak of.

    Parameters
    ----------
    encoder, head : NeuralEncoder, NeuralHead
        On `device`; they learn in place.
    F : array [n, channels, times]
    y : int array [n]
    space : Space
    gamma : float
    loss : str
    device : str
    """

    def __init__(self, encoder: Any, head: Any, F: np.ndarray, y: np.ndarray, space: Any, gamma: float, loss: str, device: str):
        self.encoder, self.head, self.F, self.y, self.space = encoder, head, F, y, space
        self.gamma, self.compare, self.device, self.n_updates = gamma, LOSSES[loss], device, 0
        self.online = nn.ModuleList([encoder, head])
        self.target = copy.deepcopy(self.online).eval() if gamma else None

    def values(self, rows: np.ndarray, network: nn.ModuleList) -> torch.Tensor:
        """Return Q [b, n_outputs] of windows."""
        encoder, head = network
        x = torch.from_numpy(np.array(self.F[rows], dtype=np.float32)).to(self.device)
        return head(encoder(x, self.space))

    def act(self, rows: np.ndarray, epsilon: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return a class for each row: a random one with probability epsilon [b], else that of the largest Q."""
        explores = random.random(len(rows)) < epsilon
        with evaluating(self.encoder, self.head):
            greedy = self.values(rows, self.online)
        guess = random.integers(greedy.shape[1], size=len(rows))
        return np.where(explores, guess, greedy.argmax(dim=1).cpu().numpy())

    def loss(self, steps: Steps) -> torch.Tensor:
        """Return the loss of remembered steps, in training mode."""
        reward, ended, action = (torch.from_numpy(a).to(self.device) for a in (steps.reward, steps.ended, steps.action))
        following = None
        if self.target is not None:
            with torch.no_grad():
                following = self.values(steps.next_row, self.target)
        self.online.train()
        said = self.values(steps.row, self.online).gather(1, action[:, None])[:, 0]
        return self.compare(said, targets(reward, following, ended, self.gamma))

    def learn(self, steps: Steps, optimizer: Any, schedule: Any, gradient_clip: float | None) -> torch.Tensor:
        """Make one step of the optimiser and return its loss."""
        loss = self.loss(steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.online.parameters(), gradient_clip)
        optimizer.step()
        schedule.step()
        self.n_updates += 1
        return loss.detach()

    def catch_up(self) -> None:
        """Make the target network a copy of the network as it is now."""
        if self.target is not None:
            self.target.load_state_dict(self.online.state_dict())

    def judged(self, rows: np.ndarray) -> dict[str, float]:
        """Return log loss and accuracy of the greedy answers to held-back rows."""
        with evaluating(self.encoder, self.head):
            parts = [self.values(rows[i : i + _VALIDATION_BATCH], self.online).cpu() for i in range(0, len(rows), _VALIDATION_BATCH)]
        p, y = probabilities(torch.cat(parts).double().numpy()), self.y[rows]
        return {"val_loss": float(-np.log(p[np.arange(len(y)), y]).mean()), "val_accuracy": float((p.argmax(axis=1) == y).mean())}
