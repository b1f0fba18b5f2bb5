"""The command line: `corticode train|list|fetch|report|leaderboard|predict|explain`, and every error as one paragraph."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corticode import catalogue
from corticode.errors import CorticodeError, MissingDataError, SentenceError
from corticode.sweep import Sweep, print_notes, print_run

HELP = """corticode: decode brain recordings

  corticode train [word=entry ...] [word.key=value ...]    train and judge a decoder
  corticode train -m model=a,b seed=0,1                    every combination
  corticode train -m hydra/sweeper=optuna 'model.train.lr=interval(1e-4,1e-2)'
                                                           search inside each fold, never hearing of its test people
  corticode list [word]                                    what there is to choose from
  corticode fetch data=NAME [data.key=value ...]           download a data set
  corticode report RUN                                     write report.html of a run folder again
  corticode leaderboard FOLDER... [--moabb METRIC] [--output FOLDER]
                                                           compare all runs below some folders
  corticode predict RUN FILE... [--every SECONDS] [--output TABLE.csv]
                                                           answers of a trained decoder for new recordings
  corticode explain RUN [METHOD ...] [--model NAME] [--windows N]
                                                           what its decoder used: maps in report.html

  words: {words}
  examples:
    corticode train                                        EEGFormer on simulated recordings, no download
    corticode train model=tangent_space align=riemannian data=physionet_mi split=loso
    corticode train model=eegnet data=folder data.root=my_recordings model.train.max_epochs=100
    corticode train model._target_=my_module.MyNet data=simulated

  Every key stands, with a comment, in conf/ ({conf}).
  Errors are one paragraph; CORTICODE_DEBUG=1 shows tracebacks. Exit status: 0 done, 2 mend the command or the data,
  130 interrupted, 1 our fault.
