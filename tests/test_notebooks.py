"""The notebooks run from top to bottom, and stay small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_runs(path, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("CORTICODE_DATA", str(tmp_path / "store"))
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.cell_type != "code" or not cell.outputs for cell in notebook.cells), "kept without outputs: they would go stale"
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "def " not in code.replace("def __init__", "").replace("def forward", ""), "notebooks import and define nothing but a network"
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = sum(len(str(output.get("data", ""))) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert shown < 500_000, f"outputs of {shown} characters: make the figures smaller"
    assert os.listdir(tmp_path / "outputs"), "no run folder was written"
