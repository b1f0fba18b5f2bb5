"""Report and leaderboard in a real browser: every figure is drawn, no words lie on others or outside, nothing is complained about."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from corticode.report import board, page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed: install `chromium` to look at the pages")


def browse(file: Path, *flags: str, profile: Path) -> subprocess.CompletedProcess:
    command = [BROWSER, *QUIET, f"--user-data-dir={profile}", *flags, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def inspected(file: Path, tmp_path: Path) -> dict:
    """Open a copy of a page that looks at itself; give what it found, and what the console said."""
    script = (Path(__file__).parent / "inspect.js").read_text(encoding="utf-8")
    copy = tmp_path / f"inspected-{file.name}"
    copy.write_text(file.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    told = browse(copy, "--window-size=1200,2000", "--virtual-time-budget=5000", "--dump-dom", profile=tmp_path / "profile")
    found = re.search(r'<pre id="inspected">(.*?)</pre>', told.stdout, flags=re.S)
    assert found, told.stderr[-2000:]
    return {**json.loads(html.unescape(found[1])), "console": re.findall(r".*CONSOLE.*", told.stderr)}


def screenshot(file: Path, tmp_path: Path) -> Path:
    """Save the top of the page as it is, without the script."""
    picture = tmp_path / f"{file.stem}.png"
    browse(file, "--window-size=1200,4000", f"--screenshot={picture}", profile=tmp_path / "profile")
    return picture


LONG = tuple(f"filter_bank_tangent_space_{i:02d}_with_riemannian_recentring" for i in range(25))
RUNS = {
    "one model": ({"people": tuple(f"S{i + 1}" for i in range(16))}, 4),
    "one person": ({"people": ("S1",), "n_windows": 60}, 4),
    "networks, incomplete": (
        {
            "models": ("eegnet", "conformer"),
            "classes": ("left_hand", "right_hand", "feet", "tongue"),
            "seeds": (0, 1, 2),
            "history": True,
            "people": tuple("ABCDEFGHI"),
            "summary": {"n_folds": 9, "n_folds_expected": 18},
        },
        7,
    ),
    "long names": ({"models": LONG[:4], "people": tuple(f"participant-{i:03d}-first-visit" for i in range(40)), "n_windows": 8,
                    "classes": ("imagined movement of the left hand", "imagined movement of the right hand", "both feet", "tongue")}, 7),
    "many classes": ({"classes": tuple(f"picture of object {i}" for i in range(20)), "n_windows": 60}, 3),
    "a hundred people": ({"people": tuple(f"S{i}" for i in range(109)), "n_windows": 4}, 4),
    "regression": ({"classes": (), "summary": {"target": "age, years", "chance": 15.0, "chance_95": 14.0, "interval": None}}, 2),
}  # fmt: skip
BOARDS = {
    "three models": ({}, 5),
    "lower is better": ({"metric": "mae"}, 5),
    "25 models, long names": ({"models": LONG, "n_people": 16, "partial": LONG[7:8], "failed": LONG[9:10]}, 5),
    "two data sets": ({"datasets": ("physionet_mi", "bnci2014_001"), "models": ("mdm", "csp_lda", "tangent_space", "eegnet")}, 15),
}


@pytest.mark.parametrize("case", RUNS)
def test_the_report_is_drawn(case, run_folder, tmp_path):
    told, n_figures = RUNS[case]
    judge(page.write(run_folder(**told)), n_figures, tmp_path)


@pytest.mark.parametrize("case", BOARDS)
def test_the_leaderboard_is_drawn(case, board_folder, tmp_path):
    told, n_figures = BOARDS[case]
    judge(board.write(board_folder(**told)), n_figures, tmp_path)


def judge(file: Path, n_figures: int, tmp_path: Path) -> None:
    found = inspected(file, tmp_path)
    assert found["console"] == []
    assert found["wrong"] == []
    assert found["figures"] == n_figures


def test_screenshots_are_saved(run_folder, board_folder, tmp_path):
    for file in (page.write(run_folder(people=tuple("ABCDEFGHI"))), board.write(board_folder())):
        assert screenshot(file, tmp_path).stat().st_size > 20_000


def test_the_look_finds_what_is_wrong(tmp_path):
    figures = (
        '<svg aria-label="empty" width="90" height="90"></svg>',
        '<svg aria-label="flat" width="0" height="90"></svg>',
        '<svg aria-label="wide" width="90" height="90"><text x="70" y="20">beyond</text></svg>',
        '<svg aria-label="full" width="90" height="90"><text x="9" y="20">one</text><text x="12" y="22">two</text></svg>',
    )
    file = tmp_path / "broken.html"
    body = "".join(f"<figure>{figure}</figure>" for figure in figures)
    file.write_text(f'<html><body>{body}<script>console.error("no")</script></body></html>', encoding="utf-8")
    found = inspected(file, tmp_path)
    complaints = ("empty: only 0 marks", "flat: nothing is drawn", 'wide: "beyond" leaves the figure', 'full: "one" lies on "two"')
    assert set(complaints) <= set(found["wrong"])
    assert len(found["console"]) == 1
