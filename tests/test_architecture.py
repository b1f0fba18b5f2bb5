"""The floors and homes of the house: imports run down, heavy libraries live where they belong, no room for leftovers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "corticode"

# Lower floors know nothing of higher ones. A room is a folder or a file of the package.
FLOORS = {
    "errors": 0, "state": 0, "store": 0, "progress": 0, "engine": 1, "energy": 1,
    "space": 1, "rows": 1,
    "recording": 2, "arrays": 2, "windows": 2, "predictions": 2, "weights": 2,
    "layer": 3, "metric": 3, "split": 3, "stimulus": 3, "augment": 3, "report": 3, "catalogue": 3,
    "data": 4, "prepare": 4, "tokenizer": 4, "encoder": 4, "head": 4, "objective": 4, "align": 4,
    "train": 5, "task": 5,
    "adapt": 6,
    "decoder": 7,
    "evaluate": 8, "explain": 8, "serve": 8, "recipe": 8, "infer": 8,
    "sentence": 8, "prepared": 8, "outputs": 9, "compose": 9, "experiment": 9, "search": 9, "sweep": 9,
    "cli": 10, "__init__": 10,
}  # fmt: skip

# Pairs on one floor that may see each other, in this direction only.
BESIDE = {
    ("store", "errors"), ("space", "errors"), ("arrays", "recording"), ("windows", "arrays"), ("predictions", "windows"), ("encoder", "tokenizer"), ("adapt", "train"), ("experiment", "outputs"), ("search", "experiment"), ("sweep", "experiment"), ("sweep", "search"),
    ("experiment", "compose"), ("catalogue", "store"), ("explain", "prepared"),
}  # fmt: skip

HOMES = {
    "lightning": {"train"},
    "hydra": {"cli", "compose"},
    "omegaconf": {"cli", "compose"},
    "mne": {"recording", "data", "prepare", "explain", "serve", "encoder", "head"},
    "mne_bids": {"data"},
    "nilearn": {"recording", "data", "prepare", "explain", "serve", "encoder", "head"},
    "nibabel": {"recording", "data", "prepare", "explain", "serve"},
    "matplotlib": {"report", "explain"},
    "peft": {"adapt"},
    "ot": {"align"},
    "pyriemann": {"encoder", "head"},
    "braindecode": {"encoder"},
    "moabb": {"data"},
    "codecarbon": {"energy"},
    "distributed": {"engine"},
    "dask_jobqueue": {"engine"},
    "ray": {"engine"},
}


def files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> list[str]:
    """Every imported module, lazy ones too; those under `if TYPE_CHECKING` do not run."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    idle = {id(n) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) for n in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) in idle:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("file", files(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_run_down(file):
    here = room(file)
    assert here in FLOORS, f"{here} has no floor: give it one in FLOORS"
    for name in imports(file):
        parts = name.split(".")
        if parts[0] != "corticode" or len(parts) < 2:
            continue
        there = parts[1]
        if there not in FLOORS:  # a name of the package's face
            continue
        if there == here:
            continue
        lower = FLOORS[there] < FLOORS[here] or (here, there) in BESIDE
        assert lower, f"{file.relative_to(PACKAGE)} (floor {FLOORS[here]}) imports {name} (floor {FLOORS[there]})"


def entries() -> set[str]:
    """Modules that a YAML names: the members of the catalogues; other files of a room are its parts."""
    found = set()
    for file in (PACKAGE.parents[1] / "conf").rglob("*.yaml"):
        found |= {target.rpartition(".")[0] for target in re.findall(r"_target_: (corticode[\w.]+)", file.read_text(encoding="utf-8"))}
    return found


@pytest.mark.parametrize("module", sorted(entries()))
def test_an_entry_knows_no_other_entry_but_the_one_it_inherits(module):
    file = PACKAGE.parent / (module.replace(".", "/") + ".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bases = {base.id for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases if isinstance(base, ast.Name)}
    room_of = module.rpartition(".")[0]
    parents = {name.rpartition(".")[0] for name in imports(file) if name.rpartition(".")[2] in bases}
    for name in imports(file):
        other = name.rpartition(".")[0]
        if other in entries() and other != module and other.startswith(room_of + ".") and not other.endswith(".base"):
            assert other in parents, f"{module} imports {name}, another entry of its catalogue, and does not inherit it"


@pytest.mark.parametrize("file", files(), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_libraries_stay_at_home(file):
    for name in imports(file):
        library = name.split(".")[0]
        if library in HOMES:
            assert room(file) in HOMES[library], f"{file.relative_to(PACKAGE)} imports {library}, whose home is {sorted(HOMES[library])}"


def test_report_knows_nothing_of_the_house():
    for file in (PACKAGE / "report").rglob("*.py"):
        foreign = [name for name in imports(file) if name.startswith("corticode.") and not name.startswith("corticode.report")]
        assert not foreign, f"{file.name} imports {foreign}"


def test_no_room_for_leftovers():
    banned = {"utils", "util", "helpers", "common", "misc", "core"}
    assert not [p for p in PACKAGE.rglob("*") if p.stem.lower() in banned]


def test_no_circles():
    graph = {}
    for file in files():
        name = ".".join(("corticode", *file.relative_to(PACKAGE).with_suffix("").parts))
        graph[name.removesuffix(".__init__")] = [n for n in imports(file) if n.startswith("corticode.")]

    def module_of(name):
        return name if name in graph else name.rpartition(".")[0] if name.rpartition(".")[0] in graph else None

    done, path = set(), []

    def visit(name):
        if name in path:
            raise AssertionError("circle: " + " -> ".join([*path[path.index(name) :], name]))
        if name in done or name is None:
            return
        path.append(name)
        for other in graph[name]:
            target = module_of(other)
            if target not in (None, name, "corticode"):
                visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        if name != "corticode":
            visit(name)


@pytest.mark.parametrize(
    "statement",
    [
        "import corticode",
        "import corticode.catalogue",
        "import corticode.cli; corticode.cli.main(['list'])",
        "import corticode.cli; corticode.cli.main(['--help'])",
    ],
)
def test_start_loads_nothing_heavy(statement):
    code = f"{statement}\nimport sys\nprint('|'.join(m for m in ('torch', 'lightning', 'mne', 'pandas', 'sklearn', 'hydra', 'matplotlib') if m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert out == ""


CLASSICAL = """
import sys
from corticode.recipe import Recipe
from corticode.compose import compose
from corticode.space import Space
cfg = compose(["model=tangent_space", "align=riemannian"])
recipe = Recipe(name="x", model=cfg["model"], adapt=cfg["adapt"], align=cfg["align"], trainer=cfg["trainer"],
                space=Space("eeg", ("C3", "C4"), "uV", 100), n_times=50, classes=("a", "b"))
recipe(0)
print("|".join(m for m in ("torch", "lightning", "pyriemann", "matplotlib") if m in sys.modules))
"""


def test_classical_road_loads_no_torch():
    out = subprocess.run([sys.executable, "-c", CLASSICAL], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert out == ""
