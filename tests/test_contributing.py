"""CONTRIBUTING.md's words on adding a part, followed literally: they touch one file, and the part then runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
WORDS = (ROOT / "CONTRIBUTING.md").read_text().split("## How to add a part, literally")[1]


def digest_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def follow(words, checkout):
    """Does what the words say to the files that they name."""
    for name, path in re.findall(r'Add `"(\w+)"` to the list `__all__` at the top of `([\w./]+)`', words):
        file = checkout / path
        listed = re.search(r"^__all__ = \[(.*?)\]", file.read_text(), re.MULTILINE | re.DOTALL)
        names = sorted([*re.findall(r'"\w+"', listed[1]), f'"{name}"'])
        file.write_text(file.read_text().replace(listed[0], f"__all__ = [{', '.join(names)}]"))
    for path, block in re.findall(r"Append this to the end of `([\w./]+)`:\n\n```\w+\n(.*?)```", words, re.DOTALL):
        file = checkout / path
        file.write_text(file.read_text() + block)


def run(checkout, code):
    """Runs Python code that imports the package from ``checkout``; returns what it prints."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources in which the words were followed, and the files that this changed."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("ensemble", "kernels"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = digest_of(folder)
    follow(WORDS, folder)
    after = digest_of(folder)
    assert before.keys() == after.keys()
    return folder, {str(path) for path in before if before[path] != after[path]}


def toy(h, x, lr, beta, softness, steps):
    """The formula in the words, in plain float64."""
    m = np.zeros_like(x)
    for _ in range(steps):
        m = beta * m + (1.0 - beta) * (h * x)
        x = x - lr * (m / (np.abs(m) + softness))
    return x


def test_the_words_touch_exactly_one_file(checkout):
    assert checkout[1] == {"ensemble/optimizers/descent.py"}


@pytest.mark.ci
def test_the_part_gives_the_right_numbers_and_equal_bits(checkout):
    code = """
import json
import ensemble as en
from ensemble.backends import sources
found = {"file": en.__file__, "kernels": str(sources.kernels())}
for dtype in ("float64", "float32"):
    for backend in ("numpy", "cpu"):
        result = en.simulate(
            landscape=en.Quadratic([1.0, 2.0, 3.0, 4.0, 5.0]), optimizer=en.Toy(lr=en.grid(0.01, 0.1), softness=0.2),
            noise=en.Gaussian(sigma=en.grid(0.0, 0.3)), start=en.Point([1.0, -1.0, 0.5, 0.1, 2.0]),
            instances=9, steps=70, dtype=dtype, math="precise", backend=backend, progress=False)
        found[f"{dtype} {backend}"] = result.dataset["x"].transpose("sigma", "lr", ...).to_numpy().tolist()
print(json.dumps(found))
"""
    found = json.loads(run(checkout[0], code))
    assert Path(found["file"]).is_relative_to(checkout[0])
    assert Path(found["kernels"]).is_relative_to(checkout[0])
    h, x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.0, -1.0, 0.5, 0.1, 2.0])
    for dtype, tolerance in (("float64", 1e-13), ("float32", 1e-5)):
        assert found[f"{dtype} numpy"] == found[f"{dtype} cpu"]
        without_noise, with_noise = np.array(found[f"{dtype} cpu"])
        assert np.ptp(with_noise, axis=1).all()
        for got, lr in zip(without_noise, (0.01, 0.1), strict=True):
            expected = np.broadcast_to(toy(h, x, lr, 0.9, 0.2, 70), (9, 5))
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.ci
def test_the_example_in_the_words_runs(checkout):
    (code,) = re.findall(r"```python\n(import ensemble.*?)```", WORDS, re.DOTALL)
    printed = run(checkout[0], code)
    numpy, cpu = printed.removeprefix("numpy").split("cpu")
    assert numpy == cpu


@pytest.mark.ci
def test_the_part_is_found_by_the_list_of_parts(checkout):
    assert "Toy" in run(checkout[0], "from ensemble.__main__ import main; main(['parts'])")
