"""The explorer's modules have the bits of the NumPy backend, and its page holds together.

They are compiled by Zig and run by Node: `pip install ziglang`, and Node 18 or newer on the PATH.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ensemble as en

HERE = Path(__file__).parents[1] / "docs" / "explorer"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (importlib.util.find_spec("ziglang") and shutil.which("node")), reason="needs ziglang and node"
    ),
]
INSTANCES, STEPS, SEED = 1000, 300, 7
RUN = """
const {Ensemble, startNormals, startPoints, bytesOf} = require(process.argv[1]);
const fs = require("fs"), given = JSON.parse(fs.readFileSync(process.argv[2]));
const normals = startNormals(new WebAssembly.Module(bytesOf(given.modules.draw)), given.seed, given.count);
const found = given.runs.map(({key, scene, rule, fields, sigma}) => {
  const one = new Ensemble(new WebAssembly.Module(bytesOf(given.modules[key])), given.members[key], given.optimizers[rule],
                           given.scenes[scene].numbers, given.width);
  const from = given.scenes[scene];
  one.start(startPoints(normals, from.center, from.spread), given.seed, fields, sigma);
  for (let left = given.steps; left > 0; left -= 7) one.advance(Math.min(7, left));
  const values = one.values(one.points().slice());
  return {x: Array.from(new Uint32Array(one.points().slice().buffer)), steps: Array.from(one.eventSteps()),
          diverged: Array.from(one.divergedSteps()), values: Array.from(new Uint32Array(values.buffer))};
});
fs.writeFileSync(process.argv[3], JSON.stringify(found));
"""


@pytest.fixture(scope="module")
def built():
    sys.path.insert(0, str(HERE))
    try:
        import build
        import shown

        return build, shown, build.manifest()
    finally:
        sys.path.remove(str(HERE))


def shown_call(text, fields):
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", repr(value))
    return text


def test_every_module_has_the_bits_of_the_specification(built, tmp_path):
    _, shown, manifest = built
    runs = []
    for a, scene in enumerate(shown.SCENES):
        for b, (_, _, sliders, share) in enumerate(shown.OPTIMIZERS):
            rate = shown.first_rate(scene, share)
            fields = {name: rate if name.endswith("lr") else first for name, _, _, first, _ in sliders}
            runs.append({"key": f"{a}.{b}", "scene": a, "rule": b, "fields": fields, "sigma": scene.sigma})
    given = manifest | {"runs": runs, "seed": SEED, "count": INSTANCES, "steps": STEPS}
    (tmp_path / "given.json").write_text(json.dumps(given))
    (tmp_path / "run.cjs").write_text(RUN.replace("process.argv[1]", json.dumps(str(HERE / "engine.js"))))
    command = ["node", "run.cjs", "given.json", "found.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    escaped = 0
    for run, found in zip(runs, json.loads((tmp_path / "found.json").read_text()), strict=True):
        scene, rule = shown.SCENES[run["scene"]], manifest["optimizers"][run["rule"]]
        data = en.simulate(
            landscape=scene.landscape,
            optimizer=eval(shown_call(rule["call"], run["fields"]), {"en": en}),
            noise=en.Gaussian(run["sigma"]),
            start=en.NormalCloud(scene.spread, scene.center),
            event=scene.event,
            instances=INSTANCES,
            steps=STEPS,
            seed=SEED,
            backend="numpy",
            math="precise",
        ).dataset
        assert np.array_equal(np.array(found["x"], np.uint32), data["x"].to_numpy().ravel().view(np.uint32)), run
        assert np.array_equal(found["steps"], data["event_step"]), run
        assert np.array_equal(found["diverged"], data["diverged_step"]), run
        with np.errstate(all="ignore"):  # who is about to diverge
            values = scene.landscape.value(data["x"].to_numpy())[:, 0]
        np.testing.assert_array_equal(np.array(found["values"], np.uint32).view(np.float32), values, err_msg=str(run))
        escaped += int((data["event_step"] > 0).sum())
    assert escaped > 10 * INSTANCES


FORMULAS = (
    "x^4 - 3*x^2*y + y^2",
    "exp(-x^2/2)*sin(3*y) - -x",
    "log(1 + x**2)/(2 + cos(pi*y))",
    "sqrt(4 + x) * tanh(y)^3 + abs(x*y)",
    "2^3 + y^-2",
)


def run_node(script, tmp_path):
    (tmp_path / "own.cjs").write_text(script)
    done = subprocess.run(["node", "own.cjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def own_script(rest):
    """Node's script, after what engine.js and own.js say."""
    return "".join((HERE / name).read_text() for name in ("engine.js", "own.js")) + rest


def test_a_formula_of_ones_own_has_the_slopes_of_its_symbols(tmp_path):
    sympy = pytest.importorskip("sympy")
    points = np.random.default_rng(0).uniform(0.3, 1.5, size=(20, 2))
    script = own_script(
        f"const points = {json.dumps(points.tolist())}; console.log(JSON.stringify({json.dumps(FORMULAS)}.map((text) => {{"
        "const f = ownFunction(text); return points.map(([x, y]) => [f.value(x, y), f.slopes[0](x, y), f.slopes[1](x, y)]);})))"
    )
    x, y = sympy.symbols("x y", real=True)
    for text, found in zip(FORMULAS, run_node(script, tmp_path), strict=True):
        f = sympy.sympify(text.replace("^", "**"), locals={"x": x, "y": y})
        exact = [[float(g.subs({x: a, y: b})) for g in (f, f.diff(x), f.diff(y))] for a, b in points]
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12, err_msg=text)


def test_what_is_no_formula_is_refused_with_a_reason(tmp_path):
    bad = [
        "",
        "x +",
        "x y",
        "alert(1)",
        "x.constructor",
        "(x",
        "x^y",
        "constructor(x)",
        "import('a')",
        "1..2",
        "x; y",
        "`x`",
    ]
    script = own_script(
        f"console.log(JSON.stringify({json.dumps(bad)}.map((text) => {{ try {{ ownFunction(text); return null; }} catch (error) "
        "{ return error.message; } })))"
    )
    for text, message in zip(bad, run_node(script, tmp_path), strict=True):
        assert message, text
        assert "undefined" not in message
        assert "\n" not in message


def test_the_page_is_one_small_file_that_asks_for_nothing(built):
    build, _, manifest = built
    text = build.page(manifest)
    assert len(text.encode()) < 2e6
    for asked in ("http://", "https://", "src=", "@import", "url(", "fetch("):
        assert asked not in text.replace("http://www.w3.org", ""), asked
    assert "/*" not in text.split("<script>")[0]
