from corticode.report import folder
from corticode.report.figure import calibration


def test_reliability_needs_probabilities(run_folder, texts):
    assert calibration.reliability(folder.read(run_folder(kind="d")).predictions) is None
    words = texts(calibration.reliability(folder.read(run_folder()).predictions))
    assert {"share that was right", "probability of the answer"} <= set(words)
    assert any(word.startswith("mdm: ECE 0.") for word in words)
