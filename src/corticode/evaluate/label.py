"""What pipelines and protocols are called: by the keys in which they differ, as one types them, by a hash at last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from corticode import store
from corticode.augment.base import switched_on
from corticode.evaluate.record import read_config

if TYPE_CHECKING:
    from corticode.evaluate.runs import Candidate

# Protocols that agree in these may be combined over data sets.
_FAMILY = ("split", "split_arguments", "size", "access", "metric", "level", "conformal")
# What a pipeline is on whatever data, and what may be another one with each data set.
_PIPELINE, _PREPARATION = ("model", "adapt", "align", "augment"), ("prepare", "task")
_ASKED = ("task", "metric", "level", "unit", "split", "data", "prepare")
# More keys than this are cut down to those that it takes to tell pipelines apart.
_MOST_KEYS, _LONGEST = 4, 40


def family_of(protocol: Mapping[str, Any]) -> str:
    """Return 8 hex digits of what protocols of different data must share to be combined."""
    return store.key([protocol.get(name) for name in _FAMILY])[:8]


# -- pipelines --------------------------------------------------------------------------------------------------------


def label(candidates: Sequence[Candidate]) -> None:
    """Name candidates by their model; where several configurations share it, by the keys that differ, at last by their hash.

    One pipeline on two data sets keeps one name, so that data sets can be combined: preparation, which a data set brings,
    is named only where it differs within one protocol.
    """
    for model, same in _grouped(candidates, lambda c: c.first.model):
        alone = len({(c.first.facts.get("pipeline_hash"), c.config_hash) for c in same}) == 1
        facts = [{} if alone else _of_pipeline(c) for c in same]
        told = _telling(same, facts)
        for c, said in zip(same, facts, strict=True):
            words = ", ".join(spoken(key, said) for key in told if key in said)
            c.label = f"{model} ({words})" if words else str(model)
        for _, clashing in _grouped(same, lambda c: (c.protocol_hash, c.label)):
            if len(clashing) > 1:
                for c in clashing:
                    c.label = f"{c.label} #{c.config_hash[:6]}"


def _telling(same: Sequence[Candidate], facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that tell candidates apart where they stand side by side: in one family, or in one protocol."""
    told: dict[str, None] = {}
    places = ((_PIPELINE, [family_of(c.first.summary["protocol"]) for c in same]), (_PREPARATION, [c.protocol_hash for c in same]))
    for words, place in places:
        for there in dict.fromkeys(place):
            near = [one for one, where in zip(facts, place, strict=True) if where == there]
            mine = [{key: value for key, value in one.items() if key.partition(".")[0] in words} for one in near]
            told |= dict.fromkeys(_fewest(mine, differing(mine)))
    return list(told)


def _of_pipeline(c: Candidate) -> dict[str, Any]:
    """Return the keys of a candidate's configuration; where it was not kept, what the summary says."""
    config, summary = read_config(c.first.folder), c.first.summary
    models = config.get("models") or {}
    words = {word: config[word] for word in (*_PIPELINE, *_PREPARATION) if word in config}
    words["augment"] = switched_on(words.get("augment"))  # what is off is nowhere, as in runs that knew no augmentation
    if c.first.model in models:
        words["model"] = models[c.first.model]
    choices = config.get("choices") or {}
    plain = {word: summary.get(word) or "none" for word in ("align", "adapt", "prepare") if word not in words and word in summary}
    return {**_flat(words, choices), **plain}


