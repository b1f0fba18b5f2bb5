"""When the memory of a GPU does not hold a batch: cut it, and go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from corticode.errors import SentenceError

_GIB = 2**30


class Parts:
    """Into how many parts batches are cut: one, and twice as many each time the memory did not hold them.

    Attributes
    ----------
    n : int
    n_rows : int
        Of the batch that was cut last.
    fixed : bool
        Never cut: several processes make their steps together, and none may make more of them than the others.
    """

    def __init__(self):
        self.n, self.n_rows, self.fixed = 1, 0, False

    def __call__(self, act: Callable[[int], Any], shape: Sequence[int]) -> Any:
        """Return act(n_parts), asked again with more parts for as long as it runs out of memory.

        Parameters
        ----------
        act : function (n_parts) -> anything
            Begins anew each time it is called.
        shape : sequence of int
            Of the batch, [b, channels, times].

        Raises
        ------
        SentenceError
            The memory does not hold a single window: says how much was used of how much.
        """
        if self.fixed:
            return act(self.n)
        while True:
            try:
                return act(self.n)
            except torch.cuda.OutOfMemoryError as error:
                said = str(error)
            # only here, where the error no longer holds on to the tensors of the failed step
            if self.n >= shape[0]:
                raise SentenceError(too_large(f"one window of {' x '.join(map(str, shape[1:]))}", said))
            self.n, self.n_rows = min(2 * self.n, shape[0]), shape[0]
            torch.cuda.empty_cache()

    @property
    def note(self) -> str:
        """What to say of it, '' where nothing was cut."""
        return "" if self.n == 1 else f"a batch of {self.n_rows} windows did not fit the GPU: it went through in {self.n} parts"


def cut(batch: Sequence[torch.Tensor], n_parts: int) -> list[tuple[torch.Tensor, ...]]:
    """Return a batch's tensors [b, ...] in n_parts parts, equal to one row."""
    if n_parts == 1:
        return [tuple(batch)]
    return list(zip(*(tensor.tensor_split(n_parts) for tensor in batch), strict=True))


def too_large(what: str, said: str) -> str:
    """Return the sentence that names what the memory does not hold, how much of it is taken and free, and what to do."""
    figure = f" ({said.partition(chr(10))[0]})"
    if torch.cuda.is_available():
        free, whole = torch.cuda.mem_get_info()
        most = torch.cuda.max_memory_allocated()
        figure = f" ({most / _GIB:.2f} GiB were taken by this training, {free / _GIB:.2f} of {whole / _GIB:.2f} GiB are free)"
    return (
        f"the memory of the GPU does not hold {what}{figure}: use a smaller network or shorter windows, end what else runs on the GPU, "
        "or use trainer=cpu"
    )
