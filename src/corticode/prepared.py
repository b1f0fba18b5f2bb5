"""From a configuration, or from one's own arrays, to prepared windows; and where they are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corticode import catalogue
from corticode.errors import SentenceError
from corticode.windows import Windows


def home(cfg: Mapping[str, Any]) -> Path:
    """Return the folder of data and stores: paths.data, else data/ in a checkout, else the platform's user-data folder."""
    chosen = cfg["paths"].get("data") or os.environ.get("CORTICODE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    checkout = catalogue.conf_folder().parent
    if (checkout / "train.py").is_file():
        return checkout / "data"
    import platformdirs

    return Path(platformdirs.user_data_dir("corticode", appauthor=False))


def prepared(cfg: Mapping[str, Any], data: Any = None, n_jobs: int = 1, show: Any = None) -> Windows:
    """Return the prepared windows of `cfg.data`, or of one's own data, from the cache when it has them."""
    if data is not None and not isinstance(data, str):
        windows = own_windows(data)
        # workers open windows by path
        return windows if windows.is_kept else windows.keep(home(cfg) / "prepared")
    from corticode.prepare.cache import windows_of

    dataset = catalogue.make(cfg["data"])
    dataset.home = home(cfg)
    prepare = catalogue.make(cfg["prepare"])
    # steps that are off leave the key alone
    code = catalogue.code_of([{"_target_": cfg["data"]["_target_"]}, *({"_target_": step["class"]} for step in prepare.describe())])
    recordings = list(dataset.recordings())
    dataset.check_distinct(recordings, home(cfg) / "prepared" / "digests")
    windows = windows_of(recordings, prepare, home(cfg) / "prepared", code, dataset.classes, n_jobs, show)
    windows.info["notes"] = [*dataset.notes, *windows.info.get("notes", [])]
    return windows


def own_windows(data: Any) -> Windows:
    """Return one's own data as Windows."""
    if isinstance(data, Windows):
        return data
    if hasattr(data, "get_data") and hasattr(data, "event_id"):
        return Windows.from_epochs(data)
    if not isinstance(data, tuple):
        raise SentenceError(f"data is a {type(data).__name__}: give a name, mne.Epochs, (X, y, meta) or corticode.Windows")
    if len(data) != 3 or "sfreq" not in getattr(data[2], "columns", []):
        raise SentenceError(
            "a tuple of data is (X, y, meta) with a column `sfreq` in meta; else give "
            "corticode.Windows.from_arrays(X, y, sfreq=..., subject=..., ch_names=...)"
        )
    X, y, meta = data
    return Windows.from_arrays(X, y, sfreq=float(meta["sfreq"].iloc[0]), meta=meta.drop(columns="sfreq"))
