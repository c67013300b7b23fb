"""Pictures of sweeps, records, shares and Hessians: what they say in words and numbers, without looking at pixels."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from figure_texts import stand_clear
from simulated_runs import geometric, runs

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import arrhenius, index_against_loss, time_to_tolerance


def swept(dims=("beta1", "beta2"), shape=(3, 2), **variables):
    """A statistic over a sweep, with its intervals."""
    coords = {dim: 0.1 * np.arange(1, size + 1) for dim, size in zip(dims, shape, strict=True)}
    values = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    found = {"median": values, "median_lower": 0.9 * values, "median_upper": 1.2 * values, **variables}
    data = xr.Dataset({name: (dims, v) for name, v in found.items()}, coords, {"confidence": 0.9})
    data["median"].attrs = {"long_name": "median of T", "units": "step"}
    return data.assign(n=50)


def said(figure):
    """The line over a figure that states n and confidence."""
    words = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    return words.replace("\n", " ")


def test_a_heat_map_has_a_cell_for_each_pair_with_its_interval():
    figure = plots.heat_map(swept(), "beta1", "beta2", "median", x_label="β₁")
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("β₁", "beta2", "median of T (step)")
    assert said(figure) == "n = 50; widest 90 % interval ± 15 %"
    np.testing.assert_array_equal(axes.collections[0].get_array(), [[1, 3, 5], [2, 4, 6]])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.1", "0.2", "0.3"]
    assert [t.get_text() for t in axes.texts] == ["1", "3", "5", "2", "4", "6"]
    assert plots.table(figure)[1] == {
        "panel": "all",
        "beta1": 0.2,
        "beta2": 0.1,
        "median": 3.0,
        "lower": 2.7,
        "upper": pytest.approx(3.6),
    }


def test_a_heat_map_states_the_interval_of_shares_in_points_and_not_in_percent_of_small_ones():
    shares = xr.Dataset({n: (("x", "y"), [[v]]) for n, v in (("share", 0.01), ("lower", 0.0), ("upper", 0.05))})
    shares = shares.assign_coords(x=[1.0], y=[2.0]).assign(n=50).assign_attrs(confidence=0.95)
    assert said(plots.heat_map(shares, "x", "y", "share")) == "n = 50; widest 95 % interval ± 0.025"


def test_a_heat_map_has_a_panel_for_each_further_configuration_and_one_scale_of_colours():
    data = swept(("optimizer", "lr", "sigma"), (2, 2, 3)).assign_coords(optimizer=["SGD", "Adam"])
    data["median"][1, 0, 0] = np.nan
    figure = plots.heat_map(data, "lr", "sigma", "median", log=True)
    left, right, _ = figure.axes
    assert (left.get_title(), right.get_title()) == ("SGD", "Adam")
    assert left.collections[0].norm is right.collections[0].norm
    assert said(figure).endswith("; hatched: no value")
    assert len(plots.table(figure)) == 12


def test_a_heat_map_shows_the_one_value_there_is():
    data = swept()
    data["median"][:] = np.where(np.arange(6).reshape(data["median"].shape) == 2, 7.0, np.nan)
    texts = plots.heat_map(data, "beta1", "beta2", "median", log=True).axes[0].texts
    assert sorted(t.get_text() for t in texts) == ["", "", "", "", "", "7"]


def test_a_heat_map_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="not 'lr' with numbers"):
        plots.heat_map(swept(), "lr", "beta2", "median")
    with pytest.raises(ValueError, match=r"the data have no 'mode' \(they have median, "):
        plots.heat_map(swept(), "beta1", "beta2", "mode")
    with pytest.raises(ValueError, match="no positive finite value"):
        plots.heat_map(-swept(), "beta1", "beta2", "median", log=True)


# ---- lines


def recorded(**attributes):
    """Two optimizers, 40 instances, a quantity that is 2^-k x (1, 2, ..., 40) at step k; one of Adam's diverged at step 2."""
    size = np.arange(1.0, 41.0)[:, None] * 0.5 ** np.arange(4.0)
    lost = np.full((2, 40), -1)
    lost[1, 0] = 2
    return xr.Dataset(
        {
            "value": (
                ("optimizer", "instance", "step"),
                np.stack([size, 3 * size]),
                {"long_name": "loss", "units": "u"},
            ),
            "diverged_step": (("optimizer", "instance"), lost),
        },
        {"optimizer": ["SGD", "Adam"], "instance": np.arange(40), "step": np.arange(4)},
        attributes,
    )