"""


_SWEEP = ("-m", "--multirun")

# what workers load while Hydra reads the configuration
_WORKERS_LOAD = ("scipy.signal", "scipy.linalg", "scipy.io", "corticode.experiment", "corticode.prepare.cache")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in _SWEEP and len(argv) > 1 and argv[1] in VERBS:
        argv = [argv[1], argv[0], *argv[2:]]
    if "=" in (argv[0] if argv else "") or (argv and argv[0] in _SWEEP):
        argv = ["train", *argv]  # a bare sentence: what a relaunched process is given
    verb, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if verb in ("-h", "--help", "help") or (rest and rest[0] in ("-h", "--help")):
            print(HELP.format(words=", ".join(catalogue.WORDS), conf=catalogue.conf_folder()))
            return 0
        if verb == "--version":
            from corticode import __version__

            print(__version__)
            return 0
        if verb not in VERBS:
            raise SentenceError(f"there is no command {verb!r}{catalogue.near(verb, list(VERBS))}: known are {', '.join(VERBS)}")
        if verb != "train" and any(word in _SWEEP for word in rest):
            raise SentenceError(f"-m sweeps over runs, and `{verb}` makes none: corticode train -m model=a,b")
        return VERBS[verb](rest)
    except BaseException as error:  # the one place where every error becomes a sentence and a status
        return say(error)


def say(error: BaseException) -> int:
    """Print an error as one paragraph and return its exit status."""
    if os.environ.get("CORTICODE_DEBUG") == "1" and not isinstance(error, SystemExit):
        import traceback

        traceback.print_exception(error)
    root = cause_of(error)
    if isinstance(error, SystemExit):
        return int(error.code) if isinstance(error.code, int) else 2
    if isinstance(error, KeyboardInterrupt):
        print("interrupted: finished folds are kept, the same command goes on from there", file=sys.stderr)
        return 130
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(root, CorticodeError):
        print(f"corticode: {root}", file=sys.stderr)
        return 2
    print(f"corticode: unexpected {type(root).__name__}: {str(root).splitlines()[0] if str(root) else ''}", file=sys.stderr)
    print("This is a fault of Corticode, or of a library below it: run again with CORTICODE_DEBUG=1 for the traceback.", file=sys.stderr)
    return 1


def cause_of(error: BaseException) -> BaseException:
    """Return the error that can be explained: ours, if it stands anywhere in the chain; composition and disk errors explained."""
    from corticode import store

    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:  # an error may name itself as its cause
        if isinstance(link, CorticodeError):
            return link
        chain.append(link)
        link = link.__cause__ or link.__context__
    if type(error).__module__.split(".")[0] in ("hydra", "omegaconf"):
        from corticode.compose import explained

        return explained(error)  # type: ignore[arg-type]
    if isinstance(error, OSError):
        return store.explained(error, Path(error.filename or "."))
    return error


# -- train ------------------------------------------------------------------------------------------------------------


def train(argv: list[str]) -> int:
    """Hydra in, `experiment.run_config`, table and headline out."""
    command = " ".join(["corticode train", *argv])
    if _searches(argv):
        return _search(argv, command)
    sweep = _composed(argv, command)
    return sweep.over() if any(flag in argv for flag in _SWEEP) else sweep.alone()


def _composed(argv: list[str], command: str) -> Sweep:
    """Let Hydra compose every configuration that was asked for, and a sweeper run them; return what became of them."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors arrive whole, and `say` makes them short
    if "engine.n_jobs=1" not in argv and not any(a.startswith("engine=") and a != "engine=local" for a in argv):
        from corticode.engine.local import start_early

        start_early(_WORKERS_LOAD)
    import uuid

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from corticode.compose import resolved

    OmegaConf.register_new_resolver("unique", lambda: uuid.uuid4().hex[:4], use_cache=True, replace=True)
    sweep = Sweep(command, say)

    def task(cfg) -> float:
        job = HydraConfig.get()
        sweep.listening, sweep.maximizes = _listens(job), _maximizes(job)
        sweep.add(lambda: resolved(cfg, job.runtime.choices), Path(job.runtime.output_dir), " ".join(job.overrides.task))
        return float("nan")

    # a sweep's launcher hands its configurations over and wants their figures back
    task.run = sweep.run
    _stop_as_if_typed()
    sys.path.insert(0, str(Path.cwd()))  # model._target_=my_module.MyNet finds the user's own module
    before = sys.argv
    sys.argv = ["corticode", *_arguments(argv)]
    try:
        hydra.main(version_base="1.3", config_path=str(catalogue.conf_folder()), config_name="config")(task)()
    finally:
        sys.argv = before
    return sweep


def _listens(job: Any) -> bool:
    """Return True for a sweeper that learns from the figures it is given."""
    return job.mode is not None and job.mode.name == "MULTIRUN" and not str(job.sweeper.get("_target_", "")).endswith(".BasicSweeper")


def _maximizes(job: Any) -> bool:
    """Return True for a sweeper that was told to look for the largest."""
    return "maximize" in str(job.sweeper.get("direction", "")) or bool((job.sweeper.get("optim") or {}).get("maximize"))


def _searches(argv: list[str]) -> bool:
    """Return True where another sweeper than Hydra's own is asked for and no fold is named to search in."""
    another = any(a.startswith("hydra/sweeper=") and a != "hydra/sweeper=basic" for a in argv)
    return another and any(flag in argv for flag in _SWEEP) and not any(a.lstrip("+").startswith("evaluate.inside=") for a in argv)


_OF_A_SEARCH = ("hydra.sweep.dir=", "hydra.sweeper.study_name=", "paths.outputs=")


