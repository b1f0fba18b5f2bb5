"""The decoder: what it may see, what stays as it was, and that what is saved answers bit for bit the same."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from conftest import make_windows
from corticode import catalogue, store
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import BrokenDataError, GuardError, SentenceError, StoreError
from corticode.recipe import Recipe
from corticode.space import Space
from corticode.task.classification import Classification
from corticode.windows import Block, Windows
from sized import sized, small

# braindecode is an extra that cannot be imported beside every build of torch; its wrapper has tests of its own
MODELS = sorted(name for name in catalogue.names("model") if name not in ("own", "braindecode"))
ALIGN = ("none", "euclidean", "riemannian")


@functools.cache
def config(model: str, align: str, *words: str) -> dict:
    return compose([f"model={model}", f"align={align}", "trainer=cpu", *small(model), *(word for word in words if word != "search")])


def new_decoder(model: str, windows: Windows, align: str = "none", *words: str, seed: int = 0) -> Decoder:
    """What a run would start a fold from, made quick: networks learn for two epochs, C is not searched for, two delays are tried."""
    cfg = config(model, align, *words)
    model_config = dict(cfg["model"])
    if model_config.get("train"):
        model_config["train"] = {**model_config["train"], "max_epochs": 2, "calibrate_epochs": 2}
    if "Cs" in model_config["head"] and "search" not in words:
        model_config["head"] = {**model_config["head"], "C": 1.0}
    few = {"orders": [1, 2], "lags": [2], "freqs_hz": [10, 12]}  # hands do not flicker: a frequency has to be told
    if (bands := model_config["encoder"].get("bands_hz")) and max(bands)[1] > 60:
        few["bands_hz"] = [[8, 60], [16, 60]]
    known = model_config["encoder"]
    model_config["encoder"] = {**known, **{name: value for name, value in few.items() if name in known}}
    classes = tuple(windows.info["classes"]["event"])
    return Recipe(model, model_config, cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, classes)(seed)


@functools.cache
def recorded(n_times: int = 128, sfreq: float = 128.0) -> Windows:
    return Classification().label(make_windows(n_trials=8, n_times=n_times, sfreq=sfreq))


def divided(windows: Windows) -> tuple[Windows, Windows]:
    """Rows of S1 to S3 to learn from, of S4 to answer for: its order is the order of time."""
    target = (windows.meta["subject"] == "S4").to_numpy()
    return windows[~target], windows[target]


@pytest.fixture(scope="module")
def labelled() -> Windows:
    return recorded()


@pytest.fixture(scope="module")
def parts(labelled):
    return divided(labelled)


# -- on disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("align", ALIGN)
@pytest.mark.parametrize("model", MODELS)
def test_a_saved_decoder_answers_bit_for_bit_the_same(model, align, tmp_path):
    source, target = divided(recorded(*sized(model, 128)))
    decoder = new_decoder(model, source, align).fit(source)
    if decoder.aligner.acts_on != "nothing":
        decoder.align(target[:4].blind())  # what was learned of the target is kept too
    yhat = decoder.predict(target.blind())
    folder = decoder.save(tmp_path / "model", trained_on="S1 to S3")
    loaded = Decoder.load(folder)
    assert np.array_equal(loaded.predict(target.blind()), yhat)
    assert (loaded.space, loaded.n_times, loaded.classes, loaded.seed) == (decoder.space, decoder.n_times, decoder.classes, decoder.seed)
    assert {file.name for file in folder.iterdir()} == {"decoder.json", "state.safetensors"}
    assert store.read_json(folder / "decoder.json")["trained_on"] == "S1 to S3"
    assert np.array_equal(Decoder.load(loaded.save(tmp_path / "again")).predict(target.blind()), yhat)


@pytest.fixture
def saved(parts, tmp_path):
    return new_decoder("logvar_lda", parts[0]).fit(parts[0]).save(tmp_path / "model")


def test_an_estimator_of_scikit_learn_is_kept_without_pickle(parts, tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    source, target = parts
    recipe = own_recipe(RandomForestClassifier(5), source)
    decoder = recipe(3).fit(source)
    folder = decoder.save(tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {"decoder.json", "state.safetensors", "estimator.skops"}
    assert np.array_equal(Decoder.load(folder).predict(target.blind()), decoder.predict(target.blind()))


def own_recipe(estimator, windows: Windows) -> Recipe:
    cfg = config("own", "none")
    classes = tuple(windows.info["classes"]["event"])
    return Recipe(
        "own", {"name": "own"}, cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, classes, own=estimator
    )


def test_the_seed_of_a_run_is_the_seed_of_an_estimator(parts):
    from sklearn.ensemble import RandomForestClassifier

    source, target = parts
    recipe = own_recipe(RandomForestClassifier(5), source)
    one, same, other = (recipe(seed).fit(source).predict(target.blind()) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    fixed = own_recipe(RandomForestClassifier(5, random_state=7), source)
    assert np.array_equal(fixed(0).fit(source).predict(target.blind()), fixed(1).fit(source).predict(target.blind()))


def rewrite(folder, change):
    plain = store.read_json(folder / "decoder.json")
    change(plain)
    store.write_json(folder / "decoder.json", plain)


@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.Popen", "corticode.cli.main", "corticode.experiment.run", "corticode_evil.Net", "corticode.store.os.system"],
)
@pytest.mark.parametrize("place", ["head", "nested"])
def test_a_file_cannot_name_other_code(saved, target, place, monkeypatch):
    def change(plain):
        part = plain["parts"]["head"]
        if place == "head":
            part["_target_"] = target
        else:
            part["shrinkage"] = [{"_target_": target, "argv": ["list"]}]

    rewrite(saved, change)
    with pytest.raises((BrokenDataError, SentenceError), match=r"not a class of corticode|cannot import|has no"):
        Decoder.load(saved)


def test_an_estimator_of_foreign_types_is_refused(parts, tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    decoder = own_recipe(some_pipeline(FunctionTransformer(own_function)), parts[0])(0).fit(parts[0])
    folder = decoder.save(tmp_path / "model")
    with pytest.raises(BrokenDataError, match=r"not trusted: .*own_function"):
        Decoder.load(folder)
    trusted = skops.io.get_untrusted_types(file=folder / "estimator.skops")
    again = Decoder.load(folder, trusted=trusted)
    assert np.array_equal(again.predict(parts[1].blind()), decoder.predict(parts[1].blind()))


def own_function(X):
    return np.log(X.var(axis=2))


def some_pipeline(*steps):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps, LogisticRegression())


def test_a_damaged_decoder_is_named(saved, tmp_path):
    with pytest.raises(BrokenDataError, match="does not hold a decoder"):
        Decoder.load(tmp_path / "nothing")
    (saved / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(BrokenDataError, match="does not hold a decoder"):
        Decoder.load(saved)


def test_a_folder_that_only_looks_like_a_decoder(saved):
    rewrite(saved, lambda plain: plain.pop("n_times"))
    with pytest.raises(BrokenDataError, match=r"decoder\.json lacks n_times"):
        Decoder.load(saved)


def test_saving_replaces_a_decoder_and_nothing_else(parts, saved, tmp_path):
    decoder = new_decoder("mdm", parts[0]).fit(parts[0])
    decoder.save(saved)
    assert "MDM" in json.dumps(store.read_json(saved / "decoder.json"))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("ten years")
    with pytest.raises(StoreError, match="not replaced"):
        decoder.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "ten years"
    (tmp_path / "empty").mkdir()
    assert Decoder.load(decoder.save(tmp_path / "empty")).classes == decoder.classes


def test_state_keeps_its_shape(parts, tmp_path):
    """A number is not a list of one number."""
    decoder = new_decoder("tangent_space", parts[0], "riemannian").fit(parts[0])
    loaded = Decoder.load(decoder.save(tmp_path / "model"))
    for name in ("encoder", "head", "aligner"):
        before, after = getattr(decoder, name).state(), getattr(loaded, name).state()
        assert {k: (v.shape, v.dtype) for k, v in before.items()} == {k: (v.shape, v.dtype) for k, v in after.items()}
        assert any(v.shape == () for v in decoder.head.state().values())


# -- what it takes ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decoder(parts):
    return new_decoder("logvar_lda", parts[0], "euclidean").fit(parts[0])


@pytest.mark.parametrize("verb", ["predict", "align", "update", "encode"])
def test_only_blind_windows(decoder, parts, verb):
    _, target = parts
    with pytest.raises(GuardError, match=r"blind\(\)"):
        getattr(decoder, verb)(target)
    half_blind = target._replace(y=None)
    with pytest.raises(GuardError, match="outcome columns event" if verb != "encode" else "event"):
        getattr(decoder, verb)(half_blind)


def test_declared_columns_may_be_seen(parts):
    source, target = (rows._replace(meta=rows.meta.assign(age=30)) for rows in parts)
    decoder = new_decoder("logvar_lda", source)
    decoder.uses = ("age",)
    assert len(decoder.fit(source).predict(target.blind(["age"]))) == len(target)


@pytest.mark.parametrize("verb", ["fit", "calibrate"])
def test_learning_needs_labels(decoder, parts, verb):
    with pytest.raises(GuardError, match="labelled windows"):
        getattr(decoder, verb)(parts[1].blind())


def changed(windows: Windows, X=None, **space) -> Windows:
    old = windows.space
    known = {"kind": old.kind, "names": old.names, "unit": old.unit, "sfreq": old.sfreq, **space}
    X = windows.X if X is None else X
    return Windows([Block(np.asarray(X, dtype=np.float32), Space(**known))], windows.meta, y=windows.y, info=windows.info)


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda w: changed(w, w.X[:, :4], names=w.space.names[:4]),
            r"4 channels .* made for 6 .*missing: Pz, Oz.*prepare\.match\.channels",
        ),
        (lambda w: changed(w, names=w.space.names[::-1]), r"prepare\.match\.channels"),
        (lambda w: changed(w, sfreq=100), r"at 100 Hz .*prepare\.resample\.sfreq_hz"),
        (lambda w: changed(w, unit="z"), "in z"),
        (lambda w: changed(w, w.X[:, :, :100]), "100 samples, the decoder was made for 128: cut windows of 1 s"),
    ],
)
def test_windows_of_another_space_are_refused(decoder, parts, make, words):
    for verb, rows in (("predict", parts[1].blind()), ("fit", parts[0]), ("calibrate", parts[1])):
        with pytest.raises(BrokenDataError, match=words):
            getattr(decoder, verb)(make(rows))


def test_nothing_to_answer_and_nothing_learned(decoder, parts):
    with pytest.raises(SentenceError, match="no window"):
        decoder.predict(parts[1][:0].blind())
    with pytest.raises(SentenceError, match="not been fitted"):
        new_decoder("logvar_lda", parts[0]).predict(parts[1].blind())


# -- what answers depend on -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("align", ALIGN)
@pytest.mark.parametrize("model", ["tangent_space", "logvar_lda", "eegnet"])
def test_asking_changes_nothing(model, align, parts):
    source, target = parts
    decoder = new_decoder(model, source, align).fit(source)
    first = decoder.predict(target.blind())
    decoder.encode(target.blind())
    decoder.predict(target[::2].blind())
    assert np.array_equal(decoder.predict(target.blind()), first)


@pytest.mark.parametrize("align", ALIGN)
@pytest.mark.parametrize("model", ["tangent_space", "mdm", "logvar_lda", "csp_lda", "eegnet", "eegformer"])
def test_online_answers_do_not_know_the_future(model, align, parts):
    """The answer for row i stays when what was recorded after it is taken away, or is something else altogether."""
    source, target = parts
    decoder = new_decoder(model, source, align).fit(source)
    whole = decoder.predict(target.blind())
    tolerance = 1e-5 if model.startswith("eeg") else 1e-9
    for n in (1, 7):
        np.testing.assert_allclose(decoder.predict(target[:n].blind()), whole[:n], atol=tolerance)
        X = np.array(target.X)
        X[n:] = 300 * np.random.default_rng(0).standard_normal(X[n:].shape)
        other = decoder.predict(changed(target, X).blind())
        np.testing.assert_allclose(other[:n], whole[:n], atol=tolerance)
        assert not np.allclose(other[n:], whole[n:], atol=1e-3)  # else nothing was tested


@pytest.mark.parametrize("align", ["euclidean", "riemannian"])
def test_online_answers_know_the_past(align, parts):
    source, target = parts
    decoder = new_decoder("tangent_space", source, align).fit(source)
    X = np.array(target.X)
    X[0] *= 5
    whole, other = decoder.predict(target.blind()), decoder.predict(changed(target, X).blind())
    assert (np.abs(whole - other)[1:6].max(axis=1) > 1e-6).all()


@pytest.mark.parametrize("align", ALIGN)
def test_the_order_of_rows_is_the_order_of_time(align, parts):
    source, target = parts
    decoder = new_decoder("tangent_space", source, align).fit(source)
    whole, encoded = decoder.predict(target.blind()), decoder.encode(target.blind())
    order = np.random.default_rng(0).permutation(len(target))
    assert np.array_equal(decoder.predict(target[order].blind()), whole[order])
    assert np.array_equal(decoder.encode(target[order].blind()), encoded[order])


@pytest.mark.parametrize("align", ["euclidean", "riemannian"])
def test_updates_last(align, parts):
    source, target = parts
    decoder = new_decoder("tangent_space", source, align).fit(source)
    whole = decoder.predict(target.blind())
    cold = decoder.predict(target[5:].blind())
    decoder.update(target[[2, 0, 1, 4, 3]].blind())  # in whatever order they are handed over
    np.testing.assert_allclose(decoder.predict(target[5:].blind()), whole[5:], atol=1e-9)
    assert not np.allclose(cold, whole[5:], atol=1e-3)
    for row in range(5, len(target)):
        answer = decoder.predict(target[[row]].blind())
        decoder.update(target[[row]].blind())
        np.testing.assert_allclose(answer, whole[[row]], atol=1e-9)


@pytest.mark.parametrize("align", ["euclidean", "riemannian"])
def test_all_access_sees_all(align, parts):
    source, target = parts
    online = new_decoder("tangent_space", source, align).fit(source).predict(target.blind())
    decoder = new_decoder("tangent_space", source, align, "align.access=all").fit(source)
    whole = decoder.align(target.blind()).predict(target.blind())
    assert not np.allclose(online, whole, atol=1e-3)
    X = np.array(target.X)
    X[-1] *= 20
    louder = changed(target, X)
    fresh = new_decoder("tangent_space", source, align, "align.access=all").fit(source)
    assert not np.allclose(fresh.align(louder.blind()).predict(louder.blind())[0], whole[0], atol=1e-6)


def test_people_do_not_align_each_other(labelled):
    source, target = labelled[(labelled.meta["subject"] < "S3").to_numpy()], labelled[(labelled.meta["subject"] >= "S3").to_numpy()]
    decoder = new_decoder("tangent_space", source, "riemannian").fit(source)
    both = decoder.predict(target.blind())
    second = (target.meta["subject"] == "S4").to_numpy()
    np.testing.assert_allclose(decoder.predict(target[second].blind()), both[second], atol=1e-9)


# -- learning -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_decoder(model):
    source, target = divided(recorded(*sized(model, 128)))
    one, same = (new_decoder(model, source).fit(source).predict(target.blind()) for _ in range(2))
    assert np.array_equal(one, same)
    if config(model, "none")["model"].get("train"):
        assert not np.array_equal(new_decoder(model, source, seed=1).fit(source).predict(target.blind()), one)


@pytest.mark.parametrize("align", ALIGN)
@pytest.mark.parametrize("model", ["logvar_lda", "tangent_space", "eegnet"])
def test_few_labels_help_with_a_person_unlike_the_others(model, align, parts):
    """A person whose hands are swapped: labels of the first session tell, alignment cannot."""
    source, target = parts
    swapped = target.with_y(1 - target.y)
    first = (target.meta["session"] == "0").to_numpy()
    words = ("adapt.weight=0.9",) if model != "eegnet" else ("model.train.calibrate_lr=0.01",)
    decoder = new_decoder(model, source, align, *words).fit(source)

    def truth(windows):
        return decoder.predict(windows.blind())[np.arange(len(windows)), windows.y].mean()

    before = truth(swapped[~first])
    assert decoder.calibrate(swapped[first]) is decoder
    assert truth(swapped[~first]) > before


def test_calibration_serves_alignment_too(parts):
    source, target = parts
    decoder = new_decoder("mdm", source, "riemannian", "adapt.weight=0").fit(source)
    decoder.calibrate(target[:5])
    known = decoder.aligner.target
    assert [domain.count for domain in known.values()] == [5]


@pytest.mark.parametrize("adapt", ["probe", "mdwm", "procrustes"])
def test_artefacts_are_not_calibrated_with(adapt, parts):
    """Whatever stands in the marked rows, the answers stay the same; without the mark they would not."""
    source, target = parts
    few, rest = target[:10], target[10:].blind()
    X = np.array(few.X)
    X[:3, 1] *= 30
    answers = {}
    for marked in (True, False):
        for name, signal in (("clean", few.X), ("artefacts", X)):
            rows = changed(few, signal)
            rows = rows._replace(meta=rows.meta.assign(rejected=marked & (np.arange(10) < 3)))
            decoder = new_decoder("mdm", source, "riemannian" if adapt == "probe" else "none", f"adapt={adapt}").fit(source)
            answers[marked, name] = decoder.calibrate(rows).predict(rest)
    np.testing.assert_array_equal(answers[True, "clean"], answers[True, "artefacts"])
    assert not np.array_equal(answers[False, "clean"], answers[False, "artefacts"])


def test_artefacts_alone_are_no_calibration(parts):
    source, target = parts
    decoder = new_decoder("mdm", source).fit(source)
    with pytest.raises(BrokenDataError, match="all 4 windows to learn from are marked"):
        decoder.calibrate(target[:4]._replace(meta=target[:4].meta.assign(rejected=True)))


@pytest.mark.parametrize("model", ["tangent_space", "tangent_space_svm", "tangent_space_en"])
def test_choices_know_how_long_windows_are(model, labelled):
    """One person, a window of one second every half second."""
    n = len(labelled)
    meta = labelled.meta.assign(subject="S1", session="0", recording="a", trial=np.arange(n), onset_s=np.arange(n) * 0.5)
    decoder = new_decoder(model, labelled, "none", "search").fit(labelled._replace(meta=meta))
    assert decoder.notes["C_chosen_by"] == "log loss by stretch"


def test_a_choice_of_encoders_knows_how_long_windows_are(labelled, monkeypatch):
    from corticode.adapt import search

    seen, inner_folds = [], search.inner_folds

    def watched(*arguments):
        seen.append(inner_folds(*arguments)[1])
        return inner_folds(*arguments)

    monkeypatch.setattr(search, "inner_folds", watched)
    n = 32
    meta = labelled.meta[:n].assign(subject="S1", session="0", recording="a", trial=np.arange(n), onset_s=np.arange(n) * 0.5)
    new_decoder("acm_mdm", labelled).fit(labelled[:n]._replace(meta=meta))
    assert set(seen) == {"stretch"}


def test_a_finished_network_has_no_place_for_batch_normalisation(labelled):
    """Its head would be fitted on pooled statistics and asked on each person's own."""
    from corticode.adapt.probe import Probe
    from corticode.align.spd_batchnorm import SPDBatchNorm
    from corticode.encoder.tsmnet import TSMNet
    from corticode.head.lda import LDA

    encoder = TSMNet(6, 128, 128.0)
    with pytest.raises(SentenceError, match="adapt=probe would fit its head on pooled statistics"):
        Decoder(encoder, LDA(), Probe(), SPDBatchNorm(), space=labelled.space, n_times=128, classes=("a", "b"))
    Decoder(encoder, LDA(), Probe(), space=labelled.space, n_times=128, classes=("a", "b"))


def test_a_temperature_is_not_found_on_other_answers_than_it_scales(labelled):
    with pytest.raises(SentenceError, match=r"adapt.temperature=true .* not normalised by align=spdbatchnorm"):
        new_decoder("tsmnet", labelled, "spd_batchnorm", "adapt.temperature=true")
    new_decoder("tsmnet", labelled, "none", "adapt.temperature=true")


def test_notes_say_what_was_chosen(parts):
    assert new_decoder("tangent_space", parts[0], "none", "search").fit(parts[0]).notes["C"] > 0
    notes = new_decoder("eegnet", parts[0]).fit(parts[0]).notes
    assert "inner validation: 1 of 3 people" in notes["selection"] and len(notes["history"]) == 2
