"""adapt=mdwm: class means of source and target, weighed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.adapt.mdwm import MDWM
from corticode.encoder.covariance import Covariance
from corticode.encoder.tangent_space import TangentSpace
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.lda import LDA
from corticode.head.mdm import MDM
from corticode.layer import spd


def people(n=24, seed=0):
    """Three people of two classes; the third is the target."""
    rng = np.random.default_rng(seed)
    person, y = np.repeat([0, 1, 2], n), np.tile([0, 1], 3 * n // 2)
    centre = spd.symmetric(0.5 * rng.standard_normal((3, 2, 10)))
    C = spd.expm(centre[person, y] + spd.symmetric(0.3 * rng.standard_normal((3 * n, 10))))
    meta = pd.DataFrame({"dataset": "d", "subject": [f"S{p}" for p in person]})
    return C, y, meta


def fitted(metric="riemann", tradeoff=0.5):
    C, y, meta = people()
    encoder, head, adapt = Covariance(), MDM(metric), MDWM(tradeoff)
    adapt.check(encoder, head)
    adapt.fit(encoder, head, C[:48], y[:48], meta[:48], None, 2, 0)
    return encoder, head, adapt


@pytest.mark.parametrize("metric", ["riemann", "logeuclid", "euclid"])
@pytest.mark.parametrize("tradeoff", [0.0, 0.4, 1.0])
def test_equals_pyriemann(metric, tradeoff):
    from pyriemann.transfer import MDWM as Reference
    from pyriemann.transfer import encode_domains

    C, y, meta = people()
    encoder, head, adapt = fitted(metric, tradeoff)
    adapt.calibrate(encoder, head, C[48:58], y[48:58], meta[48:58], None, 2, 0)
    _, named = encode_domains(C[:58], y[:58], meta["subject"].to_numpy()[:58])
    reference = Reference(domain_tradeoff=tradeoff, target_domain="S2", metric=metric).fit(C[:58], named)
    np.testing.assert_allclose(adapt.means["d\x1fS2"], reference.covmeans_, atol=1e-6)
    decided = adapt.predict(encoder, head, C[58:], meta[58:], None).argmax(axis=1)
    np.testing.assert_array_equal(decided, reference.predict(C[58:]).astype(int))


def test_calibration_helps_the_person_it_came_from_and_no_other():
    C, y, meta = people()
    encoder, head, adapt = fitted()
    before = adapt.predict(encoder, head, C, meta, None)
    adapt.calibrate(encoder, head, C[48:58], y[48:58], meta[48:58], None, 2, 0)
    after = adapt.predict(encoder, head, C, meta, None)
    np.testing.assert_array_equal(after[:48], before[:48])
    right = [yhat[58:][np.arange(14), y[58:]].mean() for yhat in (before, after)]
    assert right[1] > right[0] + 0.05


def test_two_people_of_one_fold_are_calibrated_each_by_themselves():
    C, y, meta = people()
    encoder, head, adapt = fitted()
    alone = fitted()[2]
    rows = np.r_[24:30, 48:54]
    adapt.calibrate(encoder, head, C[rows], y[rows], meta.iloc[rows], None, 2, 0)
    alone.calibrate(encoder, head, C[48:54], y[48:54], meta[48:54], None, 2, 0)
    np.testing.assert_array_equal(adapt.means["d\x1fS2"], alone.means["d\x1fS2"])
    assert set(adapt.means) == {"d\x1fS1", "d\x1fS2"}


def test_calibrating_twice_starts_anew():
    C, y, meta = people()
    encoder, head, adapt = fitted()
    for _ in range(2):
        adapt.calibrate(encoder, head, C[48:58], y[48:58], meta[48:58], None, 2, 0)
    once = fitted()[2]
    once.calibrate(encoder, head, C[48:58], y[48:58], meta[48:58], None, 2, 0)
    np.testing.assert_array_equal(adapt.means["d\x1fS2"], once.means["d\x1fS2"])


def test_what_cannot_work_is_refused():
    C, y, meta = people()
    with pytest.raises(SentenceError, match=r"head is LDA: use model=mdm"):
        MDWM().check(TangentSpace(), LDA())
    with pytest.raises(SentenceError, match=r"tradeoff=1\.5"):
        MDWM(1.5)
    encoder, head, adapt = fitted()
    one = np.flatnonzero(y == 1)[24:30]
    with pytest.raises(BrokenDataError, match=r"adapt=mdwm .* none of class 0: give some of each \(split\.shots=5\)"):
        adapt.calibrate(encoder, head, C[one], y[one], meta.iloc[one], None, 2, 0)
