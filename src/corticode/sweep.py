"""The configurations that one command asks for: run as one list of jobs, then told on the screen, as one run or as a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corticode.errors import GuardError, MissingDataError, SentenceError

if TYPE_CHECKING:
    from corticode.experiment import Result
    from corticode.search import Tried


class Sweep:
    """The configurations that one command asks for, from Hydra to the table at the end.

    Parameters
    ----------
    command : str
        What was typed.
    say : function (error)
        Prints an error as a paragraph.

    Attributes
    ----------
    listening, maximizes : bool
        The sweeper learns from the figures it is given, so that test people must have no part in them; it looks for the largest.
    tried : list of Tried
        What has a result, of a search.
    """

    def __init__(self, command: str, say: Callable[[BaseException], Any]):
        self.command, self.say = command, say
        self.listening = self.maximizes = False
        self._waiting: list[tuple[Any, Path, str]] = []
        self._ran: list[tuple[Any, Path, str]] = []
        self.tried: list[Tried] = []

    def add(self, composed: Callable[[], dict[str, Any]], folder: Path, words: str) -> None:
        """Take in one configuration; an error in it is kept for its row of the table."""
        from corticode.experiment import Sentence

        try:
            self._waiting.append((Sentence(composed(), folder), folder, words))
        except Exception as error:
            self._waiting.append((error, folder, words))

    def run(self) -> list[float]:
        """Run what was added since the last time, as one list of jobs; return what the sweeper may know of each, NaN for an error.

        That is the headline, or, for a sweeper that learns from it, the loss of a run inside a fold.

        Raises
        ------
        GuardError
            The sweeper would learn from the scores of test people.
        SentenceError
            It looks for the largest.
        """
        from corticode.experiment import Result, Sentence, run_many

        batch, self._waiting = self._waiting, []
        sentences = [thing for thing, _, _ in batch if isinstance(thing, Sentence)]
        if self.listening and any(sentence.cfg["evaluate"].get("inside") is None for sentence in sentences):
            raise GuardError(
                "this sweeper learns from what it hears, and would hear the scores of test people: name it on the command line "
                "(-m hydra/sweeper=optuna), so that each fold is searched by itself, or name one fold to search in, evaluate.inside=0"
            )
        if self.listening and self.maximizes:
            raise SentenceError(
                "a search hears a loss, the smaller the better, whatever the metric: leave hydra.sweeper.direction=minimize"
            )
        try:
            results = iter(run_many(sentences, self.command) if sentences else [])
        except KeyboardInterrupt:
            if len(batch) > 1:
                self._table([folder for _, folder, _ in [*self._ran, *batch]])
            raise
        done = [(next(results) if isinstance(thing, Sentence) else thing, folder, words) for thing, folder, words in batch]
        for thing, folder, _ in done:
            if isinstance(thing, Exception):
                _remove_if_empty(folder)
        self._ran += done
        if not self.listening:
            return [thing.headline if isinstance(thing, Result) else float("nan") for thing, _, _ in done]
        return self._heard(batch, done)

    def _heard(self, batch: Sequence[tuple[Any, Path, str]], done: Sequence[tuple[Any, Path, str]]) -> list[float]:
        from corticode.experiment import Result
        from corticode.search import Tried, loss

        pairs = [(thing, sentence, words) for (sentence, _, words), (thing, _, _) in zip(batch, done, strict=True)]
        self.tried += [Tried(sentence, words, thing) for thing, sentence, words in pairs if isinstance(thing, Result)]
        return [loss(thing.summary) if isinstance(thing, Result) else float("nan") for thing, _, _ in pairs]

    @property
    def n_folds(self) -> int:
        """How many folds there are to search in."""
        return int(self.tried[0].result.summary["inside"]["of"])

    def refuse_if_nothing_came(self) -> None:
        """Raise the first error of a search of which nothing came, and say what failed in any other."""
        failed = [(thing, words) for thing, _, words in self._ran if isinstance(thing, Exception)]
        if not self.tried:
            raise (
                failed[0][0]
                if failed
                else SentenceError("the sweeper asked for no configuration: name some, model.train.lr=interval(1e-4,1e-2)")
            )
        for thing, words in failed:
            print(f"failed: {words}", file=sys.stderr)
            self.say(thing)

    def alone(self) -> int:
        """Run the one configuration, print its table and headline, and return the exit status."""
        self.run()
        [(result, _, _)] = self._ran
        if isinstance(result, Exception):
            raise result
        return print_run(result)

    def over(self) -> int:
        """Print the table of all configurations, and what failed; return the exit status."""
        from corticode.report.table import headline_line

        good = [line for line in self._ran if not isinstance(line[0], Exception)]
        bad = [(thing, words) for thing, _, words in self._ran if isinstance(thing, Exception) or thing.summary["failures"]]
        for thing, words in bad:
            print(f"failed: {words}", file=sys.stderr)
            if isinstance(thing, Exception):
                self.say(thing)
            else:
                print_failures(thing.summary)
        if bad:
            print(f"corticode: {len(bad)} of the sweep's {len(self._ran)} runs failed, what is done is kept", file=sys.stderr)
        self._table([folder for _, folder, _ in self._ran])
        for thing, _, _ in good:
            print(headline_line(thing.summary), flush=True)
        return 1 if bad else 0

    def _table(self, folders: Sequence[Path]) -> None:
        """Write and print the leaderboard of these runs, as far as they have come."""
        from corticode.evaluate.leaderboard import collect, write

        there = [folder for folder in folders if (folder / "summary.json").is_file()]
        if not there:
            return
        home = there[0].parent
        try:
            write(collect(there), home, [home], self.command)
        except MissingDataError:  # nothing has a score yet: each run's failure is said
            return
        print((home / "leaderboard.md").read_text(encoding="utf-8"))
        print(f"folder: {home}", flush=True)


def print_run(result: Result) -> int:
    """Print the table and headline of one run, and return the exit status."""
    from corticode.report.table import headline_line, subject_table

    print(subject_table(result.scores, result.summary["metric"]))
    print(f"folder: {result.folder}")
    print_notes(result.summary)
    print_failures(result.summary)
    print(headline_line(result.summary), flush=True)
    return 1 if result.summary["failures"] else 0


def print_failures(summary: Mapping[str, Any]) -> None:
    """Print the errors of a run's jobs to stderr, one line each, and how many there are."""
    for failure in summary["failures"][:_MOST_NOTES]:
        print("failed:", " ".join(str(failure["error"]).split()), file=sys.stderr)
    if summary["failures"]:
        print(
            f"corticode: {len(summary['failures'])} of the jobs failed, the others are kept; all are listed in summary.json",
            file=sys.stderr,
        )


def _remove_if_empty(folder: Path) -> None:
    """A refused sentence leaves no folder behind, unless something was written there."""
    if folder.is_dir() and not any(p.suffix != ".log" for p in folder.rglob("*") if p.is_file()):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


_MOST_NOTES, _WIDEST_NOTE = 12, 200


def print_notes(summary: Mapping[str, Any]) -> None:
    """Print what the run has to say above its headline, one line each; where there is much, the beginning and the end."""
    notes = list(dict.fromkeys(" ".join(str(note).split()) for note in summary.get("notes") or []))
    if len(notes) > _MOST_NOTES:
        # notes on single recordings come first, those on the whole run last
        hidden = len(notes) - _MOST_NOTES
        notes = [*notes[:4], f"({hidden} more notes stand in summary.json)", *notes[4 + hidden :]]
    for note in notes:
        print("note:", note if len(note) <= _WIDEST_NOTE else note[: _WIDEST_NOTE - 3] + "...")
