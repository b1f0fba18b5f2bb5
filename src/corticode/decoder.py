"""The decoder: encoder + head, how they learn (adapt) and how people are made alike (align).

    fit(source) -> align(blind rows of the target) -> calibrate(few labelled rows) -> predict(blind rows)

All that is above knows only this; all that is below does not know it exists.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode import catalogue, store
from corticode.adapt.base import Adapt, Lesson
from corticode.adapt.cost import Cost
from corticode.adapt.search import held_out_loss
from corticode.align.base import Align, NoAlign
from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError, GuardError, SentenceError, StoreError
from corticode.head.base import Head
from corticode.layer.rank import Subspace
from corticode.predictions import Predictions
from corticode.rows import Shared
from corticode.space import Space
from corticode.split.base import in_time
from corticode.windows import Windows


class Decoder:
    """Windows in, answers out.

    Parameters
    ----------
    encoder : Encoder
    head : Head
    adapt : Adapt
    align : Align
    space : Space
        Of the windows it is made for; others are refused.
    n_times : int
        Samples per window.
    classes : sequence of str
        Names of the classes; empty for regression.
    uses : sequence of str
        Outcome columns that may be seen at test.
    seed : int
    features : function (Encoder, Windows) -> array, or None
        Looks up what depends on one window alone in a store; None computes it.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: Head,
        adapt: Adapt,
        align: Align | None = None,
        *,
        space: Space,
        n_times: int,
        classes: Sequence[str] = (),
        uses: Sequence[str] = (),
        seed: int = 0,
        features: Callable[[Encoder, Windows], np.ndarray] | None = None,
    ):
        self.encoder, self.head, self.adapter, self.aligner = encoder, head, adapt, align or NoAlign()
        self.space, self.n_times = space, int(n_times)
        self.classes, self.uses, self.seed = tuple(classes), tuple(uses), int(seed)
        self.features = features
        self.notes: dict[str, Any] = {}
        self.subspace = Subspace()
        self.fitted = False
        adapt.check(encoder, head)
        if self._on_latent and not getattr(encoder, "has_latent", False):
            word = type(self.aligner).__name__.lower()
            raise SentenceError(
                f"align={word} normalises people inside a network, and {type(encoder).__name__} has no place for it: use model=tsmnet, or "
                "align=riemannian or euclidean"
            )
        if self._on_latent:
            self._check_latent()

    def _check_latent(self) -> None:
        word, adapt = type(self.aligner).__name__.lower(), type(self.adapter).__name__.lower()
        if not self.adapter.trains:
            raise SentenceError(
                f"align={word} normalises people inside a network that learned so, and adapt={adapt} would fit its head on pooled "
                "statistics and ask it on each person's own: use adapt=full, or align=none"
            )
        if self.adapter.temperature:
            raise SentenceError(
                f"adapt.temperature=true is found on answers that are not normalised by align={word}, and would scale those that are: "
                "use adapt.temperature=false, or another align="
            )

    @property
    def n_outputs(self) -> int:
        """Columns of the answer."""
        return len(self.classes) or 1

    @property
    def yhat_kind(self) -> str:
        """'probability', 'decision' or 'value'."""
        return self.head.yhat_kind

    @property
    def deterministic(self) -> bool:
        """True where every part gives the same answer whatever the seed."""
        return all(getattr(part, "deterministic", True) for part in (self.encoder, self.head, self.adapter, self.aligner))

    # -- the four verbs ---------------------------------------------------------------------------------------

    def fit(self, source: Windows) -> Self:
        """Learn from labelled source rows. `notes` then says how the checkpoint or C was chosen, and what learning cost.

        Rows that the preparation marked in the column `rejected` (artefacts) are not learned from.

        Raises
        ------
        GuardError
            No y.
        BrokenDataError
            All rows are marked.
        """
        lesson = self._lesson(source)
        with Cost() as cost:
            notes = self.adapter.fit(*lesson)
        return self._learned(lesson, {**(notes or {}), **cost.notes})

    @staticmethod
    def fit_together(decoders: Sequence[Decoder], sources: Sequence[Windows]) -> Iterator[tuple[int, Exception | None]]:
        """Fit decoders of one recipe, each on its own source; give the number of each as soon as it is fitted, or the error of its fit."""
        share = Shared(1 + max((source.rows.max(initial=-1) for source in sources), default=-1))
        lessons = [decoder._lesson(source, share) for decoder, source in zip(decoders, sources, strict=True)]
        adapters = [decoder.adapter for decoder in decoders]
        for number, notes in adapters[0].fit_together(adapters, lessons):
            if not isinstance(notes, Exception):
                decoders[number]._learned(lessons[number], notes)
            yield number, notes if isinstance(notes, Exception) else None

    @property
    def n_together(self) -> int:
        """How many decoders like this one are best fitted at once."""
        return self.adapter.n_together(self.encoder)

    def _lesson(self, source: Windows, share: Shared | None = None) -> Lesson:
        """Return what there is to learn from: features of the clean rows, people made alike."""
        if source.y is None:
            raise GuardError("fit needs labelled windows: let a task set y (task.label), or give y to Windows.from_arrays")
        source = _clean(source)
        self._check(source)
        meta = source.blind(self.uses).meta
        if self._has_rank:
            self.subspace.fit(source)
        self._settle(source, meta)
        F = self._aligned(source, meta, self.aligner.fit_source)
        F = F if share is None else share(F, source.rows)
        return Lesson(self.encoder, self.head, F, source.y, meta, self.space, self.n_outputs, self.seed, _length_s(source))

    def _learned(self, lesson: Lesson, notes: dict[str, Any] | None) -> Self:
        self.notes = {**(notes or {}), **self.subspace.notes(), **self.encoder.notes(), **self.head.notes()}
        if self._on_latent:  # only now it is known what the network makes of the source
            self.aligner.fit_source(self.encoder.latent(lesson.F), lesson.meta)
        self.fitted = True
        return self

    def align(self, blind: Windows) -> Self:
        """Take in unlabelled rows of the target before it is predicted.

        Blind rows carry no mark of artefacts: here, in `predict` and in `update` all of them count, as they would on line.
        """
        self._check_blind(blind, "align")
        self._check_rank(blind)
        seen = np.asarray(blind.X) if self._on_signal else self._features(blind)
        self.aligner.observe(self.encoder.latent(seen) if self._on_latent else seen, blind.meta)
        return self

    def calibrate(self, labelled: Windows) -> Self:
        """Go on learning from few labelled rows of the target, which also serve its alignment; not from those marked `rejected`.

        Raises
        ------
        GuardError
            No y.
        BrokenDataError
            All rows are marked.
        """
        if labelled.y is None:
            raise GuardError("calibrate needs labelled windows")
        labelled = _clean(labelled)
        self._check(labelled)
        self._check_rank(labelled)
        ordered = _in_time(labelled)
        meta = ordered.blind(self.uses).meta
        F = self._aligned(ordered, meta, self.aligner.transform)
        self.adapter.calibrate(self.encoder, self.head, F, ordered.y, meta, self.space, self.n_outputs, self.seed, _length_s(ordered))
        if self._on_latent:
            self.aligner.observe(self.encoder.latent(F), meta)
        return self

    def predict(self, blind: Windows) -> np.ndarray:
        """Answer for blind rows, [n, n_outputs]; the decoder itself stays as it is.

        Rows of one person are taken in the order in which they were recorded: with align.access=online each one is
        aligned by what came before it and itself. `update` makes that past lasting.
        """
        F, meta, order = self._target(blind)
        yhat = np.empty((len(blind), self.n_outputs))
        yhat[order] = np.asarray(self.adapter.predict(self._reader, self.head, F, meta, self.space), dtype=float).reshape(len(order), -1)
        return yhat

    def update(self, blind: Windows) -> Self:
        """Remember blind rows that were predicted as the past of those to come."""
        self._check_blind(blind, "update")
        ordered = _in_time(blind)
        self._read(ordered, ordered.meta, self.aligner)
        return self

    def encode(self, blind: Windows) -> np.ndarray:
        """Return the representation of blind rows, [n, d]."""
        F, meta, order = self._target(blind)
        Z = np.asarray(self._reader.encode(F, meta, self.space))
        result = np.empty_like(Z)
        result[order] = Z
        return result

    def read(self, blind: Windows) -> np.ndarray:
        """Return what the encoder is given for blind rows, aligned: a network's windows [n, channels, times], or features [n, ...]."""
        F, _, order = self._target(blind)
        result = np.empty(np.shape(F), dtype=F.dtype)
        result[order] = F[:]
        return result

    def patterns(self) -> dict[str, Any] | None:
        """Return scalp patterns of a linear decoder as recorded, alignment undone: 'patterns' [k, channels] and 'labels'; else None."""
        found = self.encoder.patterns(self.head)
        if found is None:
            return None
        outputs = found.get("outputs") or [None] * len(found["labels"])
        spoken_for = ["" if k is None or not self.classes else self.classes[k] for k in outputs]
        labels = [" ".join(part for part in both if part) for both in zip(spoken_for, found["labels"], strict=True)]
        maps, bands = np.asarray(found["patterns"], dtype=float), found.get("bands")
        # undone in the reverse of the order in which they were done
        maps = self.aligner.back(self.subspace.back(maps), bands) if self._on_signal else self.subspace.back(self.aligner.back(maps, bands))
        return {"patterns": maps, "labels": labels}

    def predictions(self, windows: Windows, **facts: Any) -> Predictions:
        """Predict labelled windows blindly and put the truth beside it, for scoring."""
        yhat = self.predict(windows.blind(self.uses))
        return Predictions(yhat, self.yhat_kind, windows.y, windows.meta, self.classes, facts)

    # -- how rows become features -----------------------------------------------------------------------------

    def _target(self, blind: Windows) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
        self._check_blind(blind, "predict")
        if not self.fitted:
            raise SentenceError("this decoder has not been fitted: call fit first")
        self._check_rank(blind)
        order = in_time(blind.meta, np.arange(len(blind)))
        rows = blind[order]
        aligner = copy.deepcopy(self.aligner)  # predicting twice gives the same answer twice
        return self._read(rows, rows.meta, aligner), rows.meta, order

    def _read(self, windows: Windows, meta: pd.DataFrame, aligner: Align) -> np.ndarray:
        """Return rows of the target, aligned, as `_reader` takes them."""
        if self._on_latent:
            return aligner.transform(self.encoder.latent(self._features(windows)), meta)
        return self._aligned(windows, meta, aligner.transform)

    @property
    def _reader(self) -> Encoder:
        """The encoder, or what of it stands behind an alignment of its latent."""
        return self.encoder.rest if self._on_latent else self.encoder

    def _aligned(self, windows: Windows, meta: pd.DataFrame, act: Callable[[np.ndarray, pd.DataFrame], np.ndarray]) -> np.ndarray:
        """Return features after `act` of the aligner, on the signal or on SPD features, as the aligner wants.

        An aligner of a network's latent does nothing yet: a network that learns normalises by itself.
        """
        if self._on_signal:
            return self._projected(self.encoder.per_window(act(np.asarray(windows.X), meta), self.space), self.encoder)
        return self._features(windows) if self._on_latent else act(self._features(windows), meta)

    @property
    def asks_the_store(self) -> bool:
        """True where features depend on one window alone and are not learned: the same for every fold, seed and person."""
        return not self.encoder.neural and not self._on_signal

    @property
    def _on_signal(self) -> bool:
        return self.aligner.acts_on == "signal" or (self.aligner.acts_on == "feature" and not self.encoder.spd)

    @property
    def _on_latent(self) -> bool:
        return self.aligner.acts_on == "latent"

    def _features(self, windows: Windows, encoder: Encoder | None = None) -> np.ndarray:
        encoder = self.encoder if encoder is None else encoder
        if self.features is not None and self.asks_the_store:
            return self._projected(self.features(encoder, windows), encoder)
        # a network reads batch by batch, and from the disk where windows lie there
        return self._projected(encoder.per_window(windows.lazy if encoder.neural else windows.X, self.space), encoder)

    @property
    def _has_rank(self) -> bool:
        """True where covariance matrices must have full rank, of features or of the signal: a network mends its own."""
        return (self.encoder.spd or getattr(self.encoder, "wants_rank", False)) and not self.encoder.neural

    def _projected(self, F: np.ndarray, encoder: Encoder) -> np.ndarray:
        if not self._has_rank:
            return F
        if encoder.spd:
            return self.subspace.project(F)
        return self.subspace.project_signal(F) if getattr(encoder, "wants_rank", False) else F

    def _settle(self, source: Windows, meta: pd.DataFrame) -> None:
        """Let the encoder choose what changes its features, on the fit rows alone."""

        def ask(encoder: Encoder) -> np.ndarray:
            if self._on_signal:
                return self._projected(encoder.per_window(self.aligner.fit_source(np.asarray(source.X), meta), self.space), encoder)
            F = self._features(source, encoder)
            return self.aligner.fit_source(F, meta) if encoder.spd else F

        def loss(encoder: Encoder, F: np.ndarray) -> float:
            return held_out_loss(encoder, self.head, F, source.y, meta, self.space, self.n_outputs, length_s=_length_s(source))

        self.encoder.settle(ask, loss)

    def _check(self, windows: Windows) -> None:
        if not len(windows):
            raise SentenceError("there is no window to work on")
        if windows.space != self.space:
            mine, theirs = self.space, windows.space
            absent = [n for n in mine.names if n not in theirs.names]
            raise BrokenDataError(
                f"the windows have {len(theirs)} channels at {theirs.sfreq:g} Hz in {theirs.unit}, the decoder was made for {len(mine)} at "
                f"{mine.sfreq:g} Hz in {mine.unit}"
                + (f"; missing: {', '.join(absent[:10])}" if absent else "")
                + ": pick and order channels with prepare.match.channels, the rate with prepare.resample.sfreq_hz"
            )
        if windows.n_times != self.n_times:
            raise BrokenDataError(
                f"the windows have {windows.n_times} samples, the decoder was made for {self.n_times}: cut windows of {self.n_times / self.space.sfreq:g} s"
            )

    def _check_rank(self, target: Windows) -> None:
        if self._has_rank:
            self.subspace.check(target)

    def _check_blind(self, windows: Windows, verb: str) -> None:
        if not windows.is_blind:
            raise GuardError(f"{verb} takes blind windows only: hand over windows.blind()")
        allowed = windows.seen_at_test(self.uses)
        seen = [column for column in windows.meta.columns if column not in allowed]
        if seen:
            raise GuardError(f"{verb} may not see the outcome columns {', '.join(seen)}: hand over windows.blind()")
        self._check(windows)

    # -- on disk ----------------------------------------------------------------------------------------------

    def save(self, folder: Path, **facts: Any) -> Path:
        """Write the decoder without pickle: decoder.json, state.safetensors, and *.skops for scikit-learn estimators.

        Parameters
        ----------
        folder : Path
            A decoder that is there is replaced.
        facts : plain values
            Kept in decoder.json (how the data were prepared, the task).

        Raises
        ------
        StoreError
            Something else is there, or the folder cannot be written.
        """
        import shutil

        from safetensors.numpy import save_file

        folder = Path(folder)
        parts = {"encoder": self.encoder, "head": self.head, "adapt": self.adapter, "align": self.aligner}
        plain = {
            "format": 1,
            "parts": {name: _plain_part(part) for name, part in parts.items()},
            "space": self.space.to_dict(),
            "n_times": self.n_times,
            "classes": list(self.classes),
            "uses": list(self.uses),
            "seed": self.seed,
            "rank_known": self.subspace.known,
            "notes": {k: v for k, v in self.notes.items() if k not in ("history",)},
            **facts,
        }
        state = {f"{name}.{k}": np.asarray(v, order="C") for name, part in parts.items() for k, v in part.state().items()}
        if self.subspace.basis is not None:
            state["subspace.basis"] = self.subspace.basis
        if folder.exists():
            if not folder.is_dir() or (any(folder.iterdir()) and not (folder / "decoder.json").is_file()):
                raise StoreError(f"{folder} is there and is no decoder, so it is not replaced: save to another folder")
            shutil.rmtree(folder)
        with store.writing(folder) as tmp:
            tmp.mkdir(parents=True)
            store.write_json(tmp / "decoder.json", plain)
            save_file(state, str(tmp / "state.safetensors"))
            for name, estimator in getattr(self.head, "estimators", dict)().items():
                import skops.io

                skops.io.dump(estimator, tmp / f"{name}.skops")
        return folder

    @classmethod
    def load(cls, folder: Path, own: Any = None, trusted: Sequence[str] = ()) -> Self:
        """Read a decoder that `save` wrote; its predictions equal those of the saved one bit for bit.

        Parameters
        ----------
        folder : Path
        own : nn.Module or None
            The untrained network, for a decoder of one's own module: code is never loaded from a file.
        trusted : sequence of str
            Type names outside scikit-learn and pyriemann that a saved estimator may hold.

        Raises
        ------
        BrokenDataError
            Not a decoder, damaged, or it names a type that is not trusted.
        """
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            plain = store.read_json(folder / "decoder.json")
            state = load_file(str(folder / "state.safetensors"))
        except Exception as error:  # safetensors raises its own error type
            raise BrokenDataError(f"{folder} does not hold a decoder ({error})") from error
        absent = [name for name in ("parts", "space", "n_times", "classes", "uses", "seed", "notes") if name not in plain]
        if absent:
            raise BrokenDataError(f"{folder} does not hold a decoder (decoder.json lacks {', '.join(absent)})")
        parts = {name: _build_part(config, own) for name, config in plain["parts"].items()}
        space = Space.from_dict(plain["space"])
        states = {name: {k.partition(".")[2]: v for k, v in state.items() if k.startswith(name + ".")} for name in parts}
        # a way of adapting knows what it added to the encoder, whose state then finds its place
        parts["adapt"].load_state(states.pop("adapt")).rebuild(parts["encoder"], parts["head"], (len(space), plain["n_times"]), space)
        for name, own_state in states.items():
            parts[name].load_state(own_state)
        estimators = {file.stem: _load_skops(file, trusted) for file in sorted(folder.glob("*.skops"))}
        if estimators:
            parts["head"].load_estimators(estimators)
        decoder = cls(
            **parts,
            space=space,
            n_times=plain["n_times"],
            classes=plain["classes"],
            uses=plain["uses"],
            seed=plain["seed"],
        )
        decoder.subspace = Subspace(state.get("subspace.basis"), plain.get("rank_known", False))
        decoder.notes, decoder.fitted = plain["notes"], True
        return decoder