def of(figure, curve, kind="data", column="y"):
    return [row[column] for row in plots.table(figure) if (row["curve"], row["kind"]) == (curve, kind)]


def test_a_fan_is_the_quantiles_of_the_instances_from_step_1_on():
    figure = plots.fan(recorded(), "value")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step t", "loss (u)")
    assert said(figure) == "n = 40; lines: medians; bands: 90 % and 50 % of the instances; 1 diverged"
    assert of(figure, "SGD", "quantile 0.5", "x") == [1, 2, 3]
    assert of(figure, "SGD", "quantile 0.5") == [10, 5, 2.5]
    assert of(figure, "SGD", "quantile 0.95") == [19, 9.5, 4.75]
    assert of(figure, "Adam", "quantile 0.5") == [30, 15.75, 7.875]  # one more value above the middle
    assert len(axes.collections) == 4


def test_a_fan_of_a_summary_is_that_of_its_instances():
    data = recorded().drop_vars("diverged_step")
    levels = [0.25, 0.5, 0.75]
    bands = data["value"].quantile(levels, "instance", method="inverted_cdf")
    summary = xr.Dataset({"value_quantile": bands, "value_n": data["value"].count("instance")})
    drawn = [
        plots.table(figure) for figure in (plots.fan(summary, "value"), plots.fan(data, "value", quantiles=levels))
    ]
    np.testing.assert_equal(*drawn)
    assert said(plots.fan(summary, "value")) == "n = 40; lines: medians; bands: 50 % of the instances"


def test_a_band_to_infinity_reaches_the_edge_and_does_not_set_the_scale():
    data = recorded()
    data["diverged_step"][1, :10] = 1
    figure = plots.fan(data, "value", log=(False, True))
    assert figure.axes[0].get_ylim()[1] < 200
    band = figure.axes[0].collections[2].get_paths()[0].vertices
    assert band[:, 1].max() > figure.axes[0].get_ylim()[1]
    assert np.isinf(of(figure, "Adam", "quantile 0.95")[-1])


def test_fans_refuse_what_was_not_recorded_or_cannot_be_seen():
    with pytest.raises(ValueError, match=r"'regret' was not recorded \(the data have value\)"):
        plots.fan(recorded(), "regret")
    with pytest.raises(ValueError, match=r"give quantiles with 0\.5 among them"):
        plots.fan(recorded(), "value", quantiles=[0.1, 0.9])
    with pytest.raises(ValueError, match="nothing finite is to be seen"):
        plots.fan(0 * recorded()[["value"]], "value")


def test_curves_take_statistics_and_plain_arrays():
    figure = plots.curves(swept(), "median", "beta1", note="medians")
    assert said(figure) == "n = 50; intervals 90 %; medians"
    assert of(figure, "beta2 = 0.1") == [1, 3, 5]
    assert of(figure, "beta2 = 0.1", column="upper") == pytest.approx([1.2, 3.6, 6.0])
    x = np.arange(20.0)
    figure = plots.curves({"a": (x, x, x - 1, x + 1), "b": (x, 2 * x)}, laws={"a": (x, x)}, y_label="y")
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", "b", "law"]
    assert len(figure.axes[0].collections) == 1
    with pytest.raises(ValueError, match=r"'a' has arrays of shapes \(20,\), \(3,\); give"):
        plots.curves({"a": (x, x[:3])})
    with pytest.raises(ValueError, match="nothing finite"):
        plots.curves({"a": (x, x * np.nan)})


