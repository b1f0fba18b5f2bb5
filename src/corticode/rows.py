"""Chosen rows of an array that lies on disk: read when they are used, a few at a time where code walks over them."""

from __future__ import annotations

from typing import Any

import numpy as np


class Rows(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for `array[rows]` and copies nothing until it is read.

    A slice reads those rows; a mask or numbers choose among them and read nothing. All that NumPy can do with an array it
    can do with this, by reading the whole.

    Parameters
    ----------
    array : array [m, ...]
        Memory-mapped.
    rows : int array [n]
    """

    def __init__(self, array: np.ndarray, rows: np.ndarray):
        self.array, self.rows = array, np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...), as of an array."""
        return (len(self.rows), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.array.dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return self.array[self.rows[which]]
        if not isinstance(which, tuple):
            chosen = self.rows[which]
            return self.array[chosen] if np.ndim(chosen) == 0 else Rows(self.array, chosen)
        first, *rest = which
        if (
            isinstance(first, slice)
            and first == slice(None)
            and all(part is None or isinstance(part, slice | int | np.integer) for part in rest)
        ):
            return Rows(self.array[which], self.rows)  # a part of each row
        if isinstance(first, slice):
            return self[first][(slice(None), *rest)]
        return np.asarray(self)[which]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array[self.rows], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*(np.asarray(one) if isinstance(one, Rows) else one for one in inputs), **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("array", "rows"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def lazily(array: np.ndarray, rows: np.ndarray) -> np.ndarray | Rows:
    """Return array[rows] without a copy: a view where the rows stand behind each other, else Rows."""
    rows = np.asarray(rows)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (len(rows) == 1 or (np.diff(rows) == 1).all()):
        return array[rows[0] : rows[-1] + 1]
    return Rows(array, rows)
