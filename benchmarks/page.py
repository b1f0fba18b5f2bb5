"""The page that the benchmarks write, benchmarks/README.md: each script owns the part between its two markers."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import corticode
from corticode.outputs import git_state

PAGE = Path(__file__).resolve().parent / "README.md"


def keep(name: str, text: str, page: Path = PAGE) -> None:
    """Put text between the markers of `name`; a part that is new comes last, the others stay as they are."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if begin in old and end in old:
        before, after = old.partition(begin)[0], old.partition(end)[2]
        new = before + part + after
    else:
        new = f"{old.rstrip()}\n\n{part}\n".lstrip()
    page.write_text(new, encoding="utf-8")
    print(f"written: {page}, {name}")


def made_with(*libraries: str) -> str:
    """Return the line that says with what a table was made."""
    from importlib.metadata import version

    git = git_state()
    peers = "".join(f", {library} {version(library)}" for library in libraries)
    return (
        f"Made with corticode {corticode.__version__}{f' at {git[:10]}' if git else ''}{peers}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores."
    )
