"""Functions of one's own along the way: recorded as the value is, on every backend, saved and read."""

from __future__ import annotations

import numpy as np
import pytest

import ensemble as en

SADDLE = en.QuarticSaddle(dim=3)
WELL = en.DoubleWell(dim=3)
BOWL = en.Quadratic([1.0, 2.0, 3.0])
RUN = {
    "landscape": SADDLE,
    "optimizer": en.GradientDescent(en.grid(0.05, 0.1)),
    "noise": en.Gaussian(0.1),
    "start": en.NormalCloud(0.3),
    "instances": 5,
    "steps": 30,
    "dtype": "float64",
    "progress": False,
}


@pytest.mark.parametrize("at", [[0, 7, 30], list(range(31))], ids=["segments", "ring"])
@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_an_observable_is_the_landscape_s_value_at_the_iterate(at, backend, cpu):
    record = en.Record(["x", "value"], at=at, observables={"well": WELL, "bowl": BOWL})
    found = en.simulate(record=record, backend=backend, math="precise", **RUN).dataset
    path = found["path"].to_numpy()
    for name, landscape in (("well", WELL), ("bowl", BOWL), ("value", SADDLE)):
        assert found[name].dims == ("lr", "instance", "step")
        assert np.array_equal(found[name], landscape.value(path.reshape(-1, 3)).reshape(path.shape[:3]))


def test_observables_alone_are_a_record_that_is_summarised_saved_and_gone_on_with(tmp_path):
    record = en.Record([], at=[0, 10, 30], observables={"well": WELL}, summary=True)
    result = en.simulate(record=record, backend="numpy", **RUN)
    assert {"well_mean", "well_variance", "well_quantile", "well_n"} <= set(result.dataset)
    record = en.Record([], at=en.lin_spaced(4), observables={"well": WELL})
    result = en.simulate(record=record, backend="numpy", **RUN)
    result.save(tmp_path / "run.nc")
    again = en.load(tmp_path / "run.nc")
    assert again.dataset["well"].equals(result.dataset["well"])
    longer = again.resume(60).dataset["well"]
    assert np.array_equal(longer.sel(step=result.dataset["step"]), result.dataset["well"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.Record([], at=[0]), "give names out of"),
        (lambda: en.Record([], at=[0], observables={"value": WELL}), "'value' is no word, or has a meaning"),
        (lambda: en.Record([], at=[0], observables={"a b": WELL}), "'a b' is no word"),
        (lambda: en.Record([], at=[0], observables={"well": np.tanh}), "give a mapping from names to landscapes"),
        (lambda: en.Record([], at=[0], observables=WELL), "give a mapping from names to landscapes"),
        (
            lambda: en.Record([], at=[0], observables={"q": en.Quadratic(en.grid(1.0, 2.0), dim=3)}),
            "curvature is a grid",
        ),
        (
            lambda: en.simulate(record=en.Record([], at=[0], observables={"well": en.DoubleWell(dim=2)}), **RUN),
            "it has 2 coordinates; give one of 3",
        ),
    ],
)
def test_bad_observables_have_one_clear_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()