def _in_time(windows: Windows) -> Windows:
    return windows[in_time(windows.meta, np.arange(len(windows)))]


def _clean(labelled: Windows) -> Windows:
    """Leave out rows that the preparation marked as artefacts."""
    if "rejected" not in labelled.meta:
        return labelled
    clean = ~labelled.meta["rejected"].isin([True]).to_numpy()
    if len(labelled) and not clean.any():
        raise BrokenDataError(
            f"all {len(labelled)} windows to learn from are marked as artefacts (rejected): choose a higher prepare.reject.threshold, or give more"
        )
    return labelled[clean]


def _length_s(windows: Windows) -> float:
    """Return how long a stretch a window is made of, s."""
    first, stop = windows.reach_s
    return stop - first


def _plain_part(part: Any) -> dict[str, Any]:
    own = getattr(part, "own", None)  # one's own network: only its state is kept
    return {"_target_": f"{type(part).__module__}.{type(part).__qualname__}", "own": own} if own else catalogue.plain(part)


def _build_part(config: dict[str, Any], own: Any) -> Any:
    refuse_foreign(config)
    config = dict(config)
    named = config.pop("own", None)
    if named is not None:
        if own is None:
            raise BrokenDataError(
                f"this decoder is one's own network ({named}): load it with Decoder.load(folder, own=the untrained network)"
            )
        return catalogue.locate(config["_target_"])(own)
    return catalogue.make(config)


