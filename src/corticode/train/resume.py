"""What a training writes down while it runs, and takes back when it goes on.

A module that keeps more from step to step than weights and buffers names those attributes in `remembers`.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from corticode.train.checkpoint import Checkpoint


class Resume(Callback):
    """Writes the state after epochs that are not the last, and takes a saved one back before the first batch.

    Parameters
    ----------
    checkpoint : Checkpoint
    key : str
        Of the training: settings, seed, rows, network.
    saved : dict or None
        What the checkpoint held.
    """

    def __init__(self, checkpoint: Checkpoint, key: str, saved: dict[str, Any] | None = None):
        self.checkpoint, self.key, self.saved, self.written = checkpoint, key, saved, monotonic()

    def on_train_start(self, trainer, learner) -> None:
        """Take back what was saved: after everything else that a start sets, random numbers last."""
        if self.saved is None:
            return
        learner.load_state_dict(self.saved["learner"])
        for module, name, value in _remembered(learner, self.saved["remembered"]):
            setattr(module, name, _moved(value, learner.device))
        learner.optimizers().optimizer.load_state_dict(self.saved["optimizer"])
        learner.lr_schedulers().load_state_dict(self.saved["schedule"])
        trainer.precision_plugin.load_state_dict(self.saved["precision"])
        for callback in trainer.callbacks:
            state = self.saved["callbacks"].get(type(callback).__name__)
            if state is not None:
                callback.load_state_dict(_moved(state, learner.device))
        torch.set_rng_state(self.saved["random"])
        if learner.device.type == "cuda":
            torch.cuda.set_rng_state(self.saved["random_cuda"], learner.device)
        self.saved = None

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Write, unless training ends here, or the last time is not long ago."""
        ends = trainer.should_stop or trainer.current_epoch + 1 >= trainer.max_epochs
        if ends or monotonic() - self.written < self.checkpoint.every_s:
            return
        state = {
            "epoch": trainer.current_epoch + 1,
            "stage": learner.stage,
            "learner": learner.state_dict(),
            "remembered": [value for _, _, value in _remembered(learner)],
            "optimizer": learner.optimizers().optimizer.state_dict(),
            "schedule": learner.lr_schedulers().state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "callbacks": {type(callback).__name__: callback.state_dict() for callback in trainer.callbacks if callback.state_dict()},
            "random": torch.get_rng_state(),
        }
        if learner.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(learner.device)
        self.checkpoint.write(self.key, state)
        self.written = monotonic()


def _remembered(learner: torch.nn.Module, values: list[Any] | None = None) -> list[tuple[torch.nn.Module, str, Any]]:
    """Return (module, attribute, value) of all that modules remember, with other values where they are given."""
    found = [(module, name) for module in learner.modules() for name in getattr(module, "remembers", ())]
    values = [getattr(module, name) for module, name in found] if values is None else values
    return [(module, name, value) for (module, name), value in zip(found, values, strict=True)]


def _moved(state: Any, device: torch.device) -> Any:
    if isinstance(state, torch.Tensor):
        return state.to(device)
    if isinstance(state, list | tuple):
        return [_moved(value, device) for value in state]
    return {name: _moved(value, device) for name, value in state.items()} if isinstance(state, dict) else state
