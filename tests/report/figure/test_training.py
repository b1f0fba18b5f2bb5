import pandas as pd

from corticode.report import folder
from corticode.report.figure import training


def test_the_epoch_kept_is_the_selected_one_else_the_lowest_validation_loss():
    run = pd.DataFrame({"epoch": [0, 1, 2], "train_loss": [3.0, 2, 1], "val_loss": [2.0, 1, 3]})
    assert training.chosen_epoch(run) == 1
    assert training.chosen_epoch(run.assign(selected=[False, False, True])) == 2
    assert training.chosen_epoch(run.drop(columns="val_loss")) is None


def test_training_has_a_panel_for_accuracy_only_where_there_is_one(run_folder, texts):
    history = folder.read(run_folder(history=True)).history
    words = texts(training.training(history))
    assert {"loss", "epoch", "training rows", "validation rows"} <= set(words) and "accuracy on validation rows" not in words
    assert "accuracy on validation rows" in texts(training.training(history.assign(val_accuracy=0.5)))
