"""``docs/own_parts.md`` is run as it stands; its parts run from a wheel, and compile for GPUs without spills."""

import csv
import platform
import re
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cubin import compile_cubin, report
from emulated import EmulatedEngine
from own_functions import valley
from test_package import EXAMPLES, python, wheel  # noqa: F401

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.program import Program

ROOT = Path(__file__).parents[1]
PAGE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_parts.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def page():
    """What the blocks of the page define, run one after another as a notebook's cells are."""
    module = types.ModuleType("own_page")
    sys.modules["own_page"] = module
    for k, block in enumerate(PAGE):
        exec(compile(block, f"<cell {k}>", "exec"), module.__dict__)
    yield module
    del sys.modules["own_page"]


@pytest.mark.ci
def test_the_page_runs_as_it_stands(page, capsys):
    assert page.result.dataset.sizes["stiffness"] == page.result.dataset.sizes["lr"] == 3
    assert (page.result.dataset["event"] == 1).any()
    gradient = valley().gradient(np.array([[0.5, 1.0]]))
    np.testing.assert_array_equal(page.valley().gradient(np.array([[0.5, 1.0]])), gradient)
    share = 1 / (1 + np.exp(0.0))
    np.testing.assert_allclose(
        page.logistic.gradient(np.zeros((1, 4)))[0], -(page.logistic.signs * share) @ page.rows / 12, rtol=1e-12
    )


@pytest.mark.ci
def test_the_page_s_parts_have_the_bits_of_their_python_on_the_cpu(page, cpu):
    given = {
        "landscape": page.chain(dim=20, stiffness=en.grid(0.1, 0.4)), "optimizer": page.SignMomentum(lr=0.02),
        "noise": page.Laplace(0.5), "event": page.Spread(2.0), "start": en.NormalCloud(0.1), "instances": 40,
        "steps": 100, "math": "precise", "progress": False,
    }  # fmt: skip
    a, b = (en.simulate(**given, backend=backend).dataset for backend in ("numpy", "cpu"))
    for name in ("x", "event_step", "event"):
        assert a[name].to_numpy().tobytes() == b[name].to_numpy().tobytes()


NVRTC = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="NVRTC's wheel is for Linux x86-64"
)


@pytest.mark.ci
@NVRTC
@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_120"])
@pytest.mark.parametrize("what", ["valley", "own parts"])
def test_parts_of_one_s_own_compile_for_gpus_without_spills(what, arch, page):
    parts = {
        "valley": (valley(), en.HeavyBall(0.01), en.LeftBall(0.5), en.Gaussian(0.1)),
        "own parts": (page.chain(dim=20), page.SignMomentum(0.02), page.Spread(2.0), page.Laplace(0.5)),
    }[what]
    roles = dict(zip(("landscape", "optimizer", "event", "noise"), parts, strict=True))
    program = Program((roles,), parts[0].dimension, 32, 0, np.dtype("float32"), "fast", 1, 1, True)
    found = report(compile_cubin(EmulatedEngine(1).source(program, "advance"), sources.kernels(), arch))
    assert found.spill_stores == found.spill_loads == found.local_memory == 0
    assert found.step.total > 50


@pytest.mark.slow
def test_a_wheel_runs_them_in_an_empty_folder(wheel, tmp_path):  # noqa: F811
    pytest.importorskip("matplotlib")
    home, folder = tmp_path / "home", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(home)
    folder.mkdir()
    own = next(code for code in EXAMPLES if "@en.landscape" in code)
    assert len([line for line in own.splitlines() if line.strip()]) <= 12
    for backend in ("cpu", "numpy"):
        smaller = own.replace("instances=5_000", f'instances=50, backend="{backend}", progress=False')
        (folder / "mine.py").write_text(smaller.replace('"valley")', f'"{backend}")'))
        done = python(["mine.py"], folder, PYTHONPATH=str(home))
        assert done.returncode == 0, done.stderr
        assert (folder / f"{backend}.png").stat().st_size > 10_000
        drawn = [row["curve"] for row in csv.DictReader((folder / f"{backend}.csv").read_text().splitlines())]
        assert len(set(drawn)) == 9, "nine curves"


@pytest.mark.slow
def test_a_wheel_runs_the_page_in_an_empty_folder(wheel, tmp_path):  # noqa: F811
    home, folder = tmp_path / "home", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(home)
    folder.mkdir()
    text = "\n".join(PAGE).replace("steps=300", "steps=30")
    for backend in ("cpu", "numpy"):
        (folder / "page.py").write_text(text.replace("steps=30,", f'steps=30, backend="{backend}",'))
        done = python(["page.py"], folder, PYTHONPATH=str(home))
        assert done.returncode == 0, done.stderr
        assert "nothing fails" in done.stdout


@pytest.mark.slow
def test_mypy_takes_functions_as_landscapes(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(
        "import ensemble as en\n@en.landscape(dim=2)\ndef valley(x: float, y: float, a: float = 1.0) -> float:\n"
        "    return a * x * y\nquartic = en.landscape(lambda x: x[0] ** 4, name='quartic')\n"
        "part: en.Landscape = valley(a=en.grid(1.0, 2.0))\nother: en.Landscape = quartic(dim=3)\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--python-version",
        "3.11",
        "mine.py",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env={"MYPYPATH": str(ROOT), "PATH": ""}
    )
    assert done.returncode == 0, done.stdout