def _flat(tree: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return 'word.key' -> value; the entry of a word stands under the word itself, what belongs to it below."""
    found: dict[str, Any] = {}

    def walk(node: Any, path: str) -> None:
        if not isinstance(node, Mapping):
            found[path] = float(node) if isinstance(node, int) and not isinstance(node, bool) else node
            return
        if "_target_" in node:
            found[path] = choices.get(path) or _entry(str(node["_target_"]))
        for key, value in node.items():
            if key not in ("_target_", "name"):
                walk(value, f"{path}.{key}")

    for word, node in tree.items():
        walk(node, word)
    return found


def _entry(target: str) -> str:
    """Return what a class is called in a sentence: its file, as entries are."""
    *_, file, name = ("", *target.split("."))
    return name.lower() if file in ("", "base") else file


def differing(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which some mappings differ; below an entry that differs itself, none."""
    keys = list(dict.fromkeys(key for one in facts for key in one))
    other = [key for key in keys if len({store.canonical(one[key]) if key in one else "" for one in facts}) > 1]
    return [key for key in other if not any(key.startswith(f"{above}.") for above in other)]


def _fewest(facts: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """Return the keys, or, where they are many, the first ones that tell as much apart as all of them."""
    if len(keys) <= _MOST_KEYS:
        return list(keys)
    kept: list[str] = []
    for key in keys:
        if _parts(facts, [*kept, key]) > _parts(facts, kept):
            kept.append(key)
    return kept


def _parts(facts: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    return len({store.canonical([one.get(key) for key in keys]) for one in facts})


def spoken(key: str, facts: Mapping[str, Any]) -> str:
    """Return 'word.key=value' as one types it; long lists by their ends."""
    return f"{key}={_value(facts[key])}"


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | tuple):
        said = [_value(one) for one in value]
        text = f"[{','.join(said)}]"
        return text if len(text) <= _LONGEST else f"[{','.join(said[:2])},..,{said[-1]}: {len(said)}]"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}.."


# -- protocols --------------------------------------------------------------------------------------------------------


def titles(protocols: Sequence[Mapping[str, Any]], candidates: Sequence[Sequence[Candidate]]) -> list[str]:
    """Return what each protocol is called: data, split and access, then as little as tells it from the others.

    Parameters
    ----------
    protocols : sequence of mapping
        See summary.json.
    candidates : sequence of list of Candidate
        Those of each, whose configurations are read where the protocols alone leave two with one name.
    """
    found = [_title(protocol) for protocol in protocols]
    for _, same in _grouped(range(len(found)), lambda i: found[i]):
        if len(same) == 1:
            continue
        facts = [_of_protocol(protocols[i], candidates[i]) for i in same]
        keys = [key for word in _ASKED for key in differing(facts) if key.partition(".")[0] == word]
        for i, said in zip(same, facts, strict=True):
            found[i] = ", ".join([found[i], *(spoken(key, said) for key in _fewest(facts, keys) if key in said)])
    again = [title for title in found if found.count(title) > 1]
    return [f"{title}, rows {c[0].protocol_hash[:8]}" if title in again else title for title, c in zip(found, candidates, strict=True)]


def _title(protocol: Mapping[str, Any]) -> str:
    size, split = protocol.get("size"), str(protocol.get("split") or "")
    if size:
        of = (protocol.get("split_arguments") or {}).get("of", "subject")
        split += f" taught by {size} " + ("trials per class" if of == "trial" else "person" if str(size) == "1" else "people")
    words = [str(protocol.get("data") or ""), split, f"access {protocol.get('access') or 'none'}", conformal(protocol)]
    return ", ".join(word for word in words if word)


def conformal(protocol: Mapping[str, Any]) -> str:
    """Return 'conformal 0.1' where people were held out for prediction sets, else nothing."""
    alpha = protocol.get("conformal")
    return "" if alpha is None else f"conformal {alpha:g}" if isinstance(alpha, int | float) else f"conformal {alpha}"


def _of_protocol(protocol: Mapping[str, Any], candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return what a protocol asks, and the keys of data and preparation that all of its candidates share."""
    asked = {name: protocol.get(name) for name in ("task", "metric", "level", "unit")}
    shared: dict[str, Any] = {}
    for i, c in enumerate(candidates):
        config = read_config(c.first.folder)
        mine = _flat({word: config[word] for word in ("data", "prepare") if word in config}, config.get("choices") or {})
        shared = mine if not i else {key: value for key, value in shared.items() if key in mine and mine[key] == value}
    return {**asked, **_flat({"split": protocol.get("split_arguments") or {}}, {}), **shared}


def _grouped(things: Iterable[Any], key: Any) -> Iterable[tuple[Any, list[Any]]]:
    groups: dict[Any, list[Any]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups.items()
