"""What a function given to ``ensemble.landscape`` may not do: one line each, which names its author's file and line."""

import math
import random
import re

import numpy as np
import pytest

import ensemble as en
from ensemble.tracing import nodes

HERE = r"test_bad_functions.py:\d+: "
WEIGHTS, SEEN, FACTOR = np.arange(3.0), [], 2.0


def refused(make, what, kind=ValueError, line=""):
    """The message of a landscape that cannot be made, or asked."""

    def asked():
        part = make()
        part.value(np.zeros((1, part.dimension)))

    with pytest.raises(kind) as error:
        asked()
    said = str(error.value)
    assert re.match(HERE, said), said
    assert line in said
    assert re.search(what, said), said
    assert "\n" not in said
    assert len(said) <= 300
    assert not isinstance(error.value, (RecursionError, AttributeError))


def branch(x):
    if x[0] > 0:
        return x[0]
    return np.sum(x**2)


def keeps(x):
    SEEN.append(x[0])
    return np.sum(x)


def keeps_in_a_circle(x):
    ring = [x[0]]
    ring.append(ring)
    SEEN.append(ring)
    return np.sum(x)


def halves_for_ever(x):
    y = x[0]
    while True:
        y = y * 0.5


def does_the_same_for_ever(x):
    while True:
        x[0] * 0.5


def grows_until_it_is_large(x):
    y = x[0]
    while y < 10:
        y = y + 1
    return y


def calls_itself(x):
    return calls_itself(x)


def writes(x):
    x[0] = 1.0
    return x[0]


def fails(x):
    return {}["a"] * x


FUNCTIONS = {
    "a branch": (branch, "`if`.*write where", "`if x[0] > 0:`"),
    "unknown function": (lambda x: np.sum(np.sort(x)), "np.sort cannot be recorded; there are total"),
    "unknown ufunc": (lambda x: np.sum(np.arctan(x)), "np.arctan cannot be recorded; there are total"),
    "math": (lambda x: math.sin(x[0]), "np.sin"),
    "a vector": (lambda x: x**2, "returns a number for each of 3 coordinates; give one number"),
    "a slice": (lambda x: x[1:], "each of 2 coordinates"),
    "nothing": (lambda x: None, "returns nothing; give one number"),
    "a tuple": (lambda x: (x[0], x[1]), "returns a tuple"),
    "text": (lambda x: "x", "returns a str"),
    "a condition": (lambda x: x[0] > 0, "returns a condition"),
    "True": (lambda x: True, "returns a bool"),
    "complex": (lambda x: 1j * 2, "returns a complex"),
    "nan": (lambda x: float("nan"), "returns nan"),
    "a list": (keeps, "keeps values that it computed"),
    "a circle": (keeps_in_a_circle, "keeps values that it computed"),
    "random numbers": (lambda x: random.random() * np.sum(x), "another formula when it is called again"),
    "a loop": (halves_for_ever, "does a loop not end"),
    "an idle loop": (does_the_same_for_ever, "does a loop not end"),
    "a loop that looks": (grows_until_it_is_large, "`while`", "`while y < 10:`"),
    "recursion": (calls_itself, "calls itself without end"),
    "writing": (writes, "not changed in place", "`x[0] = 1.0`"),
    "its own error": (fails, "KeyError: 'a'"),
    "an array around it": (lambda x: np.sum(WEIGHTS * x), r"uses WEIGHTS=.*make it a parameter"),
    "an entry of one": (lambda x: WEIGHTS[1] * x[0], "make it a parameter"),
    "unlike slices": (lambda x: np.sum(x[1:] * x), "slice both alike"),
    "no such coordinate": (lambda x: x[5], "coordinate 5 was asked of 3"),
    "range": (lambda x, n=3: sum(x[0] ** k for k in range(n)), "annotate a parameter of the function as `n: int`"),
    "a matrix": (lambda x, m=((1.0, 2.0), (3.0, 4.0)): np.sum(m * x), "m is an array .2, 2. and no vector of a point"),
    "no such row": (lambda x, m=((1.0, 2.0), (3.0, 4.0)): m[2][0] * x[0], "give whole numbers within it"),
}  # fmt: skip


def test_a_loop_over_many_coordinates_runs_in_numpy_and_is_refused_by_name_elsewhere():
    @en.landscape
    def unrolled(x):
        total = x[0] * x[0]
        for k in range(1, x.size):
            total = total + x[k] * x[k]
        return total

    run = {
        "landscape": unrolled(dim=300),
        "optimizer": en.GradientDescent(0.1),
        "start": en.Point(1.0),
        "instances": 2,
        "steps": 3,
    }
    found = en.simulate(**run, backend="numpy", dtype="float64", progress=False)
    np.testing.assert_allclose(found.dataset["x"], 0.8**3)
    with pytest.raises(
        ValueError, match=r"nested in one another, as in a loop over coordinates; write it with slices"
    ) as refused:
        en.simulate(**run, backend="cpu", progress=False)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("what", FUNCTIONS)
