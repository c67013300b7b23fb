"""Minibatches: which samples a step sees, in every order, and that permutations are permutations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import EmulatedEngine

import ensemble as en
from ensemble.arithmetic.permutations import below, keys_of, permuted
from ensemble.arithmetic.random import Random, Stream, round_keys
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine

rng = np.random.default_rng(0)
LINES = en.LeastSquares(rng.normal(size=(37, 30)), rng.normal(size=37), l2=0.1)
SMALL = en.LeastSquares(rng.normal(size=(37, 6)), rng.normal(size=37), l2=0.1)
COUNTED = en.LeastSquares(np.eye(7), np.arange(1.0, 8.0))
"""At 0 the gradient of a batch says how often each sample is in it: -i for sample i, over the size."""


def random(instances, step=1, first=0):
    ids = np.arange(first, first + instances, dtype=np.uint64)[:, None]
    return Random(round_keys(7), ids, np.uint64(0), step, 4, np.dtype(float))


def seen(noise, steps, instances=50, backend="numpy", landscape=COUNTED):
    """How often each sample is in the batch of each step, (instances, steps, samples): the rate is 1 and the path is put back to 0."""
    n = landscape.samples
    made = noise.on(landscape)
    t = np.arange(1.0, steps + 1)
    columns = dict(made.columns(t))
    found = np.zeros((instances, steps, n), dtype=int)
    for k in range(steps):
        batch, has = made.batches(
            random(instances, k + 1), columns["batch"][k], columns["epoch"][k], columns["place"][k]
        )
        assert has is None
        for i in range(batch.shape[1]):
            found[np.arange(instances), k, batch[:, i]] += 1
    return found


# ---- permutations


def test_a_permutation_has_every_number_once():
    for n in (*range(1, 40), 100, 569, 1797, 9999, 10_000):
        keys = keys_of(random(3), np.array([[0], [1], [2]]))
        found = permuted(np.arange(n)[None, :], n, keys)
        assert (np.sort(found, axis=1) == np.arange(n)).all(), n


@pytest.mark.slow
def test_permutations_of_every_size_up_to_ten_thousand_are_permutations():
    keys = keys_of(random(1), 5)
    for n in range(1, 10_001):
        found = permuted(np.arange(n)[None, :], n, keys)[0]
        assert (np.bincount(found, minlength=n) == 1).all(), n


def chance(instances, epochs):
    """Z of chi-squared of all 120 orders of five, over instances and epochs."""
    counts = np.zeros(5**5)
    for epoch in range(epochs):
        found = permuted(np.arange(5)[None, :], 5, keys_of(random(instances), epoch))
        counts += np.bincount(found @ 5 ** np.arange(5), minlength=5**5)
    counts = counts[counts > 0]
    expected = instances * epochs / 120
    assert counts.size == 120
    return (np.sum((counts - expected) ** 2 / expected) - 119) / math.sqrt(2 * 119)


def test_all_orders_of_five_are_as_frequent():
    assert abs(chance(60_000, 1)) < 4


@pytest.mark.slow
def test_all_orders_of_five_are_as_frequent_over_instances_and_epochs():
    assert abs(chance(400_000, 5)) < 4
    assert abs(chance(2000, 1000)) < 4


@pytest.mark.parametrize("n", [2, 3, 7, 31])
def test_pairs_of_places_hold_all_pairs_as_often(n):
    keys, size = keys_of(random(100_000), 3), 100_000
    for i, j in {(0, 1), (0, n - 1), (n // 2, (n // 2 + 1) % n)}:
        a, b = permuted(np.array([[i, j]]), n, keys).T
        counts = np.bincount(a * n + b, minlength=n * n)
        expected = size / (n * (n - 1))
        z = (np.sum(counts**2) / expected - size - (n * (n - 1) - 1)) / math.sqrt(2 * (n * (n - 1) - 1))
        assert abs(z) < 4.5, (i, j)


def test_numbers_below_n_are_as_frequent():
    words = np.concatenate([np.ravel(w) for w in random(100_000).words_of_instance(Stream.MINIBATCH, 0)])
    counts = np.bincount(below(words, 7), minlength=7)
    assert abs(np.sum((counts - words.size / 7) ** 2) / (words.size / 7) - 6) / math.sqrt(12) < 4


# ---- orders


def test_a_batch_with_replacement_has_independent_samples():
    found = seen(en.Minibatch(3), 40, 400)
    assert (found.sum(axis=2) == 3).all()
    assert found.max() == 3
    np.testing.assert_allclose(found.mean(axis=(0, 1)), 3 / 7, atol=4 * math.sqrt(3 * 6 / 49 / 16_000))


def test_a_batch_without_replacement_has_distinct_samples_and_batches_are_independent():
    found = seen(en.Minibatch(3, "no_replacement"), 40, 400)
    assert (found.sum(axis=2) == 3).all()
    assert found.max() == 1
    np.testing.assert_allclose(found.mean(axis=(0, 1)), 3 / 7, atol=4 * math.sqrt(3 * 4 / 49 / 16_000))
    again = np.mean((found[:, 1:] * found[:, :-1]).sum(axis=2))
    assert abs(again - 9 / 7) < 4 * 0.7 / math.sqrt(400 * 39)


@pytest.mark.parametrize("order", ["reshuffle", "once", "cyclic"])
def test_an_epoch_has_every_sample_once(order):
    found = seen(en.Minibatch(3, order), 9)
    assert (found.sum(axis=2) == [3, 3, 1] * 3).all()
    epochs = found.reshape(50, 3, 3, 7)
    assert (epochs.sum(axis=2) == 1).all()
    same = (epochs[:, 0] == epochs[:, 1]).all(axis=(1, 2))
    assert same.all() if order != "reshuffle" else same.mean() < 0.2
    alike = (epochs[0] == epochs[1]).all()
    assert alike if order == "cyclic" else not alike


def test_the_short_last_batch_may_be_left_out():
    found = seen(en.Minibatch(3, "reshuffle", drop_last=True), 8)
    assert (found.sum(axis=2) == 3).all()
    assert (found.reshape(50, 4, 2, 7).sum(axis=2).max(axis=2) == 1).all()


@pytest.mark.parametrize("order", ["replacement", "no_replacement"])
def test_the_first_of_a_larger_batch_are_the_smaller_one(order):
    few, many = (en.Minibatch(b, order).on(SMALL).batches(random(20, 3), b, 0.0, 0.0)[0] for b in (8, 32))
    assert np.array_equal(many[:, :8], few)


def test_batches_are_those_of_every_optimizer_and_of_any_sum_of_noises():
    """Pairing: on a linear loss (a Huber loss far out) the paths of all optimizers are functions of the batches alone."""
    lines = en.Huber(np.eye(7), np.full(7, 1e6), delta=1.0)
    given = {
        "landscape": lines,
        "start": en.Point(0.0),
        "instances": 9,
        "steps": 12,
        "dtype": "float64",
        "backend": "numpy",
    }
    alone = en.simulate(optimizer=en.GradientDescent(1.0), noise=en.Minibatch(1, "reshuffle"), **given).dataset["x"]
    assert set(np.unique(alone)) == {1.0, 2.0}  # each sample once, and five of them twice
    some = en.compare(
        {"a": en.GradientDescent(1.0), "b": en.Nesterov(1.0, beta=0.0)}, noise=en.Minibatch(1, "reshuffle"), **given
    )
    assert (some.dataset["x"] == alone).all()
    for noise in (en.Gaussian(0.0) + en.Minibatch(1, "reshuffle"), en.Minibatch(1, "reshuffle") + en.Gaussian(0.0)):
        assert np.array_equal(en.simulate(optimizer=en.GradientDescent(1.0), noise=noise, **given).dataset["x"], alone)


def test_a_full_batch_is_the_exact_gradient():
    given = {"landscape": SMALL, "start": en.NormalCloud(1.0), "instances": 5, "steps": 9, "backend": "numpy"}
    full = en.simulate(optimizer=en.GradientDescent(0.1), noise=en.Minibatch(order="full"), **given)
    exact = en.simulate(optimizer=en.GradientDescent(0.1), **given)
    assert np.array_equal(full.dataset["x"], exact.dataset["x"])


# ---- bits


EVERY = ("replacement", "no_replacement", "reshuffle", "once", "cyclic", "full")


def with_batches(landscape, order, optimizer=None, sizes=(4, 7), **more):
    """A program of two configurations, unless the order has none."""
    noises = [en.Minibatch(b, order).on(landscape) for b in sizes] if order != "full" else [en.Minibatch(order=order)]
    noises = [noise.on(landscape) for noise in noises]
    first, *rest = noises
    return program(landscape, optimizer or en.Nesterov(0.02), noise=first, others=[{"noise": n} for n in rest], **more)


def check(p, *engines, steps=11):
    wanted = run(NumpyEngine(), p, steps, scale=1.0)
    assert np.isfinite(wanted.x).all()
    for engine in engines:
        assert differences(run(engine, p, steps, scale=1.0), wanted) == []


@pytest.mark.parametrize("instances", [3, 33])
@pytest.mark.parametrize(("order", "dtype"), [("replacement", "float64"), ("reshuffle", "float32")])
def test_numpy_and_cpu_have_the_same_bits(order, dtype, instances, cpu):
    """Three instances share a tile with those of another batch size."""
    check(with_batches(LINES, order, instances=instances, dtype=dtype), cpu)


@pytest.mark.ci
@pytest.mark.parametrize("instances", [3, 33])
def test_batches_that_grow_and_batches_that_do_not_have_the_same_bits_side_by_side(instances, cpu):
    noises = [en.Minibatch(b, "reshuffle").on(LINES) for b in (7.0, lambda t: 1 + t // 2)]
    p = program(LINES, en.Nesterov(0.02), noise=noises[0], others=[{"noise": noises[1]}], instances=instances)
    check(p, cpu, steps=25)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", EVERY)
@pytest.mark.parametrize("landscape", [LINES, SMALL, COUNTED], ids=["30", "6", "7"])
def test_all_orders_have_the_same_bits(landscape, order, dtype, cpu):
    for instances in (3, 33):
        check(
            with_batches(landscape, order, instances=instances, dtype=dtype),
            cpu,
            CpuEngine(width=1),
            CpuEngine(width=4),
        )


def rows_of(dim):
    """Logistic regression on numbers of which a third are zeros, of both signs."""
    draw = np.random.default_rng(dim)
    rows = draw.normal(size=(23, dim)) * draw.choice([0.0, -0.0, 1.0], p=[0.2, 0.1, 0.7], size=(23, dim))
    return en.LogisticRegression(rows, np.arange(23) % 2, l2=0.1)


OFTEN_DIMS = ((9, "float64"), (31, "float32"), (48, "float32"))
ALL_DIMS = tuple(
    (dim, dtype)
    for dim in (1, 2, 3, 4, 5, 8, 9, 12, 13, 15, 16, 17, 20, 31, 32, 33, 47, 48, 49, 63, 64, 65, 130)
    for dtype in ("float32", "float64")
)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "dtype"), OFTEN_DIMS)
@pytest.mark.parametrize("instances", [3, 33])
def test_rows_of_every_length_have_the_same_bits(dim, dtype, instances, cpu):
    """Batches too small for what goes row by row (own_rows.cuh), of fours, and with a rest."""
    for sizes in ((2, 3), (4, 4), (7, 13)):
        check(with_batches(rows_of(dim), "replacement", sizes=sizes, dtype=dtype, instances=instances), cpu, steps=7)


@pytest.mark.slow
@pytest.mark.parametrize("math", ["fast", "precise"])
@pytest.mark.parametrize(("dim", "dtype"), ALL_DIMS)
def test_rows_of_every_length_have_the_same_bits_in_tiles_of_every_width(dim, dtype, math):
    p = with_batches(rows_of(dim), "reshuffle", sizes=(6, 9), dtype=dtype, math=math, instances=33)
    found = [run(CpuEngine(width=width), p, 9, scale=1.0) for width in (1, 2, 4, 8, 16, 32)]
    wanted = run(NumpyEngine(), p, 9, scale=1.0) if math == "precise" else found[0]
    assert np.isfinite(wanted.x).all()
    for each in found:
        assert differences(each, wanted) == []


@pytest.mark.parametrize(("order", "dtype"), [("replacement", "float32"), ("reshuffle", "float64")])
def test_the_device_path_has_the_same_bits(order, dtype):
    """Groups of one warp whose batches differ in size."""
    check(with_batches(LINES, order, instances=3, dtype=dtype), EmulatedEngine(4), steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2, 8])
@pytest.mark.parametrize("order", EVERY)
def test_all_orders_have_the_same_bits_on_the_device(order, lanes):
    dtype = "float32" if lanes == 2 else "float64"
    check(with_batches(LINES, order, instances=3, dtype=dtype), EmulatedEngine(lanes), steps=8)
    check(with_batches(LINES, order, instances=3, dtype=dtype), EmulatedEngine(lanes, streamed=True), steps=4)


@pytest.mark.slow
def test_wrapped_optimizers_and_sums_of_noises_have_the_same_bits(cpu):
    noise = en.Gaussian(0.1) + en.Minibatch(5, "reshuffle").on(LINES) + en.Multiplicative(0.2)
    for optimizer in (
        en.Clip(en.Adam(0.05), 1.0),
        en.SAM(en.GradientDescent(0.02), 0.1),
        en.Average(en.HeavyBall(0.02)),
    ):
        check(program(LINES, optimizer, noise=noise, instances=9), cpu, EmulatedEngine(4))


def test_no_cut_changes_a_bit(cpu):
    """Segments, shards and prefixes: nothing of a permutation is remembered."""
    p = with_batches(LINES, "reshuffle", instances=24)
    whole = run(cpu, p, 20)
    assert differences(run(cpu, p, 20, segment=3), whole) == []
    rest = run(cpu, with_batches(LINES, "reshuffle", instances=8, first_instance=16), 20)
    assert np.array_equal(rest.x.reshape(2, 8, -1), whole.x.reshape(2, 24, -1)[:, 16:])
