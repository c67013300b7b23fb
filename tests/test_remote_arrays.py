"""Whole runs on a device that is not there: no array of it is mixed with NumPy's, and every result is that of the host.

What is recorded travels to the host while the next steps are taken, and is what it was.
"""

import sys

import numpy as np
import pytest
from parts import example, kinds
from remote import BusyEngine

import ensemble as en
import ensemble.run.field
import ensemble.simulate
from ensemble import statistics

RUN = {
    "landscape": en.QuarticSaddle(dim=8),
    "optimizer": en.HeavyBall(lr=0.05, beta=en.grid(0.5, 0.9)),
    "noise": en.Gaussian(sigma=0.3),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=1.2),
    "instances": 40,
    "steps": 60,
    "check_every": 3,
    "backend": "numpy",
    "progress": False,
}
RECORDS = [
    en.Record(["x", "value", "distance", "gradient_norm"], at=en.lin_spaced(9)),
    en.Record(["x"], at=[0, 1, 2, 60], instances=[3, 17, 39], survivors=True),
    en.Record(["value", "distance"], at=en.log_spaced(6), summary=True, point=0.5),
    en.Record(["x"], at=[60]),
]
CALLS = {
    **{f"start {kind.__name__}": {"start": example(kind, 8)} for kind in kinds("start")},
    **{f"record {number}": {"record": record} for number, record in enumerate(RECORDS)},
    "averages": {"optimizer": en.EMA(en.Adam(lr=0.05)), "record": RECORDS[0]},
    "unpaired, without x": {"paired": False, "keep_x": False},
    "near a minimum": {"event": en.NearMinimum.of(en.QuarticSaddle(dim=8), 0.2)},
    "an event that labels": {"event": en.LeftBall(radius=1.2, stop=False)},
}
LOOKS = {
    "resumed": lambda result: result.resume(90),
    "replayed": lambda result: en.replay(result, 5, configuration=1),
    "quenched": statistics.quench,
    "sharpness": statistics.sharpness,
    "saddle index": statistics.saddle_index,
}


def run(changes, **more):
    return en.simulate(**{**RUN, **changes, **more})


def compared():
    """Two optimizers, with records of all their instances."""
    shared = {name: value for name, value in RUN.items() if name != "optimizer"}
    return en.compare({"Adam": en.Adam(lr=0.05), "RMSProp": en.RMSProp(lr=0.05)}, **shared, record=RECORDS[0])


def assert_same(found, expected, rtol=0.0):
    found, expected = (getattr(each, "dataset", each) for each in (found, expected))
    assert set(found.variables) == set(expected.variables)
    for name, variable in expected.variables.items():
        if variable.dtype.kind == "f":
            np.testing.assert_allclose(found[name].values, variable.values, rtol=rtol, atol=rtol, err_msg=str(name))
        else:
            np.testing.assert_array_equal(found[name].values, variable.values, err_msg=str(name))


@pytest.fixture
def elsewhere(monkeypatch):
    """Makes `numpy` run on arrays that live elsewhere, until it is called."""
    for module in ("ensemble.run.engines", "ensemble.run.field"):
        monkeypatch.setattr(sys.modules[module], "choose", lambda *_: (BusyEngine(), ""))
    return monkeypatch.undo


@pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")
@pytest.mark.parametrize("name", CALLS)
def test_a_run_on_arrays_elsewhere_is_the_hosts(name, elsewhere):
    found = run(CALLS[name])
    elsewhere()
    assert_same(found, run(CALLS[name]))


def test_a_comparison_on_arrays_elsewhere_is_the_hosts(elsewhere):
    found = compared()
    elsewhere()
    assert_same(found, compared())


@pytest.mark.parametrize("name", LOOKS)
def test_what_looks_at_a_run_elsewhere_finds_what_it_finds_on_the_host(name, elsewhere):
    found = LOOKS[name](run({"record": RECORDS[1]}))
    elsewhere()
    # Eigenvalues sum in another order there.
    assert_same(found, LOOKS[name](run({"record": RECORDS[1]})), rtol=1e-13 if name == "sharpness" else 0.0)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")
@pytest.mark.parametrize("name", CALLS)
def test_a_precise_run_on_a_gpu_is_the_hosts(name):
    assert_same(run(CALLS[name], backend="cuda", math="precise"), run(CALLS[name]))


@pytest.mark.gpu
@pytest.mark.parametrize("name", LOOKS)
def test_what_looks_at_a_precise_run_on_a_gpu_finds_what_it_finds_on_the_host(name):
    found = LOOKS[name](run({"record": RECORDS[1]}, backend="cuda", math="precise"))
    assert_same(found, LOOKS[name](run({"record": RECORDS[1]})), rtol=1e-9)  # sums in another order