def _search(argv: list[str], command: str) -> int:
    """Search inside each fold by itself, then judge what was chosen there on the fold's test people."""
    from corticode.compose import new_folder
    from corticode.search import judge

    typed = dict(a.split("=", 1) for a in argv if a.startswith(_OF_A_SEARCH))
    home = Path(
        typed.get("hydra.sweep.dir", "").strip("'\"") or new_folder({"paths": {"outputs": typed.get("paths.outputs", "").strip("'\"")}})
    )
    study = typed.get("hydra.sweeper.study_name") or (home.name if "hydra/sweeper=optuna" in argv else None)
    rest = [a for a in argv if not a.startswith(("hydra.sweep.dir=", "hydra.sweeper.study_name="))]
    sweeps: list[Sweep] = []
    while not sweeps or len(sweeps) < sweeps[0].n_folds:
        number = len(sweeps)
        own = [f"evaluate.inside={number}", f"hydra.sweep.dir={home / str(number)}"]
        # a study that is kept must not go on from what was heard in another fold
        own += [f"hydra.sweeper.study_name={study}-{number}"] if study else []
        sweeps.append(_composed([*rest, *own], command))
        sweeps[-1].refuse_if_nothing_came()
    return print_run(judge([sweep.tried for sweep in sweeps], home / "chosen", command))


def _stop_as_if_typed() -> None:
    """Let SIGTERM, by which a scheduler ends a job, do what Ctrl-C does: keep what is done and say how far it came."""
    import signal
    import threading

    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


_RECIPE_KEYS = ("name", "own", "objective", "train")


def _arguments(argv: list[str]) -> list[str]:
    """Bring what people type into what Hydra's grammar takes."""
    flags = [a for a in argv if a in _SWEEP]
    rest = [a for a in argv if a not in _SWEEP]
    if any(a.startswith(("model._target_=", "+model._target_=")) for a in rest):
        rest = _own_model(rest)
    rest = _of_swept_words([_path_quoted(a) for a in rest])
    quiet = ["hydra/hydra_logging=none", "hydra/job_logging=none"]
    return [*flags, *rest, *(q for q in quiet if not any(a.startswith(q.split("=")[0]) for a in rest))]


def _of_swept_words(argv: list[str]) -> list[str]:
    """Let `model.key=value` stand beside `model=a,b`: Hydra would look for the key in the entry that is not swept over.

    A sweep of one value is looked up in each job's own entry.
    """
    swept = {key for key, equals, value in (a.partition("=") for a in argv) if equals and _is_swept(value)}
    found = []
    for argument in argv:
        key, equals, value = argument.partition("=")
        alone = equals and key.split(".")[0] in swept and "." in key and not _is_swept(value)
        found.append(f"{key}=choice({value})" if alone else argument)
    return found


def _is_swept(value: str) -> bool:
    """True for `a,b`, `range(3)`, `glob(*)`: commas inside brackets and quotes are none."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", value)
    while bare != (inner := re.sub(r"\[[^][]*\]|\{[^{}]*\}|\([^()]*\)", "", bare)):
        bare = inner
    return "," in bare or value.startswith(("choice(", "range(", "glob(", "interval(", "shuffle(", "sort(", "tag("))


def _own_model(argv: list[str]) -> list[str]:
    """`model._target_=my.Net model.width=8` picks the recipe `own` and hands the arguments to the class."""
    result = [] if any(a.startswith("model=") for a in argv) else ["model=own"]
    for argument in argv:
        key, equals, value = argument.lstrip("+").partition("=")
        if equals and key.startswith("model.") and key.split(".")[1] not in _RECIPE_KEYS:
            result.append(f"++model.own.{key.removeprefix('model.')}={value}")
            if key == "model._target_" and not any(a.startswith("model.name=") for a in argv):
                result.append(f"model.name={value.rpartition('.')[2]}")
        else:
            result.append(argument)
    return result


_PATH_KEYS = ("data.root", "paths.data", "paths.outputs", "hydra.run.dir", "hydra.sweep.dir", "weights")


def _path_quoted(argument: str) -> str:
    """Expand ~ and quote characters of paths that Hydra's grammar reserves."""
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in _PATH_KEYS or not value or value[0] in "'\"[$":
        return argument
    value = os.path.expanduser(value)
    return f"{key}='{value}'" if any(c in value for c in "=,() {}:~") else f"{key}={value}"


