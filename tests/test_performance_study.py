"""The harness of the performance study: what it divides by what, and that all contestants do the same work."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

from peers import costs, curves, numpy_forms, report, sums
from peers.measure import AGREE, Row, calibrated, disagreement, interleaved, ratio
from peers.own import LANDSCAPES
from peers.work import CHUNK, Contestant, Outcome, Work, cells, own, split


def test_a_ratio_is_taken_inside_a_round_against_the_fastest():
    """A machine that halves its speed in the second round leaves every ratio alone."""
    slow, fast, mine = np.array([1.0, 0.5]), np.array([2.0, 1.0]), np.array([8.0, 4.0])
    found = ratio(mine, [slow, fast])
    assert (found.median, found.low, found.high) == (4.0, 4.0, 4.0)


def test_the_rounds_are_interleaved_and_every_run_counts_once_a_round():
    calls = []
    work = Work("QuarticSaddle", "Adam", 10, 2)

    def run(name):
        return lambda seed: calls.append((name, seed)) or Outcome(np.zeros((10, 2)), 3)

    rows = [Row(name, name, work, steps=7) for name in "AB"]
    interleaved(rows, [run("A"), run("B")], rounds=2)
    assert calls == [("A", 1), ("B", 1), ("A", 2), ("B", 2)]
    assert [len(row.seconds) for row in rows] == [2, 2]
    assert rows[0].diverged == 3
    rows[0].seconds = [0.5, 0.25]
    assert list(rows[0].rates) == [10 * 2 * 7 / 0.5, 10 * 2 * 7 / 0.25]


def test_calibration_ends_and_prepares_the_steps_it_returns():
    prepared = []

    def prepare(work, steps):
        prepared.append(steps)
        return lambda seed: Outcome(np.zeros((1, 1)), 0)

    steps, _ = calibrated(
        Contestant("idle", prepare, "idle"), Work("QuarticSaddle", "Adam", 1, 1), 0.01, at_least=5, at_most=500
    )
    assert steps == prepared[-1] == 500


def test_samples_of_one_law_agree_and_others_do_not():
    rng = np.random.default_rng(1)
    sample = rng.normal(size=(40_000, 2))
    same = rng.normal(size=(40_000, 2))
    assert disagreement(same, sample) < AGREE
    assert disagreement(same + [0.0, 0.06], sample) > AGREE
    assert disagreement(same * 1.04, sample) > AGREE
    same[:5] = np.nan
    assert disagreement(same, sample) < AGREE
    assert disagreement(np.zeros((5, 3)), np.zeros((9, 3))) == 0.0
    assert disagreement(np.ones((5, 3)), np.zeros((9, 3))) == np.inf


def test_chunks_hold_every_instance_once():
    assert split(10, 3) == [4, 3, 3]
    for work in [*cells(["float32"]), Work("QuarticSaddle", "Adam", 1, 5), Work("QuarticSaddle", "Adam", 3, CHUNK)]:
        for threads in (1, 2, 7):
            assert sum(work.parts(threads)) == work.instances
            assert min(work.parts(threads)) > 0


@pytest.mark.parametrize("optimizer", ["Adam", pytest.param("HeavyBall", marks=pytest.mark.slow)])
def test_without_noise_every_contestant_takes_the_same_path(optimizer):
    """From the origin of Rosenbrock's valley, 40 steps, float64: the paths agree to rounding."""
    work = Work("Rosenbrock", optimizer, 3, 4, "float64", sigma=0.0, start=0.0)
    path = numpy_forms.contestants()[0].prepare(work, 40)(0).x
    assert path.shape == (3, 4)
    assert np.all(path[:, 0] > 1e-3)
    others = []
    if find_spec("optax"):
        from peers import jax_forms

        others += [form for form in jax_forms.contestants() if "rbg" not in form.name]
    if find_spec("torch"):
        from peers import torch_forms

        others += [form for form in torch_forms.contestants() if "compile" not in form.name]
    for contestant in [*numpy_forms.contestants(), *others]:
        np.testing.assert_allclose(contestant.prepare(work, 40)(0).x, path, rtol=1e-9, err_msg=contestant.name)


@pytest.mark.parametrize("one", own(quick=True), ids=lambda one: one.landscape)
def test_functions_of_a_users_own_are_the_same_for_both(one):
    jax_forms = pytest.importorskip("peers.jax_forms")
    import jax

    points = np.random.default_rng(3).normal(size=(7, one.dim))
    with jax.enable_x64(True):
        theirs = jax.vmap(lambda point: jax_forms.value(one, point))(points)
        np.testing.assert_allclose(LANDSCAPES[one.landscape].value(points)[:, 0], theirs, rtol=1e-12)


