"""Corticode decodes brain recordings: EEG, MEG, iEEG, fMRI and spikes by one road."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# The face is lazy: `import corticode` costs milliseconds and loads neither torch, lightning nor mne.
_FACE = {
    "run": "experiment",
    "load": "experiment",
    "Windows": "windows",
    "Recording": "recording",
    "Signal": "recording",
    "Space": "space",
    "Decoder": "decoder",
    "Predictions": "predictions",
    "WeightCard": "weights",
    "Fold": "split.base",
    "CorticodeError": "errors",
}
__all__ = ["__version__", *_FACE]


def __getattr__(name: str) -> Any:
    if name in _FACE:
        return getattr(import_module(f"corticode.{_FACE[name]}"), name)
    raise AttributeError(f"module 'corticode' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
