"""How a network is trained: the numbers of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from corticode.errors import SentenceError
from corticode.state import Stateful

OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "constant")

# Networks that are trained at once where nobody says how many.
_PLACES = {"gpu": 16}


@dataclass(frozen=True)
class Training(Stateful):
    """Settings of one training.

    Parameters
    ----------
    max_epochs, min_epochs : int
    batch_size : int
        Windows per step, over all devices together.
    optimizer : str
        'adamw' (decay apart from the gradient), or 'adam' (decay as a penalty in the gradient, as papers before 2018 have it).
    lr : float
        Highest learning rate, reached after `warmup_epochs`.
    beta1, beta2 : float
        How long the optimiser remembers gradients and their squares.
    weight_decay : float
        Not applied to biases, norms and single vectors.
    schedule : str
        After the warm-up: 'cosine' falls to 0 at the last of `max_epochs`, 'constant' stays.
    warmup_epochs : float
    ema_decay : float or None
        Answer by an exponential moving average of the weights, which moves by 1 - ema_decay at each step (faster in the first
        steps): it is the average that is judged on held-back rows, and kept.
    average_from : float or None
        Stochastic weight averaging: the mean of the weights at the end of each epoch from this share of `max_epochs` on is
        what is kept, in place of the best epoch; batch statistics are taken anew from the fit rows. Training goes to the last epoch.
    patience : int
        Epochs without a better `monitor` before training stops.
    monitor : str
        'val_loss', 'val_accuracy', or another entry of the objective with 'val_' before it.
    validation : float
        Share of the fit rows held back by person, session or time; 0 trains on all rows to the last epoch.
    second_stage_epochs : int
        "Train, then add validation" (FBCNet): go on from the best epoch with the held-back rows among the others, until their loss
        has fallen to the training loss of that epoch, for so many epochs at most. That loss is the mean over the epoch's steps, since
        no row is read again to be scored; the optimiser is new, at the rate of that epoch (proposed). 0: the best epoch stays.
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
    optimizer: str = "adamw"
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup_epochs: float = 5.0
    ema_decay: float | None = None
    average_from: float | None = None
    patience: int = 20
    monitor: str = "val_loss"
    validation: float = 0.2
    second_stage_epochs: int = 0
    gradient_clip: float | None = 1.0
    calibrate_epochs: int = 20
    calibrate_lr: float = 1e-4

    def __post_init__(self):
        counts = {"max_epochs": 1, "min_epochs": 0, "batch_size": 1, "patience": 1, "second_stage_epochs": 0, "calibrate_epochs": 0}
        for name, least in counts.items():
            if getattr(self, name) < least:
                raise SentenceError(f"train.{name}={getattr(self, name)} is too small: {least} or more")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise SentenceError(f"train.{name}={getattr(self, name)} is unknown: pick {' or '.join(known)}")
        if not self.lr > 0 or not self.calibrate_lr > 0:
            raise SentenceError(f"train.lr={self.lr} and train.calibrate_lr={self.calibrate_lr} must be above 0")
        for name in ("beta1", "beta2", "validation", "ema_decay", "average_from"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise SentenceError(f"train.{name}={value} is a share: 0 or more and below 1")
        if not self.monitor.startswith("val_"):
            raise SentenceError(f"train.monitor={self.monitor} must be measured on held-back rows: val_loss or val_accuracy")
        self._check_what_is_kept()

    def _check_what_is_kept(self) -> None:
        if self.average_from is not None and self.ema_decay is not None:
            raise SentenceError("train.ema_decay= and train.average_from= are two averages of the weights: set one of them to null")
        if self.second_stage_epochs and self.average_from is not None:
            raise SentenceError(
                "train.second_stage_epochs= goes on from the best epoch, and train.average_from= keeps a mean over epochs in its place: "
                "set one of them to 0 or null"
            )
        if self.second_stage_epochs and not self.validation:
            raise SentenceError(
                "train.second_stage_epochs= adds the rows that were held back, and train.validation=0 holds none back: set validation=0.2"
            )

    @property
    def for_calibration(self) -> Training:
        """The same, on few rows: a fixed number of epochs at a low rate, with nothing held back."""
        return replace(
            self, max_epochs=max(1, self.calibrate_epochs), min_epochs=0, lr=self.calibrate_lr, warmup_epochs=0.0,
            ema_decay=None, average_from=None, validation=0.0, second_stage_epochs=0,
        )  # fmt: skip

    @property
    def first_averaged(self) -> int:
        """The first epoch, counted from 1, whose weights enter the mean of `average_from`."""
        return int(self.average_from * self.max_epochs) + 1

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
    together : int or str
        Folds and seeds that are trained at once; 'auto': 16 on a GPU, which a small network leaves idle, and 1 on a CPU.

    Raises
    ------
    SentenceError
        `together` is neither 'auto' nor a number from 1 on.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: str = "auto"
    together: int | str = "auto"

    def __post_init__(self):
        if self.together != "auto" and (not isinstance(self.together, int) or isinstance(self.together, bool) or self.together < 1):
            raise SentenceError(f"trainer.together={self.together}: wanted auto, or how many folds are trained at once (1: one by one)")

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
        return Hardware(accelerator, self.devices, strategy, precision, self.together)

    @property
    def n_places(self) -> int:
        """How many networks are trained at once at most."""
        if self.together != "auto":
            return int(self.together)
        return _PLACES.get(self.resolved().accelerator, 1)

    @property
    def device(self) -> str:
        """Name of the torch device on which one process predicts: the CPU where the GPU it was trained on is not there."""
        import torch

        return "cuda" if self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
