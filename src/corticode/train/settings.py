"""How a network is trained: the numbers of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from corticode.errors import SentenceError
from corticode.state import Stateful


@dataclass(frozen=True)
class Training(Stateful):
    """Settings of one training.

    Parameters
    ----------
    max_epochs, min_epochs : int
    batch_size : int
        Windows per step, over all devices together.
    lr : float
        Highest learning rate of AdamW, reached after `warmup_epochs`, falling to 0 on a cosine.
    weight_decay : float
        Not applied to biases, norms and single vectors.
    warmup_epochs : float
    patience : int
        Epochs without a better `monitor` before training stops.
    monitor : str
        'val_loss', 'val_accuracy', or another entry of the objective with 'val_' before it.
    validation : float
        Share of the fit rows held back by person, session or time; 0 trains on all rows to the last epoch.
    gradient_clip : float or None
        Largest norm of a step's gradient.
    calibrate_epochs : int
        Epochs on the target's labelled windows, all of them, to the last.
    calibrate_lr : float
        Learning rate then.
    """

    max_epochs: int = 100
    min_epochs: int = 1
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 5.0
    patience: int = 20
    monitor: str = "val_loss"
    validation: float = 0.2
    gradient_clip: float | None = 1.0
    calibrate_epochs: int = 20
    calibrate_lr: float = 1e-4

    def __post_init__(self):
        for name, least in (("max_epochs", 1), ("min_epochs", 0), ("batch_size", 1), ("patience", 1), ("calibrate_epochs", 0)):
            if getattr(self, name) < least:
                raise SentenceError(f"train.{name}={getattr(self, name)} is too small: {least} or more")
        if not self.lr > 0 or not self.calibrate_lr > 0:
            raise SentenceError(f"train.lr={self.lr} and train.calibrate_lr={self.calibrate_lr} must be above 0")
        if not 0 <= self.validation < 1:
            raise SentenceError(f"train.validation={self.validation} is a share of the fit rows: 0 or more and below 1")
        if not self.monitor.startswith("val_"):
            raise SentenceError(f"train.monitor={self.monitor} must be measured on held-back rows: val_loss or val_accuracy")

    @property
    def for_calibration(self) -> Training:
        """The same, on few rows: a fixed number of epochs at a low rate, with nothing held back."""
        return replace(
            self, max_epochs=max(1, self.calibrate_epochs), min_epochs=0, lr=self.calibrate_lr, warmup_epochs=0.0, validation=0.0
        )

    def is_better(self, value: float, best: float | None) -> bool:
        """Compare two values of `monitor`: higher is better for an accuracy, lower for all else."""
        if best is None:
            return value == value
        return value > best if self.monitor.endswith("accuracy") else value < best


@dataclass(frozen=True)
class Hardware:
    """Where a network is trained.

    Parameters
    ----------
    accelerator : str
        'auto' (a CUDA GPU where there is one, else the CPU), 'cpu', 'gpu', or another name that Lightning knows.
    devices : int or str
        How many, or 'auto' for all.
    strategy : str
        'auto', or 'ddp': one process per device, started for the fit and ended with it; the weights come back.
    precision : str
        'auto' (bf16-mixed on a GPU that has it, else 32 bits), '32-true', 'bf16-mixed' ...
    """

    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: str = "auto"

    @classmethod
    def of(cls, settings: dict[str, Any] | Hardware | None) -> Hardware:
        """Build from plain settings (the `trainer=` word).

        Raises
        ------
        SentenceError
            A key is unknown.
        """
        if isinstance(settings, cls):
            return settings
        known = list(cls.__dataclass_fields__)
        for key in settings or {}:
            if key not in known:
                raise SentenceError(f"trainer.{key} is unknown: pick from {', '.join(known)}")
        return cls(**(settings or {}))

    def resolved(self) -> Hardware:
        """Return the same with 'auto' settled for this machine.

        Raises
        ------
        SentenceError
            An unknown accelerator, or a GPU is asked for and there is none.
        """
        import torch

        gpu = torch.cuda.is_available()
        accelerator = {"auto": "gpu" if gpu else "cpu", "cuda": "gpu"}.get(self.accelerator, self.accelerator)
        if accelerator not in ("cpu", "gpu", "mps", "tpu"):
            raise SentenceError(f"trainer.accelerator={self.accelerator} is unknown: pick auto, cpu, gpu, mps or tpu")
        if accelerator == "gpu" and not gpu:
            raise SentenceError(f"trainer.accelerator={self.accelerator} needs a CUDA GPU and torch sees none: use trainer=cpu")
        if accelerator == "cpu" and self.devices == "auto":
            raise SentenceError("trainer.devices=auto counts GPUs: say how many processes the CPU shall run, trainer.devices=2")
        precision = self.precision
        if precision == "auto":
            precision = "bf16-mixed" if accelerator == "gpu" and torch.cuda.is_bf16_supported() else "32-true"
        # Lightning's plain 'ddp' runs the whole command again in each process: only the fit may be shared
        strategy = "ddp_spawn" if self.strategy == "ddp" else self.strategy
        return Hardware(accelerator, self.devices, strategy, precision)

    @property
    def device(self) -> str:
        """Name of the torch device on which one process predicts: the CPU where the GPU it was trained on is not there."""
        import torch

        return "cuda" if self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