def test_curves_by_one_dimension_have_panels_for_the_others_with_one_look():
    data = swept(("lr", "beta1", "sigma"), (3, 2, 2))
    figure = plots.curves(data, "median", "lr", by="beta1", log=(True, True), columns=3)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["sigma = 0.1", "sigma = 0.2"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["beta1 = 0.1", "beta1 = 0.2"]
    for k, axes in enumerate(panels):
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert axes.get_ylim() == panels[0].get_ylim()
        shown = [line for line in axes.lines if len(line.get_xdata()) == 3]
        np.testing.assert_array_equal(shown[0].get_ydata(), data["median"].isel(beta1=0, sigma=k))
        assert {line.get_color() for line in shown} == {line.get_color() for line in panels[0].lines}
    assert {row["panel"] for row in plots.table(figure)} == {"sigma = 0.1", "sigma = 0.2"}
    stand_clear(figure)
    alone = plots.curves(data.isel(sigma=0), "median", "lr", by="beta1")
    assert len(alone.axes) == 1
    assert alone.axes[0].get_title() == ""
    with pytest.raises(
        ValueError, match=r"curves\(by='T'\): median has, beside 'lr', the dimensions \['beta1', 'sigma'\]; give one"
    ):
        plots.curves(data, "median", "lr", by="T")
    with pytest.raises(ValueError, match="40 panels; select data for at most 36"):
        plots.curves(swept(("lr", "beta1", "sigma"), (3, 2, 40)), "median", "lr", by="beta1")


def test_a_curve_against_a_coordinate_is_drawn_in_its_order():
    data = swept(("sigma",), (3,)).assign_coords(D=("sigma", [3.0, 1.0, 2.0]))
    figure = plots.curves(data, "median", "D")
    assert of(figure, "all", column="x") == [1, 2, 3]
    assert of(figure, "all") == [2, 3, 1]


def test_a_law_from_step_0_begins_at_step_1_on_a_logarithmic_axis():
    step = np.arange(5.0)
    figure = plots.fan(recorded(), "value", laws={"a law": (step, 1.0 + step)}, log=(True, False))
    (law,) = [line for line in figure.axes[0].lines if line.get_label() == "a law"]
    drawn = law.get_transform().transform(law.get_xydata())
    assert not np.isfinite(drawn[0, 0])
    assert np.isfinite(drawn[1:]).all()


def test_an_ecdf_counts_those_who_never_arrive():
    time = np.array([[2, 4, 4, -1], [1, -1, -1, -1]])
    data = xr.Dataset({"event_step": (("optimizer", "instance"), time), "horizon": 9}, {"optimizer": ["SGD", "Adam"]})
    figure = plots.ecdf(data)
    assert said(figure) == "n = 4; bands 95 %, pointwise"
    assert of(figure, "SGD", column="x") == [1, 2, 4, 9]
    assert of(figure, "SGD") == [0, 0.25, 0.75, 0.75]
    assert of(figure, "Adam") == [0.25, 0.25]
    with pytest.raises(ValueError, match="no instance has event_step of 0 or more"):
        plots.ecdf(data.isel(instance=[3]))
    with pytest.raises(ValueError, match="no 'time' over instances"):
        plots.ecdf(data, "time")


def test_an_arrhenius_plot_is_straight_where_the_law_holds():
    temperature = np.array([0.1, 0.2, 0.4])
    rate = np.exp(-0.3 / temperature)
    data = xr.Dataset(
        {"rate": ("sigma", rate), "rate_lower": ("sigma", 0.9 * rate), "rate_upper": ("sigma", 1.1 * rate)},
        {"sigma": [1.0, 2.0, 4.0], "T": ("sigma", temperature)},
        {"confidence": 0.9},
    )
    figure = plots.arrhenius({"SGD": data}, "T", laws={"Kramers": (temperature, rate)})
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    x, y = np.array(of(figure, "SGD", column="x")), np.array(of(figure, "SGD"))
    np.testing.assert_allclose(x, [2.5, 5, 10])
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(x), -0.3)
    assert of(figure, "Kramers", "law", "x") == [10, 5, 2.5]
    assert said(figure) == "bars 90 %"
    with pytest.raises(ValueError, match="'T' is not positive everywhere"):
        plots.arrhenius(data.assign_coords(T=("sigma", [0.0, 1.0, 2.0])), "T")
    with pytest.raises(ValueError, match="not 'tau' with numbers"):
        plots.arrhenius(data, "tau")


def test_an_arrhenius_plot_draws_the_fit_that_the_statistics_made():
    temperature = np.array([0.1, 0.2, 0.4])
    probability = 0.2 * np.exp(-0.1 / temperature)
    time = np.stack([geometric(p, 400, seed=k) for k, p in enumerate(probability)])
    data = runs(time, 10_000, dims=("sigma", "instance"), coords={"sigma": [1.0, 2.0, 4.0]})
    fitted = arrhenius(data, "sigma", temperature)
    figure = plots.arrhenius(fitted)
    assert said(figure) == "400 events; bars 95 %; lines: fits"
    (label,) = [t.get_text() for t in figure.legends[0].get_texts()]
    assert label.startswith(f"barrier {fitted['barrier'].item():.3g} [")
    x, line = np.array(of(figure, "all", "fit", "x")), np.log(of(figure, "all", "fit"))
    np.testing.assert_allclose(np.diff(line) / np.diff(x), -fitted["barrier"].item())
    rate = np.exp(fitted["log_rate"].to_numpy())[::-1]
    np.testing.assert_allclose(of(figure, "all"), rate)
    limit = rate * np.exp(1.959964 * fitted["log_rate_error"].to_numpy()[::-1])
    np.testing.assert_allclose(of(figure, "all", column="upper"), limit, rtol=1e-6)
    stand_clear(figure)