@pytest.mark.parametrize("landscape", ["QuarticSaddle", "Rosenbrock"])
def test_the_gradient_of_the_array_form_is_that_of_the_formula(landscape):
    jax_forms = pytest.importorskip("peers.jax_forms")
    import jax

    work = Work(landscape, "Adam", 5, 6, "float64")
    x = np.random.default_rng(2).normal(size=(6, 5))
    g = np.zeros_like(x)
    numpy_forms.add_gradient(np, work, x, g)
    with jax.enable_x64(True):
        exact = jax.vmap(jax.grad(lambda point: jax_forms.value(work, point)), in_axes=1, out_axes=1)(x)
        np.testing.assert_allclose(jax_forms.gradient(work, x), exact, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(g, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.ci
def test_what_recording_and_saving_cost_are_ratios_inside_a_round(monkeypatch):
    """Of a machine that halves its speed after each round the ratios are the same."""
    clock = iter([t for scale in (1, 2, 4, 8) for t in (0, scale, 0, 3 * scale)])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    one, other = costs.rounds([int, int], 3).T
    assert costs.of_rounds(other / one) == {"times": 3.0, "lowest": 3.0, "highest": 3.0}
    monkeypatch.undo()
    said = []
    rows = costs.records("numpy", True, said.append, [(2, 4, 12)])
    assert [row["recorded"] for row in rows] == list(costs.RECORDED)
    saved = costs.saving("numpy", True, said.append, instances=20)
    assert saved["bytes"] > 20 * 64 * 4 * 3
    stored = costs.stores("numpy", True, said.append, [(0.01, 0.001)], instances=2)
    swept = costs.teams("numpy", True, said.append, (2, 4), 2)
    assert [row["optimizer"] for row in swept] == ["GradientDescent", "HeavyBall", "Adam"]
    assert all(np.isfinite(row["times"]) for row in [*rows, saved, *stored, *swept])
    assert len(said) == 9
    shown = report.plain_table("a title", rows)
    assert "| numpy | 2 | 4 | 12 | value |" in shown


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_divergence_is_counted():
    run = numpy_forms.contestants()[0].prepare(Work("QuarticSaddle", "HeavyBall", 50, 2, start=1e18), 2)
    assert 10 < run(0).diverged <= 50


def test_tables_show_what_was_left_out(tmp_path):
    work = Work("QuarticSaddle", "Adam", 10, 2)
    rows = [
        Row("ensemble, cpu", "ensemble cpu", work, 10, [1.0, 1.0], z=0.3),
        Row("JAX a", "jax", work, 10, [2.0, 4.0], z=1.2),
        Row("JAX b", "jax", work, 10, [4.0, 2.0], z=9.0),
    ]
    shown = report.table([rows])
    assert "ensemble cpu over the fastest form of each family: jax 2.00" in shown
    assert "**differs**" in shown
    assert report.cells_json([rows])[0]["ratios"]["ensemble cpu"]["jax"]["median"] == 2.0
    curve = curves.Curve("instances", "a title", "instances", [1, 10], {"JAX a": [1e6, float("nan")]})
    assert report.curve_json(curve)["lines"]["JAX a"] == [1e6, None]
    report.draw_curve(curve, tmp_path)
    report.draw_cells([rows], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"instances.png", "instances.svg", "cells.png", "cells.svg"}


@pytest.mark.parametrize("name", sums.SETS)
def test_both_forms_of_jax_have_the_gradient_of_a_batch_of_data(name):
    """Ours, of five batches: what is timed is the same work."""
    jax = pytest.importorskip("jax")
    pytest.importorskip("sklearn")
    f = sums.landscape(name)
    X, y = sums.samples(name)
    rng = np.random.default_rng(0)
    x, batch = rng.normal(size=(5, f.dimension)), rng.integers(0, len(X), size=(5, 4))
    assert f.dimension == next(w.dim for w in sums.works(False) if w.landscape == name)
    with jax.enable_x64(True):
        by_hand = sums.gradient(name, jax.numpy.asarray(x), X[batch], y[batch])
        mapped = jax.vmap(jax.grad(lambda *given: sums.loss(name, *given)))(x, X[batch], y[batch])
    for found in (by_hand, mapped):
        np.testing.assert_allclose(found, f.batch_gradient(x, batch), rtol=1e-9, atol=1e-12)
