"""Which files make one recording: headers, samples, markers and electrodes that lie side by side."""

from __future__ import annotations

import re
from pathlib import Path

# Files that hold part of a recording -> the extensions of the file to name instead.
_PART_OF = {
    ".eeg": (".vhdr",), ".vmrk": (".vhdr",), ".avg": (".vhdr",), ".amrk": (".ahdr",), ".fdt": (".set",), ".dat": (".lay", ".dap", ".vhdr"), ".evt": (".cnt",),
    ".21e": (".eeg",), ".11d": (".eeg",), ".cmt": (".eeg",), ".cn2": (".eeg",), ".log": (".eeg",), ".pnt": (".eeg",),
    ".dpa": (".cdt",), ".rs3": (".dap",), ".cef": (".cdt", ".dap"),
}  # fmt: skip

# Extension -> endings, beside the same stem, of the other files that make the recording.
_SIDE_FILES = {
    ".set": (".fdt",), ".lay": (".dat",), ".cnt": (".evt", ".trg", ".seg"), ".eeg": (".21e", ".11d", ".cmt", ".cn2", ".log", ".pnt"),
    ".cdt": (".cdt.dpa", ".cdt.cef", ".cdt.dpo", ".cdt.ceo"), ".dap": (".dat", ".rs3", ".cef", ".ceo"), ".vhdr": (".eeg", ".vmrk"),
}  # fmt: skip


def extension_of(file: Path) -> str:
    """Return the lower-case extension, two parts long where formats need both (.fif.gz)."""
    name = Path(file).name.lower()
    return ".fif.gz" if name.endswith(".fif.gz") else Path(name).suffix


def whole_of(file: Path) -> Path | None:
    """Return the file that stands for the recording when `file` is only a part of it (test.fdt -> test.set)."""
    for extension in _PART_OF.get(extension_of(file), ()):
        found = _beside(file, extension)
        if found is not None and found != Path(file):
            return found
    return None


def companions(file: Path) -> tuple[Path, ...]:
    """Return all files whose bytes make the recording, `file` first."""
    file = Path(file)
    if file.is_dir():
        return tuple(sorted(part for part in file.rglob("*") if part.is_file()))
    extension = extension_of(file)
    others = [_beside(file, ending) for ending in _SIDE_FILES.get(extension, ())]
    if extension in (".vhdr", ".ahdr", ".lay"):
        others += _named_inside(file)
    if extension == ".fif":
        # parts of a split recording, and events saved beside it by MNE's convention
        others += sorted(file.parent.glob(f"{file.stem}-[0-9]*.fif")) + [events_beside(file)]
    return tuple(dict.fromkeys([file, *(other for other in others if other is not None)]))


def events_beside(file: Path) -> Path | None:
    """Return the -eve.fif that MNE users keep beside a raw FIF file, if there is one."""
    stem = re.sub(r"[-_](raw|eeg|meg|ieeg)(_sss|_tsss)?$", "", Path(file).stem)
    found = Path(file).with_name(f"{stem}-eve.fif")
    return found if found.is_file() else None


def _beside(file: Path, ending: str) -> Path | None:
    file = Path(file)
    stem = file.name[: -len(extension_of(file))] if extension_of(file) else file.name
    wanted = (stem + ending).lower()
    straight = file.with_name(stem + ending)
    if straight.exists():
        return straight
    return next((other for other in sorted(file.parent.iterdir()) if other.name.lower() == wanted), None) if file.parent.is_dir() else None


def _named_inside(header: Path) -> list[Path]:
    """Return the files that a BrainVision or Persyst header names."""
    text = header.read_bytes().decode("latin-1")
    named = re.findall(r"^(?:DataFile|MarkerFile|File)\s*=\s*(.+?)\s*$", text, re.MULTILINE)
    stem = header.stem
    paths = [header.with_name(Path(name.replace("\\", "/").replace("$b", stem)).name) for name in named]
    return [path for path in paths if path.is_file()]