def test_running_times_to_a_tolerance_have_a_curve_each():
    data = recorded().assign(status=(("optimizer", "instance"), np.zeros((2, 40), np.int8)), horizon=3)
    data = data.assign(event_step=data["diverged_step"] * 0 - 1, event=data["diverged_step"] * 0)
    data.attrs |= {"paired": 1, "check_every": 1}
    times = time_to_tolerance(data.isel(optimizer=[0]), [1.0, 4.0])
    figure = plots.ecdf(times, "time")
    assert of(figure, "SGD, tolerance = 4")[-1] == (np.arange(1, 41) / 8 <= 4).mean()
    assert of(figure, "SGD, tolerance = 1")[-1] == (np.arange(1, 41) / 8 <= 1).mean()


def test_a_rate_without_events_is_an_arrow_at_its_upper_limit():
    data = xr.Dataset(
        {"rate": ("T", [0.0, 0.1]), "rate_lower": ("T", [0.0, 0.05]), "rate_upper": ("T", [0.01, 0.2])},
        {"T": [1.0, 2.0]},
    )
    figure = plots.arrhenius(data, "T")
    assert said(figure) == "bars 95 %; arrows: upper limits, no events"
    (arrow,) = [line for line in figure.axes[0].lines if "downarrow" in str(line.get_marker())]
    np.testing.assert_array_equal(arrow.get_ydata(), [0.01])


# ---- shares and Hessians


def outcomes():
    share = np.array([[0.1, 0.6, 0.3], [0.2, 0.8, 0.0]])
    return xr.Dataset(
        {
            "share": (("optimizer", "outcome"), share),
            "lower": (("optimizer", "outcome"), 0.9 * share),
            "upper": (("optimizer", "outcome"), np.minimum(1, share + 0.05)),
            "n": ("optimizer", [90, 100]),
        },
        {"optimizer": ["SGD", "Adam"], "outcome": ["censored", "event 1", "event 2"]},
        {"confidence": 0.95},
    )


def test_bars_are_the_shares_with_their_intervals_and_laws():
    laws = {"SGD": {"event 1": 0.5}}
    figure = plots.bars(outcomes(), names={"event 2": "flat", "event 1": "sharp"}, laws=laws)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["flat", "sharp"]
    assert said(figure) == "n = 90 to 100; intervals 95 %, each by itself"
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.6, 0.0, 0.8]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["SGD", "Adam", "law"]
    first, second = plots.table(figure)[:2]
    assert (first["outcome"], first["lower"], np.isnan(first["law"])) == ("event 2", pytest.approx(0.27), True)
    assert (second["share"], second["law"]) == (0.6, 0.5)
    with pytest.raises(ValueError, match="event 3 not in outcome, which has censored, event 1, event 2"):
        plots.bars(outcomes(), names={"event 3": "none"})
    with pytest.raises(ValueError, match="no 'share' over 'well'"):
        plots.bars(outcomes(), dim="well")


def test_violins_have_the_quantiles_of_their_sample_and_say_what_is_left_out():
    sample = np.exp(np.random.default_rng(0).normal(size=(2, 400)) * [[0.2], [1.0]])
    sample[1, :3] = np.nan
    data = xr.Dataset({"sharpness": (("optimizer", "instance"), sample)}, {"optimizer": ["SGD", "Adam"]})
    figure = plots.violins(data, "sharpness", log=True, laws={"SGD": 1.0})
    assert said(figure) == "n = 397 to 400; bars: middle half; lines: 90 %; dotted: law; 3 without value"
    own = plots.table(figure)[1]
    assert own["quantile 0.25"] == np.quantile(sample[1, 3:], 0.25)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["SGD", "Adam"]
    same = data.assign(sharpness=xr.full_like(data["sharpness"], 2.0))
    assert plots.table(plots.violins(same, "sharpness"))[0]["quantile 0.5"] == 2.0
    with pytest.raises(ValueError, match="nothing positive finite"):
        plots.violins(-same, "sharpness", log=True)


