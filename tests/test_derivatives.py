"""Derivatives that follow from a landscape's value: those of automatic differentiation by others, and those that classes say."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from conditioning import NAMES, apart, ask, conditioning
from test_landscapes import EXAMPLES, POINTS, draw

import ensemble as en
from ensemble.tracing import TraceError, recorded_landscape, struct_of
from ensemble.tracing.evaluate import evaluate
from ensemble.tracing.nodes import Graph, Level
from ensemble.tracing.simplify import Algebra

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))
from peers.by_hand import BY_HAND, by_hand, from_value

GOLDEN = Path(__file__).parent / "golden" / "derivatives.npz"
KEPT = 40
ULPS = 4.0
"""Times what the roundings of the formula add up to."""
SUMS = {
    "PhaseRetrieval",
    "MatrixSensing",
    "Huber",
    "LeastSquares",
    "LogisticRegression",
    "TwoLayerNetwork",
    "Wilson",
    "WuTwoMinima",
}
FIELDS = {"PSpinFeatures", "RandomField", "SphericalPSpin"}
NOT_RECORDED = {"DeepLinear", "MatrixFactorization", "OnlineLinear", "Rotated"} | SUMS | FIELDS
"""Whose values are no formulas of the algebra: sums over samples, sums over many features (whose own tests are in test_random_fields.py),
and those whose structs are written by hand, each with its reason."""


def directions(x):
    """What Hessian products are taken along, (n, dim)."""
    return np.random.default_rng(1).normal(size=x.shape)


def is_formula(landscape):
    if type(landscape).__name__ in FIELDS:
        return False
    try:
        return "value" in recorded_landscape(from_value(landscape))
    except TraceError:
        return False


FORMULAS = [e for e in EXAMPLES if is_formula(e.landscape)]


def test_every_landscape_but_a_few_is_a_formula():
    assert {type(e.landscape).__name__ for e in EXAMPLES if e not in FORMULAS} == NOT_RECORDED


@pytest.mark.parametrize("number", range(len(FORMULAS)), ids=lambda k: type(FORMULAS[k].landscape).__name__)
def test_derivatives_are_those_of_automatic_differentiation_to_rounding(number):
    landscape, golden = FORMULAS[number].landscape, np.load(GOLDEN)
    x = draw(FORMULAS[number])[:KEPT]
    v, alone = directions(x), from_value(landscape)
    for name in NAMES:
        expected, scale = golden[f"{number}.{name}"], conditioning(alone, name, x, v)
        assert np.isfinite(scale).mean() > 0.9
        for part in (landscape, alone):
            assert apart(ask(part, name, x, v), expected, scale) <= ULPS, name


def _said(part):
    return [n for n in NAMES[1:] if getattr(type(part), n) is not getattr(en.Landscape, n)]


SAID = [k for k, e in enumerate(FORMULAS) if type(e.landscape) in BY_HAND or _said(e.landscape)]


@pytest.mark.parametrize("number", SAID, ids=lambda k: type(FORMULAS[k].landscape).__name__)
def test_what_is_said_by_hand_is_what_follows(number):
    """The class's own methods, and the gradients of those that say only their value as one writes them by hand."""
    part, x = FORMULAS[number].landscape, draw(FORMULAS[number])
    v, alone = directions(x), from_value(part)
    said = _said(part)
    for name in said or ["gradient"]:
        scale = conditioning(alone, name, x, v)
        assert apart(ask(by_hand(part), name, x, v), ask(alone, name, x, v), scale) <= ULPS, name


def test_the_bound_is_near_what_roundings_do():
    """It is no excuse: in float32 half of all errors are beyond a hundredth of it, and none beyond it."""
    for part in (en.Rosenbrock(dim=5), en.Levy(dim=5), en.Plateau(en.Rosenbrock(dim=5), height=3000.0)):
        x = np.random.default_rng(0).uniform(-2, 2, size=(POINTS, 5)).astype(np.float32)
        found = np.abs(ask(part, "gradient", x, x).astype(np.float64) - ask(part, "gradient", x.astype(float), x))
        bound = np.finfo(np.float32).eps * conditioning(part, "gradient", x.astype(np.float64), x)
        assert np.median(found / bound) > 0.01
        assert (found <= bound).all()


def test_what_one_condition_says_of_another_holds_for_all_coordinates():
    graph = Graph()
    base, k = graph.leaf("field", "n", level=Level.INSTANCE), Algebra(graph)
    told = {"<": int.__lt__, "==": int.__eq__}
    conditions = {
        (op, offset, n): graph.apply(op, k.index(offset), graph.apply("+", base, k.number(n)))
        for op, offset, n in itertools.product(told, (-1, 0, 1), (-1, 0, 2))
    }
    said = 0
    for (a, p), (b, q) in itertools.product(conditions.items(), repeat=2):
        for holds in (True, False):
            held = [i for i in range(-9, 9) if told[a[0]](i + a[1], a[2]) is holds]
            answers = {told[b[0]](i + b[1], b[2]) for i in held}
            decided = k._decided(p, holds, q)
            assert answers == {decided} or (decided is None and (len(answers) == 2 or a[0] == "=="))
            said += decided is not None
    assert said > 200


def test_conditions_on_coordinates_numbers_have_one_form():
    graph = Graph()
    k, size = Algebra(graph), graph.leaf("dim", level=Level.NUMBER)
    told = {
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "==": np.equal,
        "!=": np.not_equal,
    }
    for op, offset, n, of_dim in itertools.product(told, (-1, 0, 2), (-1, 0, 1, 3), (False, True)):
        limit = graph.apply("+", size, graph.constant(n)) if of_dim else graph.constant(n)
        condition = graph.apply(op, k.index(offset), limit)
        usual, holds = k._usual(condition)
        for dim in (1, 2, 5):
            i = np.arange(dim)
            x = np.zeros((1, dim))
            value = usual.constant if usual.constant is not None else evaluate(usual, x, None, None)[0] == 1
            assert np.array_equal(value == holds, told[op](i + offset, n + dim * of_dim)) or usual.constant is not None
            if usual.constant is not None:
                assert (told[op](i + offset, n + dim * of_dim) == (usual.constant == holds)).all()


def test_the_text_of_a_derivative_is_what_one_would_write():
    text = struct_of(en.DoubleWell(dim=3))
    assert "return x * where(index() < 1, x * x - real(1), stiffness);" in text
    assert "return where(index() < 1, v * (real(3) * (x * x) - real(1)), stiffness * v);" in text
    assert "return where(index() < 1, real(3) * (x * x) - real(1), stiffness);" in text
    text = struct_of(en.Quadratic(2.0, dim=3))
    assert "return x * curvature;" in text
    assert "return v * curvature;" in text
    assert "return everywhere(curvature);" in text
