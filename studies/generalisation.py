"""Which optimizer's networks judge samples that they have not seen best, and does sharpness tell them apart?

Question. Thousands of two-layer networks are trained on the same data with a tenth of the labels wrong, by SGD, heavy ball, Adam, AdamW and
SAM, each from the same starts on the same batches. How do training and test accuracy, the gap and the agreement between replicas
differ, and does the sharpness of where a network ended say how well it does on other samples? And where adaptive methods must fail
(Wilson et al. 2017), do they?

Expected. On the construction of Wilson, Roelofs, Stern, Srebro and Recht (2017), arXiv:1705.08292, section 3.3, gradient descent and SGD
from 0 go to the solution of least length, which judges every fresh example rightly; methods of diagonal scaling stay on multiples of the
signs of A^T y, and judge every fresh negative example wrongly: errors 0 and 1 among those, exactly. For the networks there is no law, but
for what is counted two ways: an instance's mean loss on the device and in plain arrays. Keskar et al. (2017), arXiv:1609.04836, find that
sharp minima generalise worse; Dinh et al. (2017), arXiv:1703.04933, why that need not be.

Found. All 14 comparisons hold (seed 0, 20,000 networks, 1,500 steps): on Wilson's construction gradient descent, SGD and heavy ball
judge all fresh examples rightly, Adam, RMSprop and AdaGrad every negative one wrongly. On breast_cancer with a tenth of the labels
wrong mean test accuracies are 0.9463 (SGD), 0.9462 (heavy ball), 0.9419 (Adam), 0.9452 (AdamW) and 0.9516 (SAM), each to 0.0004;
training accuracies go the other way, 0.9230 for Adam and 0.9130 for SAM, whose labels it fits least. SAM's replicas agree most (0.979),
Adam's least (0.963). Among replicas of one optimizer sharper ones have larger test losses: Kendall's tau is 0.10 to 0.28, every
interval above 0. Across optimizers sharpness says little: SGD ends sharper than Adam (0.74 and 0.57) and does better.

Run `python studies/generalisation.py`, or with `--quick`. Intervals are over instances; sharpness, the largest curvature of the training
loss, is measured of the first few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import report
import xarray as xr

import ensemble as en
from ensemble import plots
from ensemble.statistics import generalisation, mean, paired_difference

HIDDEN, BATCH, WRONG, DECAY = 8, 16, 0.1, 0.05
RULES: dict[str, en.Optimizer] = {
    "SGD": en.GradientDescent(0.1),
    "heavy ball": en.HeavyBall(0.01, beta=0.9),
    "Adam": en.Adam(0.005),
    "AdamW": en.AdamW(0.005, weight_decay=DECAY),
    "SAM": en.SAM(en.GradientDescent(0.1), rho=0.05),
}
PLACES = plots.palette(list(RULES))


@dataclass(frozen=True)
class Size(report.Size):
    """``sharp`` instances whose sharpness is measured; ``fits`` steps of Wilson's construction."""

    sharp: int = 200
    fits: int = 4000


def trained(study: report.Study[Size], instances: int, name: str) -> tuple[en.Result, en.data.Data]:
    """Networks of every optimizer, from the same starts on the same batches."""
    data = en.data.load("breast_cancer", label_noise=WRONG)
    network = en.TwoLayerNetwork(HIDDEN, "tanh", "logistic", X=data.train.X, y=data.train.y)
    result = en.compare(
        RULES,
        landscape=network,
        noise=en.Minibatch(BATCH, "reshuffle"),
        start=en.Initialisation.of(network, "glorot"),
        record=en.Record(
            ["value"],
            at=en.log_spaced(20),
            instances=min(instances, 100),
            observables={"test_loss": network.on(*data.test), "test_error": network.errors_on(*data.test)},
        ),
        instances=instances,
        steps=study.size.steps,
        seed=study.seed,
        backend=study.backend,
    )
    return study.keep(name, result), data


def networks(study: report.Study[Size]) -> None:
    """Accuracies, gaps and agreement of all; sharpness of some."""
    result, data = trained(study, study.size.instances, "networks")
    found = generalisation(result, data.test, sharpness_measure=None)
    few, _ = trained(study, study.size.sharp, "some")
    sharp = generalisation(few, data.test)
    for name in RULES:
        one, some = found.sel(optimizer=name), sharp.sel(optimizer=name)
        row: dict[str, object] = {"optimizer": name}
        for column in ("train_accuracy", "test_accuracy", "test_loss", "gap"):
            row |= {column: float(one[f"{column}_mean"])}
            row |= {f"{column}_{end}": float(one[f"{column}_mean_{end}"]) for end in ("lower", "upper")}
        row |= {"agreement": float(one["agreement"]), "contested": float(one["contested"])}
        row |= {"sharpness": float(some["sharpness_mean"]), "tau": float(some["tau"])}
        row |= {"tau_lower": float(some["tau_lower"]), "tau_upper": float(some["tau_upper"])}
        row |= {"tau p": float(some["tau_pvalue"])}
        study.rows.append(row)
    count_again(study, few, sharp, data)
    draw(study, result, sharp)
    say(study, result, found, sharp)