def test_the_density_of_eigenvalues_integrates_to_one_and_the_label_says_the_index():
    values = np.linspace(-1.0, 3.0, 80).reshape(8, 10)
    figure = plots.spectrum({"saddle": values}, bins=16)
    density = np.array(of(figure, "saddle"))
    assert density.sum() * 4 / 16 == pytest.approx(1)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["saddle, 25 % < 0"]
    assert said(figure) == "n = 8; Hessians of dim 10; 16 bins"
    with pytest.raises(ValueError, match="'a' has no finite eigenvalues"):
        plots.spectrum({"a": values * np.nan})
    with pytest.raises(ValueError, match=r"dataset of a run; give what statistics\.spectrum"):
        plots.spectrum(xr.Dataset({"x": ("instance", [1.0])}))


def indices(loss):
    """What saddle_index returns of 20 coordinates, a tenth of the loss of which lead down; the last instance diverged."""
    index = np.append(loss[:-1] // 10, -1).astype(int)
    variables = {"saddle_index": ("instance", index), "final_value": ("instance", loss)}
    return xr.Dataset(variables, {"instance": np.arange(loss.size)}, {"dim": 20})


def test_the_index_is_drawn_against_the_loss_with_the_means_that_the_statistics_find():
    data = indices(np.arange(101.0))
    figure = plots.index_against_loss(data, bins=10)
    assert of(figure, "all") == (np.arange(100) // 10 / 20).tolist()
    expected = index_against_loss(data, bins=10)
    assert of(figure, "all", "mean") == expected["fraction"].to_numpy().tolist()
    assert of(figure, "all", "mean", "upper") == expected["fraction_upper"].to_numpy().tolist()
    assert said(figure) == "n = 100; lines: means in bins, bars 95 %; 1 diverged"
    assert figure.axes[0].get_ylabel() == "share of negative eigenvalues"
    with pytest.raises(ValueError, match="give what saddle_index"):
        plots.index_against_loss(data[["final_value"]])


def test_what_became_of_an_ensemble_goes_from_the_statistics_to_the_pictures():
    wells = en.simulate(
        landscape=en.StyblinskiTang(dim=2),
        optimizer=en.GradientDescent(lr=en.grid(1e-4, 1e-3)),
        start=en.UniformBox(-5.0, 5.0),
        steps=5,
        instances=60,
        backend="numpy",
    )
    saddles, minima = statistics.saddle_index(wells), statistics.nearest_minimum(statistics.quench(wells))
    shares = (saddles.saddle_index[1] / 2).values.tolist()
    assert of(plots.index_against_loss(saddles), "lr = 0.001") == shares
    plots.violins(statistics.sharpness(wells), "largest_eigenvalue")
    plots.bars(statistics.shares(wells))
    occupied = statistics.occupancy_against_sharpness(minima)
    drawn = [row["share"] for row in plots.table(plots.bars(occupied, dim="minimum"))]
    assert drawn == occupied.share.values.ravel().tolist()


def test_no_text_of_these_figures_overlaps_another():
    names = ["SGD", "heavy ball", "perturbed GD", "Adam, no noise"]
    data = swept(("optimizer", "lr"), (4, 9)).assign_coords(optimizer=names)
    spread = np.exp(np.random.default_rng(0).normal(size=(4, 50)))
    spread_data = xr.Dataset({"sharpness": (("optimizer", "instance"), spread)}, {"optimizer": names})
    spread_data["sharpness"].attrs = {
        "long_name": "largest eigenvalue of the Hessian at the end",
        "units": "units of f per x²",
    }
    for figure in (
        plots.heat_map(swept(("lr", "sigma"), (12, 13)), "lr", "sigma", "median"),
        plots.heat_map(swept(("k", "lr", "sigma"), (4, 5, 5)), "lr", "sigma", "median"),
        plots.fan(recorded(), "value"),
        plots.curves(data, "median", "lr", log=(True, True)),
        plots.bars(outcomes()),
        plots.violins(spread_data, "sharpness", log=True),
        plots.violins(spread_data.drop_vars("optimizer").rename(optimizer="configuration_number"), "sharpness"),
        plots.spectrum(dict.fromkeys(names, spread)),
        plots.arrhenius(swept(("T",), (8,)).rename(median="rate"), "T"),
        plots.index_against_loss(indices(np.arange(101.0)), laws={"theory": ([0.0, 100.0], [0.0, 0.5])}),
    ):
        stand_clear(figure)
