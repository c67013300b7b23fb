"""The package as others meet it: its names, its kernels, its wheel, its README and `python -m ensemble`."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ensemble as en
from ensemble import plots, self_check
from ensemble.__main__ import KINDS, main, public_parts
from ensemble.backends import sources
from ensemble.backends.choice import choose
from ensemble.part import Part

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()


def modules():
    """Every module of the package but the backend that needs CuPy."""
    for found in pkgutil.walk_packages(en.__path__, "ensemble."):
        yield importlib.import_module(found.name)


def leaves(kind):
    """The classes derived from a part that are no bases of others; what tests define is not among them."""
    near = {c for c in kind.__subclasses__() if c.__module__.startswith("ensemble.")}
    return {c for base in near for c in leaves(base)} or {kind}


# ---- names


@pytest.mark.parametrize("name", sorted(en.__all__))
def test_every_public_name_says_what_it_is(name):
    thing = getattr(en, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    if inspect.isclass(thing):
        assert thing.__doc__, f"{name} has no docstring of its own"
        for method, value in vars(thing).items():
            inherited = any(hasattr(base, method) for base in thing.__mro__[1:])
            if inspect.isfunction(value) and not method.startswith("_") and not inherited:
                assert value.__doc__, f"{name}.{method} has no docstring"


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_every_module_says_what_it_is_and_names_what_it_exports(module):
    assert module.__doc__ or not Path(module.__file__).read_text()
    assert len(set(getattr(module, "__all__", []))) == len(getattr(module, "__all__", []))
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name)


def test_every_part_is_public():
    parts = [
        part for part in leaves(Part) if not part.__module__.startswith(("ensemble.checks.", "ensemble.functions."))
    ]  # a probe, and the base of landscapes made of functions: no parts to run
    assert {part.__name__ for part in parts} <= set(en.__all__)


def test_the_public_names_are_no_others_than_those_listed():
    assert len(en.__all__) == len(set(en.__all__))
    names = {n for n in vars(en) if not n.startswith("_") and not inspect.ismodule(getattr(en, n))}
    assert names == {n for n in en.__all__ if not inspect.ismodule(getattr(en, n))} | {
        "open"
    }  # which import * leaves alone


def test_parts_know_no_backend_and_statistics_know_only_datasets():
    for kind in ("optimizers", "noises", "events", "schedules", "landscapes", "statistics"):
        files = sorted((ROOT / "ensemble").glob(f"{kind}.py")) or sorted((ROOT / "ensemble" / kind).glob("*.py"))
        assert files
        for file in files:
            for module in imported(file):
                assert "backends" not in module, f"{file.name} imports {module}"
                assert kind != "statistics" or "simulate" not in module, f"{file.name} imports {module}"


def test_cupy_is_imported_in_one_file():
    importers = {f.name for f in (ROOT / "ensemble").rglob("*.py") if any(m.startswith("cupy") for m in imported(f))}
    assert importers <= {"cuda.py"}


def imported(file):
    """Names of the modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


# ---- versions


def test_the_version_is_the_same_everywhere():
    version = PROJECT["project"]["version"]
    assert en.__version__ == version
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version


# ---- kernels


def test_there_is_no_python_among_the_kernels():
    assert not list((ROOT / "kernels").rglob("*.py"))


def test_the_kernels_are_found_and_whole():
    folder = sources.kernels()
    names = {path.relative_to(folder) for path in folder.rglob("*.cuh")}
    assert {Path("advance.cuh"), Path("observe.cuh"), Path("draw.cuh"), Path("optimizers/descent.cuh")} <= names
    for path in names:
        for include in re.findall(r'#include "(.*?)"', (folder / path).read_text()):
            assert (folder / path).parent.joinpath(include).is_file() or (folder / include).is_file()


@pytest.mark.ci
def test_absent_kernels_are_named(tmp_path):
    shutil.copytree(ROOT / "ensemble", tmp_path / "ensemble", ignore=shutil.ignore_patterns("__pycache__", "kernels"))
    done = python(["-c", "import ensemble.backends.sources as s; s.kernels()"], tmp_path)
    assert done.returncode
    assert f"The kernel sources are missing: looked in {tmp_path / 'ensemble' / 'kernels'}" in done.stderr


