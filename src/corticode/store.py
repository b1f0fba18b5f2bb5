"""Keep results on disk: atomic, keyed by content, one writer at a time.

key(plain values) -> sha256        what makes two results the same
with writing(path) as tmp: ...     path appears whole or not at all
with locked(path): ...             one process makes it, the others wait and read
"""

from __future__ import annotations

import ast
import contextlib
import errno
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import sysconfig
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from corticode.errors import StoreError


def canonical(value: Any) -> str:
    """Return JSON that is equal for equal values: keys sorted, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def key(value: Any) -> str:
    """Return a sha256 over plain values (dicts, lists, numbers, strings), as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path, memo: Path | None = None) -> str:
    """Return the sha256 of a file's bytes.

    Parameters
    ----------
    path : Path
    memo : Path or None
        Folder in which the digest is remembered by (path, size, time of change), so that gigabytes are read once.
    """
    path = Path(path)
    stat = path.stat()
    note = None
    if memo is not None:
        note = Path(memo) / (key([str(path.resolve()), stat.st_size, stat.st_mtime_ns])[:32] + ".sha256")
        with contextlib.suppress(OSError):
            text = note.read_text()
            if len(text) == 64:
                return text
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if note is not None:
        with writing(note) as tmp:
            tmp.write_text(digest)
    return digest


def file_digests(paths: Iterable[Path], memo: Path | None = None) -> dict[Path, str]:
    """Return the sha256 of each file, several read at a time; see `file_digest`."""
    from concurrent.futures import ThreadPoolExecutor

    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as threads:  # hashing lets other threads run
        return dict(zip(paths, threads.map(lambda path: file_digest(path, memo), paths), strict=True))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there becomes `path` only when the block ends well.

    Works for files and folders. A killed process leaves a `.tmp-` name behind, never a half-written `path`.

    Raises
    ------
    StoreError
        No right to write there, or the disk is full.
    """
    path = Path(path)
    tmp = path.with_name(f".tmp-{path.name[:40]}-{uuid.uuid4().hex[:12]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield tmp
        if tmp.is_file():
            with tmp.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(tmp, path)
        elif tmp.is_dir():
            try:
                os.rename(tmp, path)
            except OSError:
                # another process finished the same content first: its copy is as good as ours
                if not path.is_dir():
                    raise
    except OSError as error:
        raise explained(error, path) from error
    finally:
        if tmp.is_dir():
            shutil.rmtree(tmp, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                tmp.unlink(missing_ok=True)


def explained(error: OSError, path: Path) -> Exception:
    """Turn "no space" and "no right to write" into a sentence; give other errors back unchanged."""
    folder = Path(path).parent
    # NumPy reports a short write without an error number
    short = error.errno is None and "requested and" in str(error)
    if short or error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StoreError(
            f"the disk that holds {folder} is full: nothing half-written was kept; free some space, or point paths.data= at another disk"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(f"no right to write to {folder}: choose another folder with hydra.run.dir= (outputs) or paths.data= (caches)")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        return StoreError(
            f"cannot make {error.filename or folder}: {os.strerror(error.errno)}; choose another folder with hydra.run.dir= or paths.data="
        )
    if error.errno == errno.ENOENT and _making_a_folder(error):  # /proc, or a drive that is not there
        return StoreError(
            f"cannot make the folder {error.filename or folder}: choose another one with hydra.run.dir= or paths.outputs= (runs) or paths.data= (caches)"
        )
    return error


def _making_a_folder(error: OSError) -> bool:
    """Tell a folder that cannot be made from a file that is missing: both have one error number."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name in ("mkdir", "makedirs")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path` while the block runs; a killed holder frees it."""
    import filelock

    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(path) + ".lock")
        with lock:
            yield
    except OSError as error:
        raise explained(error, path) from error


def write_json(path: Path, value: Any) -> None:
    """Write plain values as readable JSON, atomically."""
    with writing(path) as tmp:
        tmp.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read plain values."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


# -- the code behind a result -------------------------------------------------------------------------------------


@functools.cache
def code_key(module: str) -> str:
    """Return a sha256 over a module's code and all it imports that is not an installed library; docstrings and comments left out.

    A result made by other code is another result: this goes into every key, so that a mended filter never meets the
    cache of the broken one, while a corrected comment throws nothing away.
    """
    seen: dict[str, str] = {}
    _visit(module, module.split(".")[0], seen)
    return key(sorted(seen.items()))


def is_written_here(module: str) -> bool:
    """Return True for a module that is neither part of Python nor an installed library: somebody's own code."""
    # the package tells of all that is in it, and to look for `mne.io` would import mne
    top = _origin(module.split(".")[0])
    if top is not None and not _is_own(top):
        return False
    origin = _origin(module)
    return origin is not None and _is_own(origin)


@functools.cache
def _is_own(origin: str) -> bool:
    path = Path(origin).resolve()
    libraries = {"site-packages", "dist-packages"}
    return not libraries & set(path.parts) and not path.is_relative_to(Path(sysconfig.get_paths()["stdlib"]).resolve())


def _visit(module: str, package: str, seen: dict[str, str]) -> None:
    if module in seen:
        return
    origin = _origin(module)
    if origin is None:
        return
    stat = os.stat(origin)
    seen[module], names = _understood(origin, module, (stat.st_size, stat.st_mtime_ns))
    for name in names:
        if name.split(".")[0] == package or is_written_here(name):
            _visit(name, package, seen)


@functools.cache
def _understood(origin: str, module: str, stamp: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a file's code, and the names it imports; kept until the file changes, since most keys ask for most files."""
    tree = ast.parse(Path(origin).read_text(encoding="utf-8"))
    _drop_docstrings(tree)
    home = module if Path(origin).stem == "__init__" else module.rpartition(".")[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(dict.fromkeys(_imported(tree, home)))


def _imported(tree: ast.AST, home: str) -> Iterator[str]:
    """Give the dotted names that a module imports; `home` is the package it lies in, for relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(home.split(".")[: len(home.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module or "") if part)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _origin(module: str) -> str | None:
    loaded = sys.modules.get(module)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        origin = spec.origin if spec else None
    return origin if origin and origin.endswith(".py") else None


def _drop_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
