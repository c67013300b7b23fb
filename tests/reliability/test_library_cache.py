"""Compiled libraries on disk: whatever happens to a file or to its folder, what runs is what was compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import HAS_COMPILER

from ensemble.backends import libraries

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX systems"),
    pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler on PATH"),
]
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")

HEALS = """
import os, sys, warnings
from pathlib import Path
from ensemble.backends import compiler
cache = Path(os.environ["ENSEMBLE_CACHE"])

def in_child(work):
    child = os.fork()
    if not child:
        try:
            os._exit(work())
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def probe():
    return int(compiler.library(compiler.PROBE).probe(21) != 42)

def where():
    return next(cache.glob("*/*.so"))

assert in_child(probe) == 0
sound = where().read_bytes()
at = len(sound) // 3
spoiled = {
    "zero length": b"",
    "random bytes": os.urandom(len(sound)),
    "half": sound[: len(sound) // 2],
    "another machine": sound[:18] + b"\\xb7\\x00" + sound[20:],
    "text": b"!<arch>\\n" * 50,
    "more at the end": sound + b"x",
}
for n in range(0, len(sound) * 8, len(sound) * 8 // int(os.environ['FLIPS'])):  # one bit, all along the file
    spoiled[f"bit {n}"] = sound[: n // 8] + bytes([sound[n // 8] ^ 1 << n % 8]) + sound[n // 8 + 1 :]
for name, content in spoiled.items():
    path = where()
    path.write_bytes(content)
    print(name, in_child(probe), where().read_bytes() == sound, len(list(cache.glob("*/*"))), sep=";")
path = where()
path.unlink()
path.mkdir()
print("a folder", in_child(probe), sep=";")
path.rmdir() if path.is_dir() else None
"""


def told(script, folder, *, before=None, warned=(), **environment):
    """The lines that a process of its own prints; it warns of nothing but ``warned``."""
    fixed = {"ENSEMBLE_CACHE": str(folder), "CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(Path(folder).parent)}
    environment = os.environ | fixed | environment
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, preexec_fn=before, timeout=200
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "Warning: " in line]
    assert len(warnings) == len(warned), done.stderr
    for line, words in zip(warnings, warned, strict=True):
        assert words in line
        assert len(line.split("Warning: ")[1]) <= 300
    return done.stdout.splitlines()


@pytest.mark.parametrize("flips", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_every_kind_of_corruption_heals_itself(flips, tmp_path):
    lines = [line.split(";") for line in told(HEALS, tmp_path / "cache", warned=["Is a directory"], FLIPS=str(flips))]
    assert len(lines) >= flips + 7
    for name, status, *found in lines[:-1]:
        assert (name, status, found) == (name, "0", ["True", "1"])
    assert lines[-1] == ["a folder", "0"]


USES = """
import os
from pathlib import Path
from ensemble.backends import compiler
compiler.check()
print(compiler.library(compiler.PROBE).probe(2))
"""


@pytest.mark.ci
def test_folders_and_files_are_for_this_user_alone_whatever_the_umask(tmp_path):
    folder = tmp_path / "new" / "cache"
    assert told(USES, folder, before=lambda: os.umask(0)) == ["4"]
    found = [folder.parent, folder, *folder.rglob("*")]
    assert len(found) == 4
    for path in found:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


PLANTED = """
#include <stdio.h>
__attribute__((constructor)) static void planted() { printf("planted code ran\\n"); fflush(stdout); }
extern "C" int probe(int) { return 42; }
"""


def planted(folder: Path) -> list[Path]:
    """Puts another library, with its own right digest, beside every one that is kept."""
    source, made = folder / "planted.cpp", folder / "planted.so"
    source.write_text(PLANTED)
    subprocess.run(["c++", "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    content = made.read_bytes()
    put = []
    for kept in list(folder.glob("*/*.so")):
        kept.unlink()
        put.append(kept.with_name(f"{libraries.digest_of(content)}.so"))
        put[-1].write_bytes(content)
    return put


@root
@pytest.mark.slow
def test_what_another_user_planted_does_not_run(tmp_path):
    """A file of another user, a file that others may write, a folder that others may write, a folder of another user."""
    folder, scratch = tmp_path / "cache", tmp_path / "tmp"
    scratch.mkdir()
    assert told(USES, folder, TMPDIR=str(scratch)) == ["4"]
    for spoil in (lambda path: os.chown(path, 65534, 65534), lambda path: os.chmod(path, 0o666)):
        files = planted(folder)
        for path in files:
            path.chmod(0o600)
            spoil(path)
        said = ["is not loaded"] * len(files)
        assert told(USES, folder, warned=said, TMPDIR=str(scratch)) == ["4"]
    for spoil in (lambda: folder.chmod(0o777), lambda: (folder.chmod(0o700), os.chown(folder, 65534, 65534))):
        for path in planted(folder):
            path.chmod(0o600)
        spoil()
        assert told(USES, folder, warned=[f"not in {folder}"], TMPDIR=str(scratch)) == ["4"]
    assert [path.name for path in scratch.iterdir()] == ["descent-ensemble-0"]


@pytest.mark.ci
@root
def test_a_planted_folder_among_the_temporary_files_is_not_used_and_one_of_this_process_is_removed(tmp_path):
    scratch, cache = tmp_path / "tmp", tmp_path / "cache"
    scratch.mkdir()
    cache.mkdir()
    cache.chmod(0o777)
    (scratch / "descent-ensemble-0").symlink_to(cache)
    assert told(USES, cache, warned=[f"not in {cache}"], TMPDIR=str(scratch)) == ["4"]
    assert [path.name for path in scratch.iterdir()] == ["descent-ensemble-0"]
    assert not list(cache.iterdir())


@pytest.fixture
def mounted(tmp_path):
    """Small file systems of their own; what is still mounted at the end is unmounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    folders = []

    def mount(options):
        folder = tmp_path / f"mounted{len(folders)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("this system mounts nothing")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        "size=16k,mode=700",
        *(pytest.param(f"size=1m,mode=700,{how}", marks=pytest.mark.slow) for how in ("noexec", "ro")),
    ],
)
def test_a_folder_that_is_noexec_full_or_read_only_is_replaced_and_said_once(options, mounted, tmp_path):
    """The same folder of temporary files serves two processes, and nothing is left of either."""
    folder, scratch = mounted(options), tmp_path / "tmp"
    scratch.mkdir()
    assert told(USES, folder, warned=[f"not in {folder}"], TMPDIR=str(scratch)) == ["4"]
    kept = sorted(scratch.rglob("*.so"))
    assert kept
    subprocess.run(
        [sys.executable, "-c", USES], env=os.environ | {"ENSEMBLE_CACHE": str(folder), "TMPDIR": str(scratch)}
    )
    assert [path.name for path in scratch.iterdir()] == ["descent-ensemble-0"]
    assert sorted(scratch.rglob("*.so")) == kept
    assert not [path for path in scratch.rglob("*") if path.name.startswith("compiling-")]


@pytest.mark.ci
def test_a_folder_that_vanishes_while_running_is_made_again_or_replaced(tmp_path):
    """Removed, then put out of reach: a file stands where its parent was."""
    scratch, cache = tmp_path / "tmp", tmp_path / "parent" / "cache"
    scratch.mkdir()
    script = f"""
import shutil
{USES}
shutil.rmtree(os.environ["ENSEMBLE_CACHE"])
print(compiler.library(compiler.PROBE + "// again").probe(2), os.path.isdir(os.environ["ENSEMBLE_CACHE"]))
parent = Path(os.environ["ENSEMBLE_CACHE"]).parent
shutil.rmtree(parent)
parent.write_text("")
print(compiler.library(compiler.PROBE + "// and again").probe(3))
"""
    assert told(script, cache, warned=[f"not in {cache}"], TMPDIR=str(scratch)) == ["4", "4 True", "6"]


@pytest.mark.ci
def test_a_relative_folder_stays_where_it_was_meant(tmp_path):
    script = f"""
import os
os.chdir({str(tmp_path)!r})
{USES}
os.mkdir("elsewhere")
os.chdir("elsewhere")
print(compiler.library(compiler.PROBE + "// again").probe(2), os.listdir("."))
"""
    assert told(script, "kept/here", PYTHONPATH=str(Path(libraries.__file__).parents[2])) == ["4", "4 []"]
    assert len(list((tmp_path / "kept" / "here").glob("*/*.so"))) == 2


@pytest.mark.ci
def test_two_processes_compile_the_same_program_at_once(tmp_path):
    environment = os.environ | {"ENSEMBLE_CACHE": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", "from ensemble.backends import compiler; compiler.check(); print('holds')"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [p.communicate(timeout=200)[0] for p in both] == ["holds\n", "holds\n"]
    assert len(list(tmp_path.glob("*/*.so"))) == 1


@pytest.mark.ci
def test_what_a_killed_process_was_compiling_is_swept_and_what_a_living_one_compiles_is_not(tmp_path):
    long_ago = time.time() - 2 * libraries.ABANDONED
    dead = tmp_path / f"{libraries.SCRATCH}dead"
    dead.mkdir(0o700)
    (dead / "program.cpp").write_text("")
    tmp_path.chmod(0o700)
    with libraries.scratch_in(tmp_path) as living:
        for folder in (dead, living):
            os.utime(folder, (long_ago, long_ago))
        told("from ensemble.backends import compiler; compiler.check()", tmp_path)
        assert living.is_dir()
        assert not dead.exists()
    assert not living.exists()
