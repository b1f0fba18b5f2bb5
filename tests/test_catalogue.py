"""Every YAML builds, every card is complete, every key is documented: this test is the arrow from conf/ to the code."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from corticode import catalogue
from corticode.compose import compose
from corticode.errors import SentenceError
from sized import small

ROOT = Path(__file__).resolve().parents[1]
CONF = catalogue.conf_folder()
# as recordings have them: some networks know channels by name
ELECTRODES = ("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC1", "FC2", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1",
              "Oz", "O2")  # fmt: skip
OWN_WORDS = ("task", "prepare", "split", "augment", "align", "adapt")


def entries(word: str) -> list[str]:
    return sorted(catalogue.names(word))


def plain(word: str, entry: str) -> dict:
    text = yaml.safe_load((CONF / word / f"{entry}.yaml").read_text(encoding="utf-8")) or {}
    return text.get(word, {}) if word in ("data", "model") else text


@pytest.mark.parametrize("word", catalogue.WORDS)
def test_each_entry_says_what_it_is(word):
    for name, sentence in catalogue.names(word).items():
        assert sentence, f"conf/{word}/{name}.yaml has no description in its first comment"


@pytest.mark.parametrize("word,entry", [(w, e) for w in OWN_WORDS for e in entries(w)])
def test_entry_builds(word, entry):
    cfg = compose([f"{word}={entry}"])
    if word != "adapt":  # an adapt needs a model's parts
        assert catalogue.make(cfg[word]) is not None


@pytest.mark.parametrize("entry", entries("data"))
def test_data_builds_with_its_defaults(entry):
    cfg = compose([f"data={entry}"])
    dataset = catalogue.make(cfg["data"])
    for word in ("task", "prepare", "split"):
        catalogue.make(cfg[word])
    card = dataset.card
    for fact in ("title", "source", "licence", "citation"):
        assert getattr(card, fact), f"{entry}: the card lacks {fact}"
    assert dataset.name == catalogue.canonical_name("data", entry)


# one's own models and braindecode's are named by whoever types them: tests/encoder/test_own.py and test_braindecode.py build some
@pytest.mark.parametrize("entry", [e for e in entries("model") if e not in ("own", "braindecode")])
@pytest.mark.parametrize("channels,times,classes", [(6, 256, ("a", "b")), (22, 1000, ("a", "b", "c", "d"))])
def test_model_builds(entry, channels, times, classes):
    from corticode.recipe import Recipe
    from corticode.space import Space

    cfg = compose([f"model={entry}", *small(entry)])
    # as long windows at another rate, where a network takes one alone
    rate = getattr(catalogue.locate(cfg["model"]["encoder"]["_target_"]), "rate_hz", None) or 128.0
    times = round(times * rate / 128)
    space = Space("eeg", ELECTRODES[:channels], "uV", rate)
    recipe = Recipe(entry, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], space, times, classes)
    decoder = recipe(0)
    assert decoder.yhat_kind == "probability"
    assert cfg["model"]["name"] == entry


def test_yaml_lists_every_argument_with_its_default():
    """Hydra refuses keys that a YAML does not have; and a default must be the same whichever way one comes."""
    exempt = {"objective", "training", "trainer"}  # filled in by the recipe
    for word in (*OWN_WORDS, "data"):
        for entry in entries(word):
            if catalogue.canonical_name(word, entry) != entry:
                continue
            config = compose([f"{word}={entry}"])[word]
            check_arguments(f"{word}/{entry}", config, exempt)
    for entry in entries("model"):
        if entry == "own":
            continue
        config = compose([f"model={entry}"])["model"]
        for part in ("encoder", "head", "objective", "train"):
            if config.get(part):
                check_arguments(
                    f"model/{entry}.{part}",
                    config[part],
                    {"n_chans", "n_times", "n_outputs", "sfreq", "n_features", "n_tokens", "random_state", "kind", "space"},
                )


def check_arguments(where: str, config: dict, exempt: set[str]) -> None:
    for key, value in config.items():
        if isinstance(value, dict) and "_target_" in value:
            check_arguments(f"{where}.{key}", value, exempt)
    parameters = inspect.signature(catalogue.locate(config["_target_"])).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    wanted = [n for n in parameters if n not in exempt]
    listed = [k for k in config if k != "_target_" and k not in exempt]
    assert set(listed) == set(wanted), f"conf/{where} lists {sorted(set(listed) ^ set(wanted))} differently from the constructor"
    order = [k for k in listed if k in wanted]
    assert order == [n for n in wanted if n in order], f"conf/{where}: keys stand in another order than the constructor's"


def test_unknown_words_get_near_names():
    with pytest.raises(SentenceError, match="eegnet"):
        compose(["model=eegnett"])
    with pytest.raises(SentenceError, match="physionet_mi"):
        compose(["data=physionet"])
    with pytest.raises(SentenceError, match="shots"):
        compose(["split.shot=3"])
    with pytest.raises(SentenceError, match="model"):
        compose(["modle=eegnet"])


def test_two_recipes_are_not_merged():
    with pytest.raises(SentenceError, match="-m model="):
        compose(["model=[eegnet,mdm]"])


def test_the_command_line_wins_over_what_data_bring():
    cfg = compose(["data=physionet_mi", "split=kfold"])
    assert cfg["choices"]["split"] == "kfold"
    assert compose(["data=bci_iv_2a"])["choices"]["data"] == "bnci2014_001"
    assert compose(["data=bci_iv_2a"])["choices"]["split"] == "cross_session"


@pytest.mark.parametrize("name", ["README.md"])
def test_generated_tables_are_current(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert catalogue.with_tables(text) == text, f"run: python -m corticode.catalogue {name}"


@pytest.mark.parametrize("entry", entries("experiment"))
def test_experiment_composes_and_says_what_it_expects(entry):
    cfg = compose([f"experiment={entry}"])
    assert 0 < cfg["expects"]["at_least"] < 1
    assert compose([f"experiment={entry}", "align=none"])["choices"]["align"] == "none", "the command line wins over an experiment"