def python(arguments, folder, **environment):
    """Runs this interpreter in a folder, whose modules come first."""
    variables = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as pip builds it but without a fresh environment for the build."""
    hatchling = pytest.importorskip("hatchling.build", reason="the build backend is not installed here")
    folder, before = tmp_path_factory.mktemp("wheel"), Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / hatchling.build_wheel(str(folder))
    finally:
        os.chdir(before)


def test_the_wheel_holds_the_kernels_inside_the_package_and_nothing_beside_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    kernels = {p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels").rglob("*.cuh")}
    assert {f"ensemble/{name}" for name in kernels} <= set(names)
    assert {"ensemble/py.typed", "ensemble/__main__.py"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"ensemble", f"descent_ensemble-{en.__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.ci
def test_the_wheel_runs_elsewhere_with_its_own_kernels(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
import ensemble as en
from ensemble.backends import sources
print(sources.kernels())
for backend in ("cpu", "numpy"):
    result = en.simulate(landscape=en.QuarticSaddle(dim=6), optimizer=en.Adam(lr=0.01), noise=en.Gaussian(sigma=0.1),
        start=en.NormalCloud(scale=0.1), instances=10, steps=20, math="precise", backend=backend, progress=False)
    print(result.dataset["x"].to_numpy().tobytes().hex())
"""
    done = python(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    kernels, cpu, numpy = done.stdout.split()
    assert Path(kernels) == tmp_path / "ensemble" / "kernels"
    assert cpu == numpy


# ---- README


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.ci
@pytest.mark.parametrize("code", EXAMPLES, ids=["own function", "comparison"])
def test_the_examples_of_the_readme_run(code, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "example.py").write_text(code)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    done = python(["example.py"], tmp_path, PYTHONPATH=str(ROOT), MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.png"))


def test_the_readme_is_read_in_three_minutes():
    assert len(README.splitlines()) <= 150


def test_the_readme_names_only_what_exists():
    for name in re.findall(r"`en\.([\w.]+)", README):
        thing = en
        for word in name.rstrip(".").split("."):
            thing = getattr(thing, word)
    for name in re.findall(r"`plots\.(\w+)", README):
        assert name in plots.__all__, name
    for path in re.findall(r"\]\(([^)#:]+)\)|`((?:studies|docs|tests|ensemble|kernels)/[\w./]+\w)`", README):
        assert (ROOT / (path[0] or path[1])).exists(), path


# ---- python -m ensemble


def test_what_was_found_is_printed_and_the_self_check_holds(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    for words in ("backend auto", "C++ compiler", "numpy", "threads", "holds", choose("auto")[0].name):
        assert words in printed
    assert "FAILS" not in printed


def test_a_failed_check_is_the_exit_status(capsys, monkeypatch):
    def broken(engine):
        raise AssertionError("two and two are five")

    monkeypatch.setitem(self_check.CHECKS, "generator", broken)
    assert main([]) == 1
    assert "two and two are five" in capsys.readouterr().out


def test_the_self_check_notices_another_generator(monkeypatch):
    engine = choose("numpy")[0]
    monkeypatch.setattr(self_check, "words", lambda *_: self_check.np.zeros((1, 8)))
    with pytest.raises(AssertionError, match="known answer"):
        self_check.generator(engine)


def test_every_public_part_is_listed_once_whether_or_not_others_derive_from_it(capsys):
    assert main(["parts"]) == 0
    printed = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    public = {name for name in en.__all__ if inspect.isclass(thing := getattr(en, name)) and issubclass(thing, Part)}
    assert sorted(name for name in printed if name in public) == sorted(public - {kind.__name__ for kind in KINDS})
    derived_from = {c for kind in KINDS for c in public_parts(kind) if c.__subclasses__()}
    assert en.SharpFlat in derived_from


def test_an_argument_that_is_not_understood_is_named(capsys):
    assert main(["help"]) == 2
    assert "give nothing, 'parts', 'source NAME', 'store', 'work', 'gpu-check' or '--help'" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_says_what_can_be_given(asked, capsys):
    assert main([asked]) == 0
    assert (
        "Usage: python -m ensemble [parts | source NAME | store COMMAND DIR | work DIR | gpu-check --out DIR | --help]"
        in capsys.readouterr().out
    )


@pytest.mark.ci
def test_a_run_does_not_wait_for_the_statistics_and_what_they_import():
    program = "import sys, ensemble; print([m for m in ('scipy.stats', 'matplotlib', 'ensemble.statistics') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
