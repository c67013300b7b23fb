"""Finite sums: losses against formulas in extended precision, functions as losses, epochs, data that cannot be used."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cubin import compile_cubin, report
from device_runs import differences, program, run
from emulated import EmulatedEngine

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.numpy import NumpyEngine
from ensemble.packed import unpacked
from ensemble.part import data, number
from ensemble.results.history import differences as differences_of
from ensemble.tracing import struct_of

LINES = en.LeastSquares.random(40, 6)
LINES = en.LeastSquares(LINES.A, LINES.y, l2=0.3)
CLASSES = en.LogisticRegression.random(40, 6)
SEVERAL = en.LogisticRegression.random(40, 3, 4)
BENT = en.Huber(LINES.A, LINES.y, 0.7)
EPS = np.finfo(np.float64).eps
ULPS = 4.0


# ---- derivatives


def derivatives(f, z):
    """Slope and bend of the loss by the product z (points, samples), in extended precision, and how far rounding takes them."""
    long = np.longdouble
    if isinstance(f, en.LogisticRegression):
        s = (2 * f.y - 1).astype(long)
        e = np.exp(-np.abs(z))
        slope = -s * np.where(s * z >= 0, e, 1) / (1 + e)
        return slope, e / (1 + e) ** 2
    rest = z - f.y.astype(long)
    if isinstance(f, en.Huber):
        inside = np.abs(rest) <= f.delta
        return np.where(inside, rest, f.delta * np.sign(rest)), inside.astype(long)
    return rest, np.ones_like(rest)


@pytest.mark.parametrize("f", [LINES, CLASSES, BENT], ids=lambda f: type(f).__name__)
def test_derivatives_are_those_of_extended_precision_to_rounding(f):
    """At 1,000 points: four times what the roundings of products, of the function of z, and of the sums in order may add up to."""
    draw = np.random.default_rng(2)
    x, v = draw.normal(size=(2, 1000, 6))
    a = (f.X if isinstance(f, en.LogisticRegression) else f.A).astype(np.longdouble)
    n, z = len(a), x @ a.T
    off = (np.abs(x) @ np.abs(a).T + 1.0) * EPS * 3  # of z, and of z - y
    slope, bend = derivatives(f, z)
    along, spread = v @ a.T, np.abs(v) @ np.abs(a).T
    asked = {
        "gradient": (f.gradient(x), slope, a, off * np.maximum(bend, 1e-3) + np.abs(slope) * 8 * EPS, x),
        "hessian_product": (f.hessian_product(x, v), bend * along, a, off * np.abs(along) + bend * spread * 8 * EPS, v),
        "hessian_diagonal": (f.hessian_diagonal(x), bend, a * a, off + np.abs(bend) * 8 * EPS, np.ones_like(x)),
    }  # fmt: skip
    for name, (found, factor, row, error, ridge) in asked.items():
        terms = factor[:, :, None] * row[None]
        partial = np.abs(np.cumsum(terms, axis=1)).sum(axis=1) * EPS
        bound = (np.abs(row)[None] * error[:, :, None] + np.abs(terms) * EPS).sum(axis=1) + partial
        expected = terms.sum(axis=1) / n + f.l2 * ridge
        assert (np.abs(found - expected) <= ULPS * (bound / n + 2 * EPS * np.abs(expected))).all(), name


def test_nothing_overflows_however_far_a_point_is():
    for f in (CLASSES, SEVERAL):
        for x in (np.full((1, f.dimension), 700.0), np.full((1, f.dimension), -700.0), 1e4 * np.eye(f.dimension)[:2]):
            for dtype in (np.float32, np.float64):
                point = x.astype(dtype)
                assert np.isfinite(f.value(point)).all()
                assert np.isfinite(f.gradient(point)).all()
                assert np.isfinite(f.hessian_product(point, point / 700)).all()


def test_of_two_classes_the_softmax_is_the_logistic_function():
    """With weights w and 0 for the classes; the first two classes of three, the third far below."""
    w = np.random.default_rng(0).normal(size=(5, 6))
    p = 1 / (1 + np.exp(-w @ CLASSES.X.T))
    expected = -np.log(np.where(CLASSES.y == 1, p, 1 - p)).mean(axis=1)
    np.testing.assert_allclose(CLASSES.value(w)[:, 0], expected, rtol=1e-12)
    rows = np.vstack([np.column_stack([CLASSES.X, np.ones(40)]), np.zeros(7)])
    three = en.LogisticRegression(rows, np.append(CLASSES.y, 2))
    x = np.zeros((5, 3, 7))
    x[:, 1, :6], x[:, 2, 6] = w, -60.0
    found = three.value(x.reshape(5, 21))[:, 0] * 41 - np.log(3)
    np.testing.assert_allclose(found, expected * 40, rtol=1e-12)


# ---- functions


def test_a_function_of_a_sample_is_recognised_as_linear_and_is_the_catalogue_s():
    @en.finite_sum(name="Squares")
    def loss(x, sample):
        return 0.5 * (np.sum(x * sample.row) - sample[-1]) ** 2

    f = loss(data=np.column_stack([LINES.A, LINES.y]), dim=6, l2=0.3)
    assert "LinearSum<Squares>" in struct_of(f)
    x, v = np.random.default_rng(0).normal(size=(2, 9, 6))
    for name, given in (("value", (x,)), ("gradient", (x,)), ("hessian_product", (x, v)), ("hessian_diagonal", (x,))):
        np.testing.assert_allclose(getattr(f, name)(*given), getattr(LINES, name)(*given), rtol=1e-14)


@en.finite_sum
def neuron(x, sample, sharp=1.0):
    """One hidden unit."""
    return 0.5 * (x[2] * np.tanh(sharp * (x[0] * sample[0] + x[1])) - sample[1]) ** 2


@pytest.mark.ci
def test_a_function_that_is_not_linear_in_the_row_runs_with_the_same_bits_too(cpu):
    f = neuron(data=np.random.default_rng(0).normal(size=(15, 2)), dim=3, sharp=1.5)
    assert "FiniteSum<neuron>" in struct_of(f)
    assert en.check(f).ok
    p = program(f, en.SAM(en.Adam(0.05), 0.1), noise=en.Minibatch(4, "reshuffle").on(f), instances=9)
    wanted = run(NumpyEngine(), p, 9)
    assert differences(run(cpu, p, 9), wanted) == []
    assert differences(run(EmulatedEngine(1), p, 9), wanted) == []


@dataclass(frozen=True)
class Cloud(en.FiniteSum):
    """A middle of points that a far one moves little: its row is no factor of a product with x."""

    points: Any = data()

    def validate(self):
        self.samples_are(self.points)

    @property
    def dimension(self):
        return self.points.shape[1]

    def loss(self, x, sample):
        away = x - sample.row
        return en.log(1.0 + en.total(en.where(away > 0, away, 2.0 * away) ** 2))


@pytest.mark.parametrize("dim", [3, 21])
def test_rows_may_be_used_coordinate_by_coordinate(cpu, dim):
    f = Cloud(np.random.default_rng(0).normal(size=(15, dim)))
    p = program(f, en.Adam(0.05), en.Below(0.5), noise=en.Minibatch(4, "reshuffle").on(f), instances=9)
    wanted = run(NumpyEngine(), p, 9)
    assert differences(run(cpu, p, 9), wanted) == []
    assert differences(run(EmulatedEngine(2), p, 9), wanted) == []


def test_numbers_of_a_function_may_be_swept():
    f = neuron(data=np.random.default_rng(0).normal(size=(15, 2)), dim=3, sharp=en.grid(0.5, 1.5))
    given = {
        "optimizer": en.Adam(0.02),
        "noise": en.Minibatch(2),
        "start": en.NormalCloud(1.0),
        "steps": 30,
        "instances": 3,
    }
    found = {
        b: en.simulate(landscape=f, backend=b, math="precise", progress=False, **given).dataset["x"]
        for b in ("numpy", "cpu")
    }
    assert found["cpu"].dims == ("sharp", "instance", "coordinate")
    assert np.array_equal(found["numpy"], found["cpu"])


def test_a_file_brings_a_finite_sum_back_and_a_run_goes_on_in_the_middle_of_an_epoch(tmp_path):
    given = {
        "landscape": LINES, "optimizer": en.GradientDescent(0.02), "noise": en.Minibatch(8, "reshuffle"),
        "start": en.NormalCloud(1.0), "instances": 6, "progress": False, "record": en.Record(["value"], at=[0, 4, 13]),
    }  # fmt: skip
    part = en.simulate(steps=13, **given)
    part.save(tmp_path / "part.nc")
    whole = en.load(tmp_path / "part.nc").resume(steps=20)
    assert np.array_equal(whole.dataset["x"], en.simulate(steps=20, **given).dataset["x"])
    assert whole.dataset.attrs["samples"] == 40
    assert np.array_equal(en.replay(whole, instance=3)["x"][-1], whole.dataset["x"][3])


def test_many_data_go_into_a_file_as_bytes_and_come_back_to_the_bit(tmp_path):
    rng = np.random.default_rng(2)
    given = {
        "landscape": en.LeastSquares(rng.normal(size=(300, 7)), rng.normal(size=300)),
        "optimizer": en.GradientDescent(0.02), "noise": en.Minibatch(8), "start": en.NormalCloud(1.0), "instances": 3,
    }  # fmt: skip
    part = en.simulate(steps=5, **given)
    said = json.loads(part.dataset.attrs["settings"])[""]["landscape"]
    assert set(said["A"]) == {"array", "dtype", "shape"}
    assert np.frombuffer(base64.b64decode(said["A"]["array"]), "<f8").tobytes() == given["landscape"].A.tobytes()
    assert said["A"]["shape"] == [300, 7]
    assert said["y"] == given["landscape"].y.tolist()
    again = en.load(part.save(tmp_path / "part.nc"))
    assert again.settings[""].landscape == given["landscape"]
    assert again.resume(9).dataset["x"].equals(en.simulate(steps=9, **given).dataset["x"])
    other = en.simulate(steps=5, **given | {"landscape": en.LeastSquares(-given["landscape"].A, given["landscape"].y)})
    (said,) = differences_of(part.ran, other.ran, "")
    assert said.startswith("landscape.A has changed from [[")
    as_list = copy.deepcopy(part.ran)  # as files had it before
    as_list["settings"]["landscape"]["A"] = given["landscape"].A.tolist()
    assert list(differences_of(as_list, part.ran, "")) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"array": "AAAA", "dtype": "<f8", "shape": [1]}, "base64"),
        ({"array": "AAAAAAAAAAA=", "dtype": "<f8", "shape": [2]}, "has 1 numbers"),
        ({"array": "AAAAAAAAAAA=", "dtype": "|O", "shape": [1]}, "dtype"),
        ({"array": "AAAAAAAAAAA=", "dtype": "<f8", "shape": [-1]}, "whole numbers"),
        ({"array": "?", "dtype": "<f8", "shape": [1]}, "base64"),
        ({"array": [0.0], "dtype": "<f8", "shape": [1]}, "base64"),
        ({"array": "AAAAAAAAAAA=", "dtype": "<f8", "shape": [1], "part": "Adam"}, "base64"),
    ],
)
def test_what_is_no_array_is_refused(found, said):
    with pytest.raises(ValueError, match=said):
        unpacked(found)


@dataclass(frozen=True)
class Holding(en.Adam):
    """A rule with a field of the name that packed arrays have."""

    array: float = number(1.0)


def test_a_field_of_the_name_array_is_a_field(tmp_path):
    given = {"landscape": en.Quadratic([1.0, 2.0]), "start": en.Point(1.0), "instances": 2, "backend": "numpy"}
    part = en.simulate(optimizer=en.Clip(Holding(0.1)), steps=3, **given)
    again = en.load(part.save(tmp_path / "part.nc"))
    assert again.settings[""].optimizer == en.Clip(Holding(0.1))
    assert again.resume(5).dataset["x"].equals(part.resume(5).dataset["x"])
    other = en.simulate(optimizer=en.Clip(Holding(0.1, array=2.0)), steps=3, **given)
    assert list(differences_of(part.ran, other.ran, "")) == ["optimizer.base.array has changed from 1.0 to 2.0"]


# ---- epochs


def test_epochs_are_steps_and_records_say_how_many_samples_were_seen():
    given = {
        "landscape": LINES,
        "optimizer": en.GradientDescent(0.02),
        "start": en.Point(0.0),
        "instances": 2,
        "backend": "numpy",
    }
    steps = {"reshuffle": 18, "replacement": 15, "full": 3}
    for order, count in steps.items():
        noise = en.Minibatch(7 + (order == "replacement"), order) if order != "full" else en.Minibatch(order="full")
        assert en.simulate(noise=noise, epochs=3, **given).dataset.attrs["steps"] == count
    last = en.simulate(noise=en.Minibatch(7, "once", drop_last=True), epochs=3, **given).dataset.attrs["steps"]
    assert last == 15
    record = en.Record(["value"], at=[0, 5, 6, 7])
    found = en.simulate(noise=en.Minibatch(7, "reshuffle"), steps=7, record=record, **given).dataset
    assert found["samples_seen"].values.tolist() == [0, 35, 40, 47]
    swept = en.simulate(noise=en.Minibatch(en.grid(7, 40), "reshuffle"), steps=7, record=record, **given).dataset
    assert swept["samples_seen"].sel(batch=40).values.tolist() == [0, 200, 240, 280]
    both = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.1)}
    del given["optimizer"]
    assert en.compare(both, noise=en.Minibatch(8, "cyclic"), epochs=2, **given).dataset.attrs["steps"] == 10


def test_a_batch_that_grows_is_followed_through_its_epochs():
    noise = en.Minibatch(lambda t: 1 + t // 4, "cyclic").on(LINES)
    t = np.arange(1.0, 40.0)
    columns = dict(noise.columns(t))
    place = np.cumsum(columns["batch"]) - columns["batch"]
    assert np.array_equal(columns["epoch"] * 40 + columns["place"], place)
    assert (columns["place"] + columns["batch"] <= 40).all()
    assert np.array_equal(noise.samples_seen(t), np.cumsum(columns["batch"]))
    assert noise.steps_of(2) == int(np.flatnonzero(np.cumsum(columns["batch"]) == 80)[0]) + 1


def test_events_and_curvature_see_all_samples():
    """Below asks the value of the whole sum; Newton's method multiplies by its Hessian: exact from any batch's gradient's mean."""
    level = float(LINES.value(LINES.solution()[None])[0, 0]) * 1.05
    given = {
        "landscape": LINES,
        "noise": en.Minibatch(8, "reshuffle"),
        "start": en.Point(0.0),
        "instances": 40,
        "dtype": "float64",
    }
    found = en.simulate(
        optimizer=en.GradientDescent(0.05), event=en.Below(level), steps=2000, progress=False, **given
    ).dataset
    assert (found["event"] == 1).all()
    assert (LINES.value(found["x"].to_numpy())[:, 0] <= level).all()