def count_again(study: report.Study[Size], result: en.Result, found: xr.Dataset, data: en.data.Data) -> None:
    """What the device counted, in plain arrays."""
    network = result.fields()[0].landscape
    x = result.dataset["x"].to_numpy().astype(float)
    said = network.predict(x.reshape(-1, x.shape[-1]), data.test.X)
    right = (said == data.test.y).mean(axis=1)
    seen = found["test_accuracy"].transpose("optimizer", "instance").to_numpy().ravel()
    study.check(
        report.Check.equal("test accuracies counted again that differ", int((np.abs(seen - right) > 1e-9).sum()), 0)
    )
    w1, b1, w2, b2 = network._weights(x.reshape(-1, x.shape[-1]))
    h = np.tanh(np.einsum("ijp,np->inj", w1, data.test.X) + b1[:, None])
    o = (np.einsum("ikj,inj->ink", w2, h) + b2[:, None])[..., 0]
    loss = np.logaddexp(0, np.where(data.test.y == 1, -o, o)).mean(axis=1)
    away = np.abs(found["test_loss"].transpose("optimizer", "instance").to_numpy().ravel() - loss).max()
    study.check(report.Check.at_most("largest difference of a test loss from plain arrays", float(away), 1e-9))


def draw(study: report.Study[Size], result: en.Result, sharp: xr.Dataset) -> None:
    """Losses along the way, and the test loss against sharpness."""
    runs = result.dataset
    for name, label in (("value", "training loss"), ("test_loss", "test loss")):
        data = mean(runs.isel(step=slice(1, None)), name)
        picture = plots.curves(data, "mean", "step", y_label=f"mean {label}", log=(True, False), places=PLACES)
        study.draw(name, picture, f"The mean {label} against the step.")
    points = {}
    for rule in RULES:
        one = sharp.sel(optimizer=rule).sortby("sharpness")
        groups = np.array_split(np.arange(one.sizes["instance"]), 8)
        x = np.array([float(one["sharpness"][g].mean()) for g in groups])
        y = np.array([float(one["test_loss"][g].mean()) for g in groups])
        e = np.array([1.96 * float(one["test_loss"][g].std(ddof=1)) / np.sqrt(len(g)) for g in groups])
        points[rule] = x, y, y - e, y + e
    study.draw(
        "sharpness",
        plots.curves(
            points, x_label="sharpness (largest curvature)", y_label="test loss", log=(True, False), places=PLACES
        ),
        "Test loss against sharpness: means of eighths of the instances, by sharpness.",
    )


def say(study: report.Study[Size], result: en.Result, found: xr.Dataset, sharp: xr.Dataset) -> None:
    """What was found."""
    best = max(RULES, key=lambda name: float(found["test_accuracy_mean"].sel(optimizer=name)))
    accuracies = ", ".join(f"{float(found['test_accuracy_mean'].sel(optimizer=name)):.4f} ({name})" for name in RULES)
    study.find(
        f"{len(RULES) * study.size.instances:,} networks, {WRONG:.0%} of the training labels wrong, {study.size.steps:,} steps: mean test "
        f"accuracies {accuracies}; {best} is best."
    )
    taus = ", ".join(f"{float(sharp['tau'].sel(optimizer=name)):.2f} ({name})" for name in RULES)
    study.find(f"Kendall's correlation of sharpness and test loss among replicas of one optimizer: {taus}.")
    agreements = ", ".join(f"{float(found['agreement'].sel(optimizer=name)):.3f} ({name})" for name in RULES)
    study.find(f"Two replicas tell a test sample's class alike with probability {agreements}.")
    pairs = paired_difference(result, "optimizer", "test_loss", reference="SGD")
    differences = ", ".join(
        f"{float(pairs['mean'].sel(optimizer=name)):+.4f} [{float(pairs['mean_lower'].sel(optimizer=name)):+.4f}, "
        f"{float(pairs['mean_upper'].sel(optimizer=name)):+.4f}] ({name})"
        for name in RULES
        if name != "SGD"
    )
    study.find(f"Test loss less SGD's, from the same start on the same batches: {differences}.")


def construction(study: report.Study[Size]) -> None:
    """Wilson's: who judges fresh negative examples rightly."""
    f = en.Wilson(6, 4)
    rules: dict[str, tuple[en.Optimizer, int, bool]] = {
        "gradient descent": (en.GradientDescent(0.1), 0, True),
        "SGD": (en.GradientDescent(0.05), 0, False),
        "heavy ball": (en.HeavyBall(0.02, beta=0.9), 0, True),
        "Adam": (en.Adam(0.001, eps=1e-12), 1, True),
        "RMSprop": (en.RMSProp(0.001, eps=1e-12), 1, True),
        "AdaGrad": (en.AdaGrad(0.1, eps=1e-12), 1, True),
    }
    for name, (optimizer, law, full) in rules.items():
        result = en.simulate(
            landscape=f,
            optimizer=optimizer,
            noise=en.Minibatch(order="full") if full else en.Minibatch(1),
            start=en.Point(0.0),
            instances=2 if full else 100,
            steps=study.size.fits,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        x = study.keep(f"wilson_{name.replace(' ', '_')}", result).dataset["x"].to_numpy()
        positive, negative = f.errors(x)
        what = f"Wilson's construction, {name}: share of fresh negative examples judged wrongly"
        study.check(report.Check.equal(what, float(negative.mean()), law))
        study.check(report.Check.equal(f"Wilson's construction, {name}: of positive ones", float(positive.mean()), 0))


def run(study: report.Study[Size]) -> None:
    """Everything."""
    networks(study)
    construction(study)


app = report.command(run, Size(4000, 1500), Size(100, 200, sharp=40, fits=4000))

if __name__ == "__main__":
    app()
