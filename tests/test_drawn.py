"""Numbers that every instance draws: their laws, and runs with them, which are those of each number by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine

import ensemble as en
from ensemble import plots
from ensemble.arithmetic.random import FINEST, fine_uniforms, round_keys
from ensemble.backends.numpy import NumpyEngine

LAWS = {
    "Uniform": (en.Uniform(-1.0, 3.0), scipy.stats.uniform(-1.0, 4.0)),
    "LogUniform": (en.LogUniform(1e-4, 1e-1), scipy.stats.loguniform(1e-4, 1e-1)),
    "Normal": (en.Normal(2.0, 0.5), scipy.stats.norm(2.0, 0.5)),
    "LogNormal": (en.LogNormal(0.1, 0.7), scipy.stats.lognorm(s=0.7, scale=0.1)),
    "Integers": (en.Integers(3, 11), scipy.stats.randint(3, 12)),
    "Choice": (en.Choice([1.0, 2.0, 5.0]), scipy.stats.rv_discrete(values=([1, 2, 5], [1 / 3] * 3))),
    "Choice, weighted": (
        en.Choice([1.0, 2.0, 5.0], weights=[1, 1, 2]),
        scipy.stats.rv_discrete(values=([1, 2, 5], [0.25, 0.25, 0.5])),
    ),
}
U = np.concatenate([np.random.default_rng(0).random(5000), [FINEST, 1e-9, 0.5, 1 - 1e-9, 1 - FINEST]])
RUN = {
    "landscape": en.QuarticSaddle(dim=16),
    "noise": en.Gaussian(0.1),
    "start": en.NormalCloud(1e-2),
    "event": en.LeftBall(1.0),
    "steps": 120,
    "instances": 21,
    "seed": 3,
    "dtype": "float64",
    "math": "precise",
    "progress": False,
}
RATE = en.drawn(en.LogUniform(1e-3, 1e-1))
ADAM = en.Adam(lr=RATE, beta2=en.drawn(en.OneMinus(en.LogUniform(1e-3, 1e-1))))


@pytest.mark.parametrize("name", LAWS)
def test_laws_have_scipys_quantiles(name):
    law, theirs = LAWS[name]
    assert law.quantile(U) == pytest.approx(theirs.ppf(U), rel=4e-15, abs=1e-14)
    assert min(law.extremes()) <= law.quantile(U).min() <= law.quantile(U).max() <= max(law.extremes())


def test_one_less_a_number_has_the_mirrored_law():
    law = en.OneMinus(en.LogUniform(1e-4, 1e-1))
    assert 1 - law.quantile(U) == pytest.approx(scipy.stats.loguniform(1e-4, 1e-1).ppf(1 - U), rel=1e-11)


def test_uniforms_of_52_bits_are_uniform_and_without_ends():
    u = fine_uniforms(7, np.arange(200_000, dtype=np.uint64), np.uint64(5), round_keys(11))
    assert u.min() > 0
    assert u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3
    assert np.unique(u).size == u.size
    assert not np.array_equal(u, fine_uniforms(8, np.arange(200_000, dtype=np.uint64), np.uint64(5), round_keys(11)))


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_every_instance_runs_as_with_its_number_given(backend):
    record = en.Record(["value"], at=[0, 60, 120])
    landscape = en.QuarticSaddle(dim=16, gamma=en.drawn(en.Uniform(0.5, 1.5)))
    whole = en.simulate(**RUN | {"landscape": landscape}, optimizer=ADAM, backend=backend, record=record).dataset
    assert whole["lr"].dims == ("instance",)
    assert whole["lr"].attrs["drawn"] == "LogUniform(low=0.001, high=0.1)"
    for k in (0, 7, 20):
        lr, beta2, gamma = (float(whole[name][k]) for name in ("lr", "beta2", "gamma"))
        alone = RUN | {"landscape": en.QuarticSaddle(dim=16, gamma=gamma), "instances": 1, "first_instance": k}
        found = en.simulate(**alone, optimizer=en.Adam(lr, beta2=beta2), backend="numpy", record=record).dataset
        for name in ("x", "event_step", "value"):
            assert np.array_equal(found[name][0], whole[name][k]), name


@pytest.mark.ci
def test_prefixes_shards_batches_and_continued_runs_have_the_same_numbers(monkeypatch):
    whole = en.simulate(**RUN, optimizer=ADAM, backend="cpu")
    few = en.simulate(**RUN | {"instances": 9}, optimizer=ADAM, backend="cpu").dataset
    shard = en.simulate(**RUN | {"instances": 12, "first_instance": 9}, optimizer=ADAM, backend="cpu").dataset
    resumed = en.simulate(**RUN | {"steps": 50}, optimizer=ADAM, backend="cpu").resume(120).dataset
    for name in ("lr", "beta2", "x", "event_step"):
        both = np.concatenate([few[name], shard[name]])
        assert np.array_equal(both, whole.dataset[name]), name
        assert np.array_equal(resumed[name], whole.dataset[name]), name
    monkeypatch.setattr("ensemble.backends.cpu.CpuEngine.batch_coordinates", 16 * 4)
    cut = en.simulate(**RUN, optimizer=ADAM, backend="cpu").dataset
    assert cut.attrs["batches"] > 3
    assert np.array_equal(cut["x"], whole.dataset["x"])
    path = en.replay(whole, 13)
    assert np.array_equal(path["x"][-1], whole.dataset["x"][13])


def test_a_saved_result_is_loaded_and_continued(tmp_path):
    result = en.simulate(**RUN, optimizer=ADAM, backend="cpu")
    loaded = en.load(result.save(tmp_path / "drawn.nc"))
    assert loaded == result
    assert np.array_equal(loaded.resume(150).dataset["x"], result.resume(150).dataset["x"])
    changed = result.dataset.copy()
    changed["lr"] = changed["lr"] * 2
    result.dataset = changed
    with pytest.raises(ValueError, match="'lr' is not what its instances draw"):
        result.save(tmp_path / "changed.nc")


def test_wrappers_optimizers_and_configurations_are_paired():
    optimizers = {
        "plain": en.HeavyBall(lr=RATE),
        "clipped": en.Clip(en.HeavyBall(lr=RATE), en.drawn(en.Uniform(1.0, 2.0))),
        "fixed": en.Adam(0.01),
    }
    data = en.compare(optimizers, **RUN, backend="cpu").dataset
    assert np.array_equal(data["lr"].sel(optimizer="plain"), data["lr"].sel(optimizer="clipped"))
    assert (data["lr"].sel(optimizer="fixed") == 0.01).all()
    swept = en.Adam(lr=en.grid(0.01, 0.02), beta1=en.drawn(en.Uniform(0.5, 0.95)))
    paired, apart = (en.simulate(**RUN, optimizer=swept, backend="cpu", paired=p).dataset for p in (True, False))
    assert paired["beta1"].dims == ("instance",)
    assert apart["beta1"].dims == ("lr", "instance")
    assert np.unique(apart["beta1"]).size == apart["beta1"].size
    for k, lr in enumerate((0.01, 0.02)):
        one = en.simulate(**RUN, optimizer=dataclasses.replace(swept, lr=lr), backend="numpy").dataset
        assert np.array_equal(one["x"], paired["x"].isel(lr=k))


def test_schedules_noises_events_and_starts_draw_too():
    given = {
        "optimizer": en.GradientDescent(
            en.LinearDecay(en.drawn(en.Uniform(0.05, 0.1)), en.drawn(en.Integers(50, 200)))
        ),
        "noise": en.Gaussian(en.drawn(en.LogUniform(0.01, 0.3))) + en.Gaussian(0.1),
        "event": en.LeftBall(en.drawn(en.Uniform(0.2, 0.9))),
        "start": en.NormalCloud(en.drawn(en.Uniform(0.01, 0.1))),
    }
    data = en.simulate(**RUN | given, backend="cpu").dataset
    for k in (0, 11):
        lr, steps, sigma, radius, scale = (float(data[n][k]) for n in ("lr", "steps", "sigma", "radius", "scale"))
        alone = {
            "optimizer": en.GradientDescent(en.LinearDecay(lr, steps)),
            "noise": en.Gaussian(sigma) + en.Gaussian(0.1),
            "event": en.LeftBall(radius),
            "start": en.NormalCloud(scale),
            "instances": 1,
            "first_instance": k,
        }
        found = en.simulate(**RUN | alone, backend="numpy").dataset
        assert np.array_equal(found["x"][0], data["x"][k])
        assert found["event_step"][0] == data["event_step"][k]


@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
@pytest.mark.parametrize(
    "how",
    [{}, pytest.param({"window": 2}, marks=pytest.mark.slow), pytest.param({"streamed": True}, marks=pytest.mark.slow)],
)
def test_the_device_has_the_bits_of_numpy(how):
    p = program(
        en.QuarticSaddle(dim=16, gamma=en.drawn(en.Uniform(0.5, 1.5))),
        ADAM,
        en.LeftBall(0.8),
        others=[{"optimizer": dataclasses.replace(ADAM, beta1=0.5)}],
        instances=5,
        paired=False,
    )
    assert differences(run(EmulatedEngine(lanes=2, **how), p, 30, segment=7), run(NumpyEngine(), p, 30)) == []


BAD = {
    "a number": (lambda: en.drawn(0.1), "give a law, such as LogUniform"),
    "beyond the field": (lambda: en.Adam(lr=en.drawn(en.Normal(0.0, 1.0))), "lr must be a number of at least 0"),
    "the end of the field": (lambda: en.Adam(0.1, beta1=en.drawn(en.Uniform(0.5, 1.0))), "draws 1 or numbers as near"),
    "structure": (lambda: en.QuarticSaddle(dim=en.drawn(en.Integers(2, 9))), "dim is no number"),
    "in a grid": (lambda: en.Adam(lr=en.grid(0.1, RATE)), "lr must be"),
    "a grid of a law": (lambda: en.LogUniform(1e-4, en.grid(0.1, 0.2)), "a law has one number"),
    "the wrong way round": (lambda: en.Uniform(2.0, 1.0), "give low < high"),
    "fields that do not fit": (
        lambda: en.simulate(
            **RUN, optimizer=en.GradientDescent(en.Cosine(0.1, en.drawn(en.Integers(5, 9)), warmup=8.0))
        ),
        "give fewer steps of warm-up",
    ),
    "too small for float32": (
        lambda: en.simulate(**RUN | {"dtype": "float32"}, optimizer=en.Adam(en.drawn(en.LogUniform(1e-60, 1.0)))),
        "lr has the size 1e-60",
    ),
    "fields of the landscape": (
        lambda: en.simulate(
            **RUN | {"landscape": en.QuarticSaddle(dim=16, gamma=en.drawn(en.Uniform(0.5, 1.5))), "steps": 1},
            optimizer=en.Adam(0.1),
        ).fields(),
        "every instance has a landscape of its own",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_refused(case):
    wrong, words = BAD[case]
    with pytest.raises(ValueError, match=words) as caught:
        wrong()
    assert "\n" not in str(caught.value)


# ---- statistics


def exponential(n: int, horizon: int, seed: int = 0) -> xr.Dataset:
    """Escape times with the median ``1/a``, for a number ``a`` that instances drew; those past the horizon are censored."""
    rng = np.random.default_rng(seed)
    a = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), n))
    t = np.ceil(rng.exponential(1 / (a * np.log(2)), n)).astype(np.int64)
    had = t <= horizon
    return xr.Dataset(
        {
            "event_step": ("instance", np.where(had, t, -1)),
            "event": ("instance", had.astype(np.int32)),
            "status": ("instance", had.astype(np.int8)),
            "diverged_step": ("instance", np.full(n, -1)),
            "horizon": ((), horizon),
            "a": ("instance", a, {"drawn": "LogUniform(0.001, 0.1)", "units": "1"}),
            "end": ("instance", np.where(rng.random(n) < 0.02, np.nan, 1 / a)),
        },
        {"instance": np.arange(n)},
        {"paired": 1},
    )


def test_medians_in_bins_are_those_of_the_law_and_hidden_where_most_are_censored():
    inside = seen = 0
    for seed in range(20):
        data = exponential(4000, 600, seed)
        found = en.statistics.against_drawn(data, "a", bins=10)
        assert (found["n"] == 400).all()
        assert (found["n"] == found["events_total"] + found["censored"] + found["diverged"]).all()
        few = found["events_total"] < 0.5 * found["n"]
        assert np.array_equal(np.isnan(found["median"]), few)
        assert few[0]
        assert not few[-1]
        within = [(data["a"] >= f) & (data["a"] < t) for f, t in zip(found["from"], found["to"], strict=True)]
        # the median over a bin of the law's mixture, from many more draws
        rng = np.random.default_rng(seed + 100)
        for b in np.flatnonzero(~few.to_numpy()):
            a = rng.choice(data["a"].to_numpy()[within[b].to_numpy()], 20_000)
            true = np.median(np.ceil(rng.exponential(1 / (a * np.log(2)))))
            inside += bool(found["median_lower"][b] <= true <= np.nan_to_num(found["median_upper"][b], nan=np.inf))
            seen += 1
    assert 0.92 < inside / seen < 0.99


def test_medians_of_a_variable_count_the_diverged_above_all():
    data = exponential(1000, 600)
    data["status"] = ("instance", np.where(np.arange(1000) % 3 == 0, 2, 0).astype(np.int8))
    data["event_step"][:] = -1
    data["event"][:] = 0
    data["diverged_step"] = ("instance", np.where(data["status"] == 2, 5, -1))
    found = en.statistics.against_drawn(data, "a", value="end", bins=4)
    for b in range(4):
        here = (data["a"] >= found["from"][b]) & (data["a"] <= found["to"][b])
        values = np.where(data["status"] == 2, np.inf, data["end"])[here.to_numpy()]
        assert found["median"][b] == np.median(values[~np.isnan(values)])
    assert found["diverged"].sum() == 334


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"of": "end"}, "they drew: a"),
        ({"of": "a", "value": "horizon"}, "give one of"),
        ({"of": "a", "bins": 0}, "a whole number of bins"),
        ({"of": "a", "bins": 900}, "give fewer"),
        ({"of": "a", "confidence": 1.0}, "confidence"),
    ],
)
def test_statistics_refuse(arguments, words):
    with pytest.raises(ValueError, match=words):
        en.statistics.against_drawn(exponential(300, 600), **arguments)


def test_pictures_show_every_instance_or_how_many_there_are():
    few = plots.against_drawn(exponential(300, 600), "a", bins=5)
    kinds = [row["kind"] for row in plots.table(few)]
    assert kinds.count("data") + kinds.count("censored") == 300
    assert kinds.count("median") == 5
    many = plots.against_drawn(exponential(5000, 600), "a", bins=5)
    assert sum(row["upper"] for row in plots.table(many) if row["kind"] == "count") == 5000
    plots.against_drawn({"one": exponential(300, 600), "two": exponential(300, 600, 1)}, "a", value="end")


@pytest.mark.slow
def test_a_hundred_thousand_instances_search_at_random_in_one_launch():
    data = en.simulate(
        **RUN | {"instances": 100_000, "steps": 400, "dtype": "float32", "math": "fast"},
        optimizer=en.Adam(lr=RATE),
        backend="cpu",
    ).dataset
    law = scipy.stats.loguniform(1e-3, 1e-1)
    assert scipy.stats.kstest(data["lr"], law.cdf).pvalue > 1e-3
    found = en.statistics.against_drawn(data, "lr", bins=20)
    assert (np.diff(found["median"].dropna("bin")) < 0).all()


@pytest.mark.ci
def test_batches_are_drawn_in_every_order_and_epochs_are_refused(cpu):
    data = np.random.default_rng(0)
    run = {
        "landscape": en.LeastSquares(data.normal(size=(12, 3)), data.normal(size=12)), "optimizer": en.GradientDescent(0.01),
        "start": en.NormalCloud(1.0), "instances": 6, "seed": 3, "progress": False, "math": "precise",
    }  # fmt: skip
    for order in ("replacement", "reshuffle"):
        noise = en.Minibatch(en.drawn(en.Integers(1, 5)), order=order)
        one, other = (en.simulate(**run, noise=noise, steps=30, backend=b).dataset for b in ("numpy", "cpu"))
        assert np.array_equal(one["x"], other["x"])
        assert len(set(one["batch"].to_numpy().tolist())) > 1
        size = int(one["batch"][2])
        alone = en.simulate(**run, noise=en.Minibatch(size, order=order), steps=30, backend="numpy").dataset
        assert np.array_equal(one["x"][2], alone["x"][2])
    with pytest.raises(ValueError, match="every instance has epochs of its own length; give steps="):
        en.simulate(**run, noise=noise, epochs=2)


def test_statistics_that_are_given_parts_refuse_drawn_ones():
    drawn = en.Gaussian(en.drawn(en.Uniform(0.1, 0.2)))
    hill = en.Quadratic(1.0, dim=3)
    result = en.simulate(
        landscape=hill, optimizer=en.GradientDescent(0.1), start=en.NormalCloud(1.0), noise=drawn, instances=4, steps=4,
        record=en.Record(at=(0, 2), quantities=("x",)), backend="numpy", progress=False,
    )  # fmt: skip
    for noise in (drawn, en.Gaussian(0.1)):
        with pytest.raises(ValueError, match=r"every instance drew its own sigma"):
            en.statistics.noise_to_signal(result, hill, noise)
    with pytest.raises(ValueError, match="its curvature is drawn; give one number"):
        en.Record((), at=(0, 2), observables={"f": en.Quadratic(en.drawn(en.Uniform(1.0, 2.0)), dim=3)})


def test_a_store_of_drawn_numbers_is_the_run_at_once(tmp_path):
    run = {
        "landscape": en.QuarticSaddle(dim=4), "optimizer": en.HeavyBall(en.drawn(en.LogUniform(0.01, 0.1)), en.grid(0.5, 0.9)),
        "start": en.Point(0.0), "noise": en.Gaussian(0.1), "event": en.LeftBall(0.5), "instances": 10, "steps": 100, "seed": 1,
        "progress": False, "backend": "numpy",
    }  # fmt: skip
    whole = en.simulate(**run).dataset
    for i in range(2):
        en.simulate(**run, store=tmp_path / "s", shard=(i, 2))
    found = en.open(tmp_path / "s").dataset
    for name in ("x", "lr", "event_step"):
        assert np.array_equal(whole[name], found[name])
