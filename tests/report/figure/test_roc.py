from corticode.report import folder
from corticode.report.figure import roc


def test_roc_area_is_that_of_scikit_learn(run_folder, texts):
    from sklearn.metrics import roc_auc_score

    rows = folder.read(run_folder()).predictions.assign(p_right=lambda t: t["p_right"].round(1), p_left=lambda t: 1 - t["p_right"])
    area = roc_auc_score(rows["y"] == "right", rows["p_right"])  # rounded: with ties
    assert f"mdm: AUC {area:.3f}" in texts(roc.roc(rows))


def test_roc_needs_two_classes(run_folder):
    assert roc.roc(folder.read(run_folder(classes=("a", "b", "c"))).predictions) is None
    rows = folder.read(run_folder()).predictions
    assert roc.roc(rows[rows["y"] == "left"]) is None