# ---- what cannot be used


def simulate(landscape=LINES, noise=None, **more):
    given = {
        "optimizer": en.GradientDescent(0.1),
        "start": en.Point(0.0),
        "instances": 1,
        "steps": 3,
        "progress": False,
    }
    return en.simulate(landscape=landscape, noise=noise, **(given | more))


ROWS = np.arange(12.0).reshape(6, 2)
BAD = [
    (lambda: simulate(en.Quadratic([1.0]), en.Minibatch(1)), "no mean over samples; give a FiniteSum"),
    (lambda: simulate(en.Scaled(LINES, 2.0), en.Gaussian(0.1) + en.Minibatch(1)), "Minibatch on Scaled"),
    (lambda: simulate(noise=en.Minibatch(41)), "there are 40 samples; give at most as many"),
    (lambda: simulate(noise=en.Minibatch(en.grid(4, 41))), "batch=41"),
    (lambda: simulate(noise=en.Minibatch(lambda t: t / 2)), "a whole number of at least 1"),
    (lambda: simulate(noise=en.Minibatch(en.StepDecay(80.0, 1, 0.5))), "it comes to 80, and there are 40 samples"),
    (lambda: simulate(noise=en.Minibatch(8, "full")), "leave batch out"),
    (lambda: simulate(noise=en.Minibatch(8), steps=3, epochs=2), "give one of the two"),
    (lambda: simulate(noise=en.Gaussian(1.0), steps=None, epochs=2), "give noise=Minibatch"),
    (lambda: simulate(steps=None), "or epochs= with noise=Minibatch"),
    (lambda: simulate(noise=en.Minibatch(en.grid(4, 8)), steps=None, epochs=2), "20 steps with batch=4.0, 10 steps"),
    (lambda: simulate(en.LeastSquares(LINES.A + 1e8, LINES.y)), "in float32 number 0 of the samples loses its digits"),
    (lambda: simulate(en.LeastSquares(LINES.A * 1e40, LINES.y)), "float32"),
    (lambda: simulate(noise=en.Minibatch(40, "reshuffle"), steps=2**25), "more than the 16,777,216 epochs that float32 can count"),
    (lambda: en.Minibatch(8, "shuffled"), "give one of 'replacement'"),
    (lambda: en.Minibatch(2.5), "a whole number of at least 1"),
    (lambda: en.Minibatch(8, drop_last=True), "its batches are all whole"),
    (lambda: en.Minibatch(8) + en.Minibatch(4), "give one Minibatch"),
    (lambda: en.LeastSquares(ROWS, np.ones(5)), "give one of y for each of the 6 samples"),
    (lambda: en.LeastSquares(ROWS[0], ROWS[0]), "give one row for each sample"),
    (lambda: en.LeastSquares(np.where(ROWS > 3, np.nan, ROWS), np.ones(6)), "A must be finite numbers"),
    (lambda: en.LogisticRegression(ROWS, np.ones(6)), "all labels are 1; give samples of two classes"),
    (lambda: en.LogisticRegression(ROWS, [-1, 1, 1, -1, 1, 1]), "there is the label -1"),
    (lambda: en.LogisticRegression(ROWS, [0, 0.5, 1, 0, 1, 1]), "there is the label 0.5"),
    (lambda: en.LogisticRegression(ROWS, [0, 1, 3, 0, 1, 1]), "none is 2; number the classes"),
    (lambda: en.Huber(ROWS, np.ones(6), delta=0.0), "delta must be a number greater than 0"),
    (lambda: en.Wilson(3, 3), "more positive samples than negative"),
    (lambda: en.WuTwoMinima((1.0, -1.0)), "numbers greater than 0"),
    (lambda: neuron(data=ROWS[0], dim=3), "give one row of numbers for each sample"),
    (lambda: neuron(data=ROWS[:, :1], dim=3).gradient(np.zeros((1, 3))), "sample\\[1\\] of neuron"),
    (lambda: en.finite_sum(lambda x: x), "its first arguments are a point and a sample"),
    (lambda: en.statistics.noise_covariance(LINES, np.zeros(5)), "give a point of 6 finite numbers"),
    (lambda: en.statistics.noise_covariance(LINES, np.zeros(6), 41), "from 1 to 40"),
    (lambda: en.statistics.noise_covariance(en.Quadratic([1.0]), [0.0]), "give a FiniteSum"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_used_is_told_in_one_line(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        call()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 320


# ---- on a device


PROGRAMS = [
    (LINES, en.GradientDescent(0.1), "reshuffle", "float32"),
    (CLASSES, en.Adam(0.01), "replacement", "float64"),
    *(
        pytest.param(f, optimizer, order, dtype, marks=pytest.mark.slow)
        for f in (en.LogisticRegression.random(569, 30), SEVERAL, BENT)
        for optimizer in (en.GradientDescent(0.1), en.Adam(0.01))
        for order in ("replacement", "reshuffle", "no_replacement")
        for dtype in ("float32", "float64")
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("f", "optimizer", "order", "dtype"), PROGRAMS)
def test_batches_stay_in_registers(f, optimizer, order, dtype):
    pytest.importorskip("nvidia")
    for instances in (64, 100_000):
        p = program(f, optimizer, noise=en.Minibatch(8, order).on(f), instances=instances, dtype=dtype, math="fast")
        made = compile_cubin(EmulatedEngine(None, processors=132).source(p, "advance"), sources.kernels())
        found = report(made)
        assert found.step.local == 0
        assert (
            found.local_memory == found.spill_stores == 0 or f is SEVERAL
        )  # in float32 one register, once, before the steps