def refuse_foreign(config: Any) -> None:
    """Let a configuration out of a file build the house's own classes alone: a file from outside may name any callable.

    Raises
    ------
    BrokenDataError
        Names what is no class of corticode.
    """
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and not _is_ours(str(target)):
            raise BrokenDataError(f"decoder.json names {target}, which is not a class of corticode: it is not built from a file")
        for value in config.values():
            refuse_foreign(value)
    elif isinstance(config, list):
        for value in config:
            refuse_foreign(value)


def _is_ours(target: str) -> bool:
    # a function of the house, such as its command line, could be made to do anything
    if not target.startswith("corticode."):
        return False
    thing = catalogue.locate(target)
    return isinstance(thing, type) and thing.__module__.startswith("corticode.")


# skops itself knows the harmless types of numpy and the standard library
_TRUSTED = ("sklearn.", "pyriemann.")


def _load_skops(file: Path, trusted: Sequence[str]) -> Any:
    import skops.io

    unknown = skops.io.get_untrusted_types(file=file)
    foreign = [name for name in unknown if not name.startswith(_TRUSTED) and name not in trusted]
    if foreign:
        raise BrokenDataError(f"{file} holds types that are not trusted: {', '.join(foreign)}: load with trusted=[...] if they are yours")
    return skops.io.load(file, trusted=unknown)
