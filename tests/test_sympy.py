"""Landscapes of SymPy's expressions: their values are SymPy's own, and nothing is evaluated that is not known."""

import sys

import numpy as np
import pytest
import sympy as sp

import ensemble as en

x, y, a, b = sp.symbols("x y a b", real=True)
EXPRESSIONS = {
    "valley": x**4 - 3 * x**2 * y + y**2 + a * (x**2 + y**2) ** 2,
    "fractions": sp.Rational(2, 3) * x - y / 7 - 1 / (1 + x**2) + x**2 / (a + y**2) - sp.Rational(5, 3),
    "functions": sp.exp(-(x**2)) * sp.sin(3 * y)
    - sp.cos(x)
    + sp.tanh(x * y)
    + sp.log(1 + x**2)
    + sp.cosh(y)
    - sp.sinh(x),
    "roots": sp.sqrt(1 + x**2) - (2 + y**2) ** sp.Rational(3, 2) + (3 + x**2) ** sp.Rational(1, 3) + 2 ** (x * y),
    "choices": sp.Piecewise((x**2, x > 0), (sp.sin(y) / 3, (y < 0) & (x < -1)), (a, True))
    + sp.Max(x, y, a)
    - sp.Min(x, y),
    "constants": sp.pi * x + sp.E * y - sp.GoldenRatio + sp.Abs(x) + sp.tan(x / 4) + sp.Float("0.1") * x,
    "minus": -x - y - a,
    "number": sp.Integer(3) * a,
}


@pytest.mark.ci
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_values_and_gradients_are_sympy_s(name):
    expression = EXPRESSIONS[name]
    default = {"a": 0.7} if a in expression.free_symbols else {}
    part = en.from_sympy(expression, (x, y), parameters=default)()
    points = np.random.default_rng(2).normal(size=(30, 2))
    wanted = sp.lambdify((x, y, a), [expression, sp.diff(expression, x), sp.diff(expression, y)], "mpmath")
    slopes = np.array([[float(v) for v in wanted(*p, 0.7)] for p in points.tolist()])
    np.testing.assert_allclose(part.value(points)[:, 0], slopes[:, 0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(part.gradient(points), slopes[:, 1:], rtol=1e-11, atol=1e-13)


def test_signs_are_those_of_numbers_and_coordinates_may_be_named():
    part = en.from_sympy(sp.Symbol("p") * sp.sign(sp.Symbol("q")), "p q")()
    assert part.value(np.array([[2.0, -3.0], [2.0, 0.0], [2.0, 5.0]]))[:, 0].tolist() == [-2.0, 0.0, 2.0]


@pytest.mark.ci
def test_it_runs_and_its_free_symbols_are_numbers_that_may_be_grids(cpu):
    bowl = en.from_sympy(a * x**2 + b * y**4, (x, y), parameters={"a": 2}, name="Bowl")
    assert (bowl.__name__, bowl.__module__) == ("Bowl", __name__)
    with pytest.raises(TypeError, match=r"Bowl.__init__\(\) missing 1 required keyword-only argument: 'b'"):
        bowl()
    given = {
        "landscape": bowl(b=en.grid(1, 2)), "optimizer": en.HeavyBall(0.01), "noise": en.Gaussian(0.1), "steps": 20,
        "start": en.NormalCloud(1.0), "instances": 20, "math": "precise", "progress": False,
    }  # fmt: skip
    found = [en.simulate(**given, backend=backend).dataset for backend in ("numpy", "cpu")]
    assert found[0]["x"].equals(found[1]["x"])
    assert found[0].sizes["b"] == 2
    assert en.check(bowl(b=1.0)).ok


@pytest.mark.ci
def test_an_expression_is_part_of_what_its_class_is():
    one, same, other = (en.from_sympy(e, (x, y))().describe()["class"] for e in (x * y, y * x, x + y))
    assert one == same
    assert one != other


@pytest.mark.parametrize(("expression", "symbols", "said"), [
    (sp.erf(x), (x,), r"'erf\(x\)' \(erf\) cannot be recorded; there are numbers"),
    (sp.I * x, (x,), "ImaginaryUnit"),
    (sp.oo * x, (x,), "cannot be recorded"),
    (sp.Function("g")(x), (x,), r"'g\(x\)'"),
    (sp.Integral(x**y, (x, 0, 1)), (x, y), "Integral"),
    (sp.Sum(x**y, (x, 0, 3)), (x, y), "Sum"),
    (sp.Derivative(x**2, x), (x,), "Derivative"),
    (sp.Piecewise((x, x > 0)), (x,), "has no value elsewhere"),
    (x * sp.Symbol("a b"), (x,), "'a b' is no name that a parameter can have"),
    (x * sp.Symbol("gradient"), (x,), "landscapes use the name gradient themselves"),
])  # fmt: skip
def test_what_is_not_known_is_refused_in_one_line(expression, symbols, said):
    with pytest.raises(ValueError, match=rf"^test_sympy.py:\d+: .*{said}") as error:
        en.from_sympy(expression, symbols)
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize(("expression", "symbols", "said"), [
    ("x**2", (x,), "give an expression of SymPy"),
    (x**2, (), "give the coordinates"),
    (x**2, (x, x), "different symbols"),
    (x**2, (2,), "give the coordinates"),
    (sp.Eq(x, 1), (x,), "give an expression"),
    (sp.Matrix([x]), (x,), "give an expression"),
])  # fmt: skip
def test_what_is_no_expression_is_refused(expression, symbols, said):
    with pytest.raises(TypeError, match=said):
        en.from_sympy(expression, symbols)


def test_a_parameter_that_the_expression_has_not_is_refused():
    with pytest.raises(ValueError, match="the expression has no such symbol"):
        en.from_sympy(x**2, (x,), parameters={"c": 1.0})


def test_without_sympy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match="pip install sympy"):
        en.from_sympy(x, (x,))
