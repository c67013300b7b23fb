"""The house: imports point one way, and no two modules need each other, not even within a function or for a type alone."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STOREYS = (
    ("arithmetic", "classes", "names", "packed", "values", "version", "warned", "words"),
    ("algebra", "data", "distributions", "fields", "grids", "held", "many", "part", "plain", "sweep"),
    ("events", "landscapes", "minibatches", "noises", "optimizers", "records", "schedules", "starts"),
    ("tracing",),
    ("functions",),
    ("backends",),
    ("checks",),
    ("run",),
    ("results",),
    ("stores",),
    ("simulate",),
    ("statistics", "plots", "cluster"),
    ("report",),
    ("__init__", "__main__", "gpu_check", "self_check"),
)
"""Files and folders of the package: each imports those of its own storey and of those above it in this list, and no others."""


def modules(package: Path) -> dict[str, Path]:
    """``package.folder.file`` -> file; a folder's ``__init__`` has the folder's name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of its own package that a module imports, anywhere in it."""
    folder = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield from [whole] if whole in known else [base] if base in known else []


def graph(package: Path) -> dict[str, set[str]]:
    """Module -> those that it imports."""
    known = modules(package)
    return {name: set(imports(name, path, known)) - {name} for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, the last the first; empty: there are none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def room(module: str) -> str:
    """The file or folder of the package that a module is, or lies in."""
    return [*module.split("."), "__init__"][1]


def wrong_way(edges: dict[str, set[str]]) -> list[str]:
    """Imports of what stands on a later storey."""
    storey = {name: k for k, names in enumerate(STOREYS) for name in names}
    return [
        f"{one} imports {other}"
        for one, others in edges.items()
        for other in sorted(others)
        if storey[room(other)] > storey[room(one)]
    ]


def test_every_file_and_folder_has_a_storey():
    found = {room(module) for module in graph(ROOT / "ensemble")}
    listed = [name for names in STOREYS for name in names]
    assert len(listed) == len(set(listed))
    assert found <= set(listed)


def test_imports_point_one_way():
    assert wrong_way(graph(ROOT / "ensemble")) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle(graph(ROOT / "ensemble")) == []


def test_no_files_or_folders_of_the_package_import_each_other_in_a_circle():
    edges: dict[str, set[str]] = {}
    for one, others in graph(ROOT / "ensemble").items():
        edges.setdefault(room(one), set()).update(room(other) for other in others)
    assert circle({one: others - {one} for one, others in edges.items()}) == []


@pytest.mark.parametrize("statement", [
    "from .backends import twins", "from .backends.twins import Twin", "import ensemble.backends.twins",
    "def f():\n    from .backends import twins", "if TYPE_CHECKING:\n    from .backends.twins import Twin",
    "from ensemble.backends import twins", "from . import __version__",
])  # fmt: skip
def test_an_import_the_wrong_way_and_a_circle_are_seen_wherever_they_stand(statement, tmp_path):
    package = tmp_path / "ensemble"
    (package / "backends").mkdir(parents=True)
    (package / "__init__.py").write_text("from .part import Part\n")
    (package / "backends" / "__init__.py").write_text("")
    (package / "backends" / "twins.py").write_text("from ..part import Part\n")
    (package / "part.py").write_text("import ast\n")
    assert not wrong_way(graph(package))
    assert not circle(graph(package))
    (package / "part.py").write_text(statement)
    seen = "ensemble" if "__version__" in statement else "ensemble.backends.twins"
    assert wrong_way(graph(package)) == [f"ensemble.part imports {seen}"]
    assert set(circle(graph(package))) == {"ensemble.part", seen}


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.py")), ids=lambda path: path.stem)
def test_a_study_is_short_enough_to_be_read_at_once(study):
    """A subject of its own is a module beside it, and what two studies do alike is in ``studies/report``."""
    assert len(study.read_text(encoding="utf-8").splitlines()) <= 300