# -- the other verbs ----------------------------------------------------------------------------------------------------


def list_entries(argv: list[str]) -> int:
    """Print the entries of a word, or of all words."""
    words = argv or list(catalogue.WORDS)
    for word in words:
        if word not in catalogue.WORDS:
            raise SentenceError(f"there is no word {word!r}{catalogue.near(word, catalogue.WORDS)}: known are {', '.join(catalogue.WORDS)}")
        entries = catalogue.names(word)
        if not entries:
            continue
        print(f"{word}=")
        width = max(len(name) for name in entries)
        for name, sentence in entries.items():
            print(f"  {name:<{width}}  {sentence}")
    return 0


def fetch(argv: list[str]) -> int:
    """Download what a data set needs, into the place where `train` looks for it."""
    from corticode.compose import compose
    from corticode.prepared import home

    if not any(a.startswith("data=") for a in argv):
        raise SentenceError("say which data set: corticode fetch data=NAME (corticode list data shows the names)")
    cfg = compose([_path_quoted(a) for a in argv])
    dataset = catalogue.make(cfg["data"])
    dataset.home = home(cfg)
    print(f"{cfg['choices']['data']} is in {dataset.fetch()}")
    return 0


def report(argv: list[str]) -> int:
    """Write report.html of a run folder again and print its table."""
    if len(argv) != 1:
        raise SentenceError("say which run: corticode report outputs/<date>/<time>")
    from corticode.report.page import write
    from corticode.report.table import headline_line, subject_table

    folder = Path(argv[0])
    try:
        path = write(folder)
    except (FileNotFoundError, ValueError) as error:
        raise MissingDataError(str(error)) from error
    import pandas as pd

    from corticode import store

    summary = store.read_json(folder / "summary.json")
    scores = pd.read_csv(folder / "scores.csv", dtype={"subject": str, "session": str, "fold": str, "site": str}, keep_default_na=False)
    print(subject_table(scores, summary["metric"]))
    print(f"report: {path}")
    print_notes(summary)
    print(headline_line(summary))
    return 0


def leaderboard(argv: list[str]) -> int:
    """Compare all runs below some folders: print the table, write CSV, Markdown and one HTML page."""
    from corticode.evaluate.leaderboard import main as compare

    return compare(argv)


def predict(argv: list[str]) -> int:
    """Prepare new recordings exactly as in training and write the decoder's answers as a table."""
    import argparse

    parser = argparse.ArgumentParser(prog="corticode predict")
    parser.add_argument("run", help="run folder, or its model/ folder")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--every", type=float, default=None, metavar="SECONDS", help="slide over the recording instead of using its events")
    parser.add_argument("--output", default=None, metavar="TABLE", help="write CSV (or .parquet) there instead of to the screen")
    chosen = parser.parse_args(argv)
    from corticode.infer import predict_files

    table = predict_files(Path(chosen.run), [Path(f) for f in chosen.files], every_s=chosen.every)
    for note in table.attrs.pop("notes", []):
        print("note:", note, file=sys.stderr)
    if chosen.output is None:
        print(table.to_csv(index=False), end="")
        return 0
    from corticode import store

    with store.writing(Path(chosen.output)) as tmp:
        if chosen.output.endswith(".parquet"):
            table.to_parquet(tmp, index=False)
        else:
            table.to_csv(tmp, index=False)
    print(f"{len(table)} windows of {len(chosen.files)} files: {chosen.output}")
    return 0


def explain(argv: list[str]) -> int:
    """Draw what the decoder of a run used, and write its page again."""
    from corticode.explain.run import main as ask

    return ask(argv)


VERBS: dict[str, Callable[[list[str]], int]] = {
    "train": train, "list": list_entries, "fetch": fetch, "report": report, "leaderboard": leaderboard, "predict": predict, "explain": explain,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
