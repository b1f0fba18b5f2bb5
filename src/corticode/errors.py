"""Everything that the person at the keyboard can mend, as typed errors with one sentence each."""


class CorticodeError(Exception):
    """Something the user can mend: shown as one paragraph without traceback, exit status 2."""


class SentenceError(CorticodeError):
    """The command does not make sense: an unknown word or key, or parts that do not fit together."""


class MissingDataError(CorticodeError):
    """Files, people or labels that were asked for are not there."""


class BrokenDataError(CorticodeError):
    """A file or an array cannot be used as it is: truncated, empty, NaN, flat, of the wrong shape."""


class UnitError(BrokenDataError):
    """The amplitudes cannot be in the unit that the file declares; the message names the factor."""


class GuardError(CorticodeError):
    """A guard refused: going on would let test data into training, or make a misleading number."""


class StoreError(CorticodeError):
    """A folder cannot be written: no right to write, or the disk is full."""
