"""What there is to choose from: the entries under conf/, and building one of them.

conf/<word>/<entry>.yaml --names--> what `corticode list` shows
{_target_: corticode.encoder.eegnet.EEGNet, F1: 8} --make--> the object
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corticode import store
from corticode.errors import SentenceError

# The words of the house that a user picks an entry for, in the order in which data walk through it.
WORDS = ("data", "task", "prepare", "split", "model", "augment", "adapt", "align", "engine", "trainer", "logger", "experiment")


@functools.cache
def conf_folder() -> Path:
    """Return the folder of YAML entries: inside the package once installed, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise SentenceError(f"no conf/ folder beside {package}: the installation is incomplete, install corticode again")


def names(word: str) -> dict[str, str]:
    """Return entry -> its one-line description, for one word; aliases say what they stand for."""
    found = {}
    for file in sorted((conf_folder() / word).glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        comments = [line[1:].strip() for line in text.splitlines()[:4] if line.startswith("#") and "@package" not in line]
        alias = re.search(r"^defaults:\s*\[\s*([a-z0-9_]+)\s*\]", text, re.MULTILINE)
        found[file.stem] = comments[0] if comments else f"another name of {alias.group(1)}" if alias else ""
    return found


def canonical_name(word: str, entry: str) -> str:
    """Return the entry behind an alias (bci_iv_2a -> bnci2014_001), or the entry itself."""
    file = conf_folder() / word / f"{entry}.yaml"
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        alias = re.search(r"^defaults:\s*\[\s*([a-z0-9_]+)\s*\]", text, re.MULTILINE)
        if alias and "_target_" not in text:
            return alias.group(1)
    return entry


def near(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return ' (did you mean ...?)' for a mistyped word, or ''."""
    close = difflib.get_close_matches(str(word), list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


# -- building -------------------------------------------------------------------------------------------------------


def locate(target: str) -> Any:
    """Return the class or function with this dotted name.

    Raises
    ------
    SentenceError
        There is none: says which part is missing.
    """
    module, _, name = str(target).rpartition(".")
    try:
        thing = importlib.import_module(module)
    except ImportError as error:
        raise SentenceError(f"cannot import {module or target!r} for _target_={target}: {error}") from error
    except ValueError as error:
        raise SentenceError(f"_target_={target} must be a dotted name such as my_module.MyNet") from error
    if not hasattr(thing, name):
        raise SentenceError(f"module {module} has no {name!r}{near(name, [n for n in dir(thing) if not n.startswith('_')])}")
    return getattr(thing, name)


def make(config: Mapping[str, Any] | None, **offers: Any) -> Any:
    """Build what a configuration names.

    Parameters
    ----------
    config : mapping with `_target_`, or None
        Nested mappings with `_target_` are built first; None gives None.
    offers : values the constructor may want
        Given only where the constructor has such an argument and the configuration does not set it: `n_chans`,
        `n_times`, `n_outputs`, `sfreq` for networks, `random_state` for estimators.

    Raises
    ------
    SentenceError
        Unknown name, or arguments that the constructor refuses.
    """
    if config is None:
        return None
    config = dict(config)
    target = config.pop("_target_", None)
    if target is None:
        raise SentenceError(f"no _target_ in {sorted(config)}: the entry does not say what to build")
    thing = locate(target)
    arguments = {name: _value(value) for name, value in config.items()}
    wanted = _parameters(thing)
    if wanted is not None:
        for name in arguments:
            if name not in wanted:
                raise SentenceError(f"{target} has no argument {name!r}{near(name, list(wanted))}")
        arguments.update({name: value for name, value in offers.items() if name in wanted and arguments.get(name) is None})
    try:
        return thing(**arguments)
    except (TypeError, ValueError, KeyError) as error:
        uncalled = error.__traceback__ is not None and error.__traceback__.tb_next is None
        if uncalled or str(target).startswith("corticode."):  # one's own constructor keeps its own error
            raise SentenceError(f"{_said(str(target), thing, config)}: {_reason(error)}") from error
        raise


def _said(target: str, thing: Any, config: Mapping[str, Any]) -> str:
    """Return the call as it was meant, defaults left out: split.kfold.KFold(n_folds='abc')."""
    try:
        defaults = {p.name: p.default for p in inspect.signature(thing).parameters.values()}
    except (TypeError, ValueError):
        defaults = {}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items() if not isinstance(value, Mapping)}
    told = [f"{name}={config[name]!r}" for name, value in given.items() if value != defaults.get(name)]
    return f"{target.removeprefix('corticode.')}({', '.join(told)})"


def _reason(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return make(value) if "_target_" in value else {k: _value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_value(v) for v in value]
    return value


def _parameters(thing: Any) -> list[str] | None:
    """Return the argument names; None when the callable takes any."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters]


def plain(thing: Any) -> dict[str, Any] | None:
    """Return the configuration that `make` would build this object from: `_target_` and arguments."""
    if thing is None:
        return None
    arguments = {}
    for name, value in thing.arguments().items():
        arguments[name] = plain(value) if hasattr(value, "arguments") else _listed(value)
    return {"_target_": f"{type(thing).__module__}.{type(thing).__qualname__}", **arguments}


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _listed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value


def code_of(config: Any) -> dict[str, str]:
    """Return `_target_` -> hash of the code behind it, for every `_target_` in a configuration."""
    found: dict[str, str] = {}
    if isinstance(config, Mapping):
        if config.get("_target_"):
            found[str(config["_target_"])] = store.code_key(str(config["_target_"]).rpartition(".")[0])
        for value in config.values():
            found.update(code_of(value))
    elif isinstance(config, list | tuple):
        for value in config:
            found.update(code_of(value))
    return found


# -- the README's tables ----------------------------------------------------------------------------------------------


def with_tables(text: str) -> str:
    """Return a document with every `<!-- table: WORD -->` ... `<!-- end -->` filled from conf/WORD/."""

    def table(match: re.Match) -> str:
        word = match.group(1)
        rows = "\n".join(f"| `{name}` | {sentence} |" for name, sentence in names(word).items())
        return f"<!-- table: {word} -->\n| `{word}=` | what it is |\n|---|---|\n{rows}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


if __name__ == "__main__":  # python -m corticode.catalogue README.md
    import sys

    for _name in sys.argv[1:]:
        _path = Path(_name)
        _path.write_text(with_tables(_path.read_text(encoding="utf-8")), encoding="utf-8")
