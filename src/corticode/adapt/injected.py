"""The library peft, put to work inside a plain network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from corticode.errors import SentenceError

NAME = "default"  # what peft calls the one set of added weights


def peft_for(word: str) -> Any:
    """Return the library.

    Raises
    ------
    SentenceError
        It is not installed.
    """
    try:
        import peft
    except ModuleNotFoundError as error:
        raise SentenceError(f"adapt={word} needs the library peft ({error}): pip install 'corticode[peft]'") from error
    return peft


def inject(encoder: Any, kind: str, names: Sequence[str], word: str, **settings: Any) -> Any:
    """Put peft's layers around the encoder's layers of these names; return peft's configuration.

    Parameters
    ----------
    encoder : NeuralEncoder
        Changed in place; what is added requires gradients.
    kind : str
        The class of peft's configuration.
    names : sequence of str
    word : str
        What the user typed, `adapt=word`.
    settings
        Arguments of the configuration.
    """
    peft = peft_for(word)
    # as a pattern of whole paths: names in a list would stand for all paths that end with them
    config = getattr(peft, kind)(target_modules="|".join(re.escape(name) for name in names), **settings)
    peft.inject_adapter_in_model(config, encoder, adapter_name=NAME)
    return config
