"""Configurations from words: what Hydra composes, as plain dictionaries."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corticode import catalogue
from corticode.errors import CorticodeError, SentenceError


def compose(overrides: Sequence[str], config_dir: str | Path | None = None) -> dict[str, Any]:
    """Return the resolved configuration of these overrides.

    Raises
    ------
    SentenceError
        An unknown word, entry or key: with near names.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    GlobalHydra.instance().clear()
    if config_dir is not None:
        overrides = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]", *overrides]
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(catalogue.conf_folder())):
            cfg = hydra_compose(config_name="config", overrides=list(overrides), return_hydra_config=True)
            return resolved(cfg, cfg.hydra.runtime.choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise explained(error) from error
    finally:
        GlobalHydra.instance().clear()


def resolved(cfg: Any, choices: Any) -> dict[str, Any]:
    """Return plain values, with the chosen entries under `choices` (aliases replaced by what they stand for).

    Raises
    ------
    SentenceError
        A word lost its entry: `model=[a,b]` merges two recipes into nonsense.
    """
    from omegaconf import OmegaConf

    runtime = OmegaConf.to_container(choices)
    for word in ("data", "task", "prepare", "split", "model", "augment", "adapt", "align", "engine", "trainer"):
        if not isinstance(runtime.get(word), str):
            raise SentenceError(
                f"{word}= takes one entry here: to compare several, sweep with `-m {word}=a,b`, or give corticode.run a dict of models"
            )
    plain: dict[str, Any] = {}
    for key in cfg:
        if key != "hydra":
            node = cfg._get_node(key)
            plain[str(key)] = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else cfg[key]
    plain["choices"] = {
        word: catalogue.canonical_name(word, str(entry)) for word, entry in runtime.items() if word in catalogue.WORDS and entry is not None
    }
    return plain


def explained(error: Exception) -> CorticodeError:
    """Turn Hydra's and OmegaConf's composition errors into one sentence with near names."""
    from hydra.errors import MissingConfigException

    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        word, _, entry = str(error.missing_cfg_file).rpartition("/")
        options = sorted(str(o) for o in error.options)
        if word == "hydra/sweeper" and entry not in options:
            return SentenceError(f"hydra/sweeper={entry} is not there (known are {', '.join(options)}): pip install hydra-{entry}-sweeper")
        return SentenceError(f"{word}={entry} is unknown{catalogue.near(entry, options)}: known are {', '.join(options)}")
    text = " ".join(str(error).split())
    cause = error.__cause__
    key = getattr(cause, "full_key", None) or getattr(error, "full_key", None)
    if key:
        parent = getattr(cause, "parent_node", None)
        known = [str(k) for k in parent] if isinstance(parent, Mapping) or hasattr(parent, "keys") else []
        if not known:
            return SentenceError(f"there is no key {key}: this entry has none there (model.train is that of networks alone)")
        where = f" in {str(key).rpartition('.')[0]}" if "." in str(key) else ""
        return SentenceError(
            f"there is no key {key}{catalogue.near(str(key).rpartition('.')[2], known)}: known{where} are {', '.join(known)}"
        )
    for word in catalogue.WORDS:
        if f"'{word}" in text and "override" in text.lower():
            return SentenceError(f"cannot choose {word}: {text}")
    return SentenceError(text)


def new_folder(cfg: Mapping[str, Any]) -> Path:
    """Return a run folder that nobody has: outputs/<date>/<time>-<4 hexadecimal digits>."""
    now = datetime.datetime.now()
    return Path(cfg["paths"].get("outputs") or "outputs") / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}-{uuid.uuid4().hex[:4]}"
