"""Structs and derivatives that are derived from a part's methods: the bits of its Python, on every backend."""

from __future__ import annotations

import re

import derived_parts
import numpy as np
import pytest
from cubin import architectures, compile_cubin, report
from device_runs import differences, program, run
from emulated import EmulatedEngine
from ptx.engine import PtxEngine

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.numpy import NumpyEngine
from ensemble.tracing import recorded_landscape, struct_of

WHOLE = {
    "optimizer": derived_parts.SignMomentum(0.05),
    "noise": derived_parts.Laplace(0.1),
    "event": derived_parts.Apart(3.0, 4.0),
    "start": en.NormalCloud(1.0),
    "instances": 37,
    "steps": 30,
    "progress": False,
}


def bits(result):
    return {name: result.dataset[name].to_numpy().tobytes() for name in ("x", "event_step", "event")}


@pytest.mark.ci
@pytest.mark.parametrize(
    "landscape", [derived_parts.Chain(dim=6), derived_parts.Anchored(dim=5)], ids=["Chain", "Anchored"]
)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_programs_of_derived_parts_have_the_bits_of_their_python(landscape, dtype, cpu):
    given = WHOLE | {"landscape": landscape, "dtype": dtype, "math": "precise"}
    found = [en.simulate(**given, backend=backend) for backend in ("numpy", "cpu")]
    assert bits(found[0]) == bits(found[1])
    assert np.isfinite(found[0].dataset["x"]).all()
    assert set(np.unique(found[0].dataset["event"])) & {1, 2}


@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_a_quotient_of_an_instance_s_numbers_has_the_bits_of_its_python(eps, cpu):
    given = WHOLE | {"landscape": en.Quadratic([1.0, 2.0, 3.0]), "noise": None, "event": None, "math": "precise"}
    given |= {
        "optimizer": derived_parts.Normed(0.1, eps),
        "start": en.Point(en.grid([0.0, 0.0, 0.0], [1.0, -0.3, 0.2])),
    }
    a, b = (en.simulate(**given, backend=backend) for backend in ("numpy", "cpu"))
    assert bits(a) == bits(b)
    assert np.isfinite(a.dataset["x"]).all()


def test_a_value_from_before_a_state_changes_is_kept(cpu):
    part = derived_parts.SignMomentum(0.05, delayed=True)
    text = struct_of(part)
    assert re.search(r"const Vec before = s\.m;\n\s+s\.m = beta \* s\.m", text), text
    given = WHOLE | {
        "landscape": en.Quadratic([1.0, 2.0, 3.0]),
        "optimizer": part,
        "event": en.Never(),
        "math": "precise",
    }
    a, b = (en.simulate(**given, backend=backend) for backend in ("numpy", "cpu"))
    assert bits(a) == bits(b)


def test_what_a_new_state_and_something_after_it_are_made_of_is_evaluated_before(cpu):
    given = WHOLE | {
        "landscape": en.Quadratic([1.0, 2.0, 3.0]),
        "optimizer": derived_parts.Stale(0.1),
        "event": en.Never(),
    }
    a, b = (en.simulate(**given | {"math": "precise"}, backend=backend) for backend in ("numpy", "cpu"))
    assert bits(a) == bits(b)


@pytest.mark.parametrize(
    "landscape", [derived_parts.Chain(dim=6), derived_parts.Anchored(dim=5)], ids=["Chain", "Anchored"]
)
def test_derivatives_follow_from_the_value(landscape):
    assert set(recorded_landscape(landscape)) == {"value", "gradient", "hessian_product", "hessian_diagonal"}
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(40, landscape.dim)), rng.normal(size=(40, landscape.dim))
    h = 1e-5
    slopes = [(landscape.value(x + h * e) - landscape.value(x - h * e))[:, 0] / (2 * h) for e in np.eye(landscape.dim)]
    np.testing.assert_allclose(landscape.gradient(x), np.stack(slopes, axis=1), rtol=1e-7, atol=1e-8)
    along = (landscape.gradient(x + h * v) - landscape.gradient(x - h * v)) / (2 * h)
    np.testing.assert_allclose(landscape.hessian_product(x, v), along, rtol=1e-7, atol=1e-7)
    whole = np.stack([landscape.hessian_product(x, np.broadcast_to(e, x.shape).copy()) for e in np.eye(landscape.dim)])
    np.testing.assert_allclose(landscape.hessian_diagonal(x), np.einsum("knk->nk", whole), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_diagonal_that_does_not_follow_is_taken_from_products(dtype, cpu):
    f = derived_parts.Mirrored(en.Rosenbrock(dim=6, b=3.0))
    assert set(recorded_landscape(f)) == {"value", "gradient", "hessian_product", "project"}
    x = np.random.default_rng(0).normal(size=(9, 6))
    np.testing.assert_allclose(f.hessian_diagonal(x), 4.0 * f.base.hessian_diagonal(1.0 - 2.0 * x), rtol=1e-13)
    given = WHOLE | {"landscape": f, "optimizer": en.Preconditioned(0.1, damping=1.0, absolute_values=True)}
    given |= {"event": en.Never(), "noise": en.Gaussian(0.3), "start": en.NormalCloud(2.0)}
    a, b = (en.simulate(**given, dtype=dtype, math="precise", backend=backend) for backend in ("numpy", "cpu"))
    assert bits(a) == bits(b)
    radii = np.linalg.norm(a.dataset["x"], axis=1)
    assert (radii <= 1.5 * (1 + 1e-6)).all()
    assert (radii > 1.4999).any()


def test_the_text_is_what_one_would_write():
    assert struct_of(en.HeavyBall(0.1)).endswith(
        "    template <class Gradient, class Now>\n"
        "    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {\n"
        "        s.v = now[beta] * s.v - now[lr] * gradient(x);\n"
        "        return x + s.v;\n"
        "    }\n"
        "};\n"
    )


# ---- on the device


def whole_program(landscape, dtype):
    return program(landscape, WHOLE["optimizer"], derived_parts.Apart(9.0, -30.0), WHOLE["noise"], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_derived_structs_have_their_bits_in_the_code_that_nvrtc_makes(lanes, dtype):
    """Executed instruction by instruction; lanes within a warp exchange what is shifted and summed."""
    landscape = derived_parts.Chain(dim=13) if lanes == 4 else derived_parts.Anchored(dim=6)
    p = whole_program(landscape, dtype)
    assert differences(run(PtxEngine(lanes), p, 3), run(NumpyEngine(), p, 3)) == []


@pytest.mark.slow
@pytest.mark.parametrize("arch", architectures()[-1:] + [80, 90])
@pytest.mark.parametrize(
    "landscape", [derived_parts.Chain(dim=64), derived_parts.Anchored(dim=64)], ids=["Chain", "Anchored"]
)
def test_derived_structs_spill_nothing(landscape, arch):
    engine = EmulatedEngine(4)
    for entry in ("advance", "observe"):
        cubin = compile_cubin(
            engine.source(whole_program(landscape, "float32"), entry), sources.kernels(), f"sm_{arch}"
        )
        found = report(cubin, entry)
        assert (found.spill_stores, found.spill_loads, found.local_memory) == (0, 0, 0)
