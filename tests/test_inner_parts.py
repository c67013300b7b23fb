"""A part that wraps another is given one of its own kind, or says in one line what to give."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bad_calls import complaint
from parts import ROLES, all_kinds, example, innermost, kinds

import ensemble as en

INNER = [(kind, f.name) for kind in all_kinds() for f in dataclasses.fields(kind) if f.metadata.get("kind") == "inner"]


def role_of(kind):
    return next(role for role, (_, base) in ROLES.items() if issubclass(kind, base))


def given(kind, name, value):
    good = example(kind)
    return kind(**{f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init} | {name: value})


@pytest.mark.parametrize(("kind", "name"), INNER, ids=[f"{k.__name__}.{n}" for k, n in INNER])
def test_a_part_of_another_kind_a_class_and_a_number_are_refused_with_what_to_give(kind, name):
    own = role_of(kind)
    wrong = [example(innermost(kinds(role)[0])) for role in ROLES if role != own]
    wrong += [innermost(kind), "base", None, [example(innermost(kind))], en.Record("value", at=[0])]
    wrong += [] if own == "schedule" else [0.1, np.sqrt, lambda t: 0.1]
    for bad in wrong:
        message = complaint(lambda bad=bad: given(kind, name, bad))
        assert message.startswith(f"{kind.__name__}({name}="), message
        assert len(message) <= 300, message
        assert f"{own}, such as" in message, message
        example_given = message.split("such as ")[1].split(", not ")[0]
        assert given(kind, name, eval(f"en.{example_given}")) is not None, "following the advice works"


@pytest.mark.parametrize(("kind", "name"), [i for i in INNER if issubclass(i[0], en.Schedule)])
def test_where_a_schedule_is_wrapped_a_number_is_a_constant_one(kind, name):
    assert given(kind, name, 4) == given(kind, name, en.Constant(4.0))
    t = np.arange(1.0, 9.0)
    assert np.array_equal(given(kind, name, lambda t: 4.0)(t), given(kind, name, 4.0)(t))
    message = complaint(lambda: given(kind, name, float("nan")))
    assert message.startswith(f"{kind.__name__}({name}=nan)"), message


def test_the_noise_of_a_constant_batch_is_sigma_over_its_root():
    t = np.arange(1.0, 5.0)
    assert (en.PerBatch(1.0, 4.0)(t) == 0.5).all()
    assert np.allclose(en.Warmup(0.1, 4)(t), [0.025, 0.05, 0.075, 0.1], rtol=1e-15)
    run = en.simulate(
        landscape=en.Quadratic([1.0]), optimizer=en.GradientDescent(0.1), start=en.Point(1.0), instances=3, steps=5,
        noise=en.Gaussian(en.PerBatch(1.0, en.grid(4.0, 16.0))), backend="numpy",
    ).dataset  # fmt: skip
    assert run["batch"].values.tolist() == [4.0, 16.0]


def test_several_rates_are_a_sweep():
    for several in ([0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), range(3)):
        message = complaint(lambda several=several: en.Adam(lr=several))
        assert "en.grid" in message


@pytest.mark.parametrize("kind", all_kinds())
def test_a_message_is_one_short_line_however_long_the_value(kind):
    """Arrays, long lists, long text and values whose repr takes many lines or fails."""

    class Odd:
        def __repr__(self):
            raise RuntimeError("no")

    long = [
        np.full((300, 300), np.nan),
        [float("nan")] * 10_000,
        "x" * 10_000,
        dict.fromkeys(range(99), "y" * 100),
        Odd(),
    ]
    good = example(kind)
    for field in dataclasses.fields(kind):
        if not field.init or (field.metadata.get("kind") is None and field.name != "function"):
            continue
        arguments = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init}
        for bad in long:
            if kind is en.FromFunction and isinstance(bad, str):
                continue  # a function's name, as files keep it
            message = complaint(lambda: kind(**arguments | {field.name: bad}))  # noqa: B023
            assert len(message) <= 300, message
            assert field.name in message