def test_what_a_function_may_not_do(what, monkeypatch):
    function, said, *line = FUNCTIONS[what]
    if what == "an idle loop":  # all that is allowed takes half a minute
        monkeypatch.setattr(nodes, "MOST_ASKED", 20_000)
    refused(lambda: en.landscape(function)(dim=3), said, line=line[0] if line else "")
    SEEN.clear()


@pytest.mark.parametrize("name", ["dim", "value", "x", "gradient", "box", "instance", "step", "_hidden", "t"])
def test_names_that_landscapes_use_themselves_are_refused(name):
    function = eval(f"lambda z, {name}=1.0: np.sum({name} * z)", {"np": np})
    with pytest.raises(
        ValueError, match=rf"^<string>:1: Function\({name}=...\): landscapes use the name {name} themselves"
    ):
        en.landscape(function)


@pytest.mark.parametrize(("make", "what", "kind"), [
    (lambda: en.landscape(lambda x: np.sum(x))(dim=0), r"dim=0\): dim must be a whole number of at least 1", ValueError),
    (lambda: en.landscape(lambda x: np.sum(x))(dim=2.5), "dim must be a whole number", ValueError),
    (lambda: en.landscape(lambda x: x, dim=0), r"landscape\(dim=0\)", ValueError),
    (lambda: en.landscape(lambda x, y: x, dim=3), "give 3 coordinates as arguments, or one point", TypeError),
    (lambda: en.landscape(lambda *x: 1), "arguments with names of their own", TypeError),
    (lambda: en.landscape(lambda: 1), "takes no point", TypeError),
    (lambda: en.landscape(lambda x=1.0: x), "takes no point", TypeError),
    (lambda: en.landscape(lambda x, mode="a": x), "give a number, True or False, or an array", TypeError),
    (lambda: en.landscape(lambda x, a=float("inf"): x), "a must be a finite number", ValueError),
    (lambda: en.landscape(lambda x, a=[[1.0], [1.0, 2.0]]: x), "a", (ValueError, TypeError)),
    (lambda: en.landscape(lambda x: x, name="two words"), "a name as Python's classes have", ValueError),
    (lambda: en.landscape(lambda x: np.sum(x))(3), "give its numbers by name, or call Function.function", TypeError),
    (lambda: en.landscape(lambda x: np.sum(x))(dim=3, b=1), "there is no b", TypeError),
    (lambda: en.landscape(lambda x: np.sum(x[1:] - x[:-1]))(dim=1), r"a slice .* of 1 coordinates is empty", ValueError),
])  # fmt: skip
def test_how_it_may_not_be_called(make, what, kind):
    refused(make, what, kind)


@pytest.mark.parametrize("given", [2, "valley", en.Adam, np.sin])
def test_what_is_no_function_is_refused(given):
    with pytest.raises(TypeError, match=r"^landscape\(.*\): give a Python function"):
        en.landscape(given)


def test_a_class_that_calls_itself_is_told_so():
    @en.landscape
    def inward(x):
        return inward(x)

    refused(lambda: inward(dim=2), "a function that calls itself cannot be recorded", line="`return inward(x)`")


def test_a_number_around_a_function_that_changes_is_told_so(monkeypatch):
    bowl = en.landscape(lambda x: FACTOR * np.sum(x**2))
    bowl(dim=2)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    refused(lambda: bowl(dim=2), "FACTOR, which Function uses, was 2.0 and is 3.0; make it a parameter")


STARTS = {
    "nan": (lambda x: np.sum(np.log(x)), en.Point(-1.0), r"Function is nan at the start \(-1, -1\)"),
    "inf": (lambda x: np.sum(x) / 0, en.Point(1.0), "Function is inf at the start"),
    "kink": (lambda x: np.sqrt(np.sum(x**2)), en.Point(0.0), "Function is finite, and its gradient is not"),
}


@pytest.mark.parametrize("what", STARTS)
def test_a_start_without_a_value_is_refused(what):
    function, start, said = STARTS[what]
    with pytest.raises(ValueError, match=HERE + said) as error:
        en.simulate(
            landscape=en.landscape(function)(dim=2), optimizer=en.GradientDescent(0.1), start=start, instances=5,
            steps=5, backend="numpy", progress=False,
        )  # fmt: skip
    assert len(str(error.value)) <= 300


def test_some_starts_without_a_value_are_told():
    logs = en.landscape(lambda x: -np.sum(np.log(x)) + np.sum(x))
    with pytest.warns(
        UserWarning, match=HERE + r"Function is nan at the start .*; \d+ of the first 20 starts are like that"
    ):
        en.simulate(
            landscape=logs(dim=1), optimizer=en.GradientDescent(0.01), start=en.NormalCloud(1.0), instances=20,
            steps=5, backend="numpy", progress=False,
        )  # fmt: skip
