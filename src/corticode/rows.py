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


# Rows that are compared at a time.
_CHUNK = 256


class Shared:
    """Keeps once what several arrays have in common: people who are made alike by themselves are the same in every fold.

    Parameters
    ----------
    n : int
        Rows are numbered below it.
    """

    def __init__(self, n: int):
        self.n = int(n)
        self._array: np.ndarray | None = None
        self._there = np.zeros(self.n, dtype=bool)

    def __call__(self, array: np.ndarray | Rows, numbers: np.ndarray) -> np.ndarray | Rows:
        """Return the same values, as rows of one array where those of a number that has been seen are equal bit for bit.

        Parameters
        ----------
        array : array [m, ...]
            What lies on disk is given back as it is.
        numbers : int array [m]
            Of its rows.
        """
        if isinstance(array, Rows | np.memmap) or len(np.unique(numbers)) < len(numbers):
            return array
        if self._array is None:
            self._array = np.empty((self.n, *array.shape[1:]), dtype=array.dtype)  # takes memory as it is filled
        if array.shape[1:] != self._array.shape[1:] or array.dtype != self._array.dtype:
            return array
        seen = np.flatnonzero(self._there[numbers])
        for first in range(0, len(seen), _CHUNK):
            part = seen[first : first + _CHUNK]
            if not np.array_equal(self._array[numbers[part]], array[part]):
                return array
        new = ~self._there[numbers]
        self._array[numbers[new]] = array[new]
        self._there[numbers] = True
        return Rows(self._array, numbers)


def lazily(array: np.ndarray, rows: np.ndarray) -> np.ndarray | Rows:
    """Return array[rows] without a copy: a view where the rows stand behind each other, else Rows."""
    rows = np.asarray(rows)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (len(rows) == 1 or (np.diff(rows) == 1).all()):
        return array[rows[0] : rows[-1] + 1]
    return Rows(array, rows)
