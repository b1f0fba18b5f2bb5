"""Download a file whose provider publishes no checksum: the first download's sha256 is kept, later ones must match it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from corticode import store
from corticode.errors import BrokenDataError, MissingDataError, StoreError

SUMS = "SHA256SUMS"


def download(urls: Sequence[str], name: str, folder: Path, check: Callable[[Path], None]) -> Path:
    """Download one file, from the first address that answers, with a progress bar on a terminal.

    Parameters
    ----------
    urls : sequence of str
        Addresses of the folder that holds `name`, best first.
    name : str
    folder : Path
        Where it goes; `sha256sum -c SHA256SUMS` works there.
    check : function (file)
        Raises BrokenDataError when what came is not what was wanted (a page that asks to log in, say).

    Returns
    -------
    file : Path

    Raises
    ------
    MissingDataError
        No address answers.
    BrokenDataError
        The file differs from the one that was recorded, or `check` refuses it.
    StoreError
        No right to write there, or the disk is full.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel("ERROR")
    part, errors = folder / f"{name}.part", []
    for url in urls:
        try:
            # no known_hash: a difference is told by `_accept`, in a sentence
            pooch.retrieve(url + name, known_hash=None, fname=part.name, path=folder, progressbar=sys.stderr.isatty())
        except (RequestException, ValueError) as error:
            errors.append(f"{url}: {type(error).__name__}")
        except PermissionError as error:  # pooch makes a new one, without its number
            raise StoreError(f"no right to write to {folder}: choose another folder with paths.data=") from error
        except OSError as error:
            raise store.explained(error, part) from error
        else:
            return _accept(part, folder / name, check)
    raise MissingDataError("; ".join(errors))


def _accept(part: Path, file: Path, check: Callable[[Path], None]) -> Path:
    """Give a download its name if it is what it should be; else remove it."""
    sums = file.with_name(SUMS)
    lines = [line.split(maxsplit=1) for line in sums.read_text().splitlines() if line.strip()] if sums.exists() else []
    known = {name: digest for digest, name in lines}
    try:
        digest = store.file_digest(part)
        if known.get(file.name, digest) != digest:
            raise BrokenDataError(
                f"{file.name} as downloaded has sha256 {digest}, but {sums} says {known[file.name]}: "
                "try again later, or remove that line if the provider has a new version"
            )
        check(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    with store.writing(sums) as tmp:
        tmp.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted({**known, file.name: digest}.items())))
    return file
