"""What a newcomer waits for: `python tests/newcomer.py`, with nothing installed, in an empty folder and with an empty cache.

A wheel is built here, outside the clock. Then it is installed into a fresh environment with what pictures need, and the two examples
of README are run as they stand, from the environment alone: the first picture is to be there within three minutes, that of one's own
function within five. Exit status 1 where it is later. No test: it measures the network and the machine, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WITHIN = {"escape": 180, "valley": 300}
"""Seconds, from nothing, by which each picture is to be there."""


def run(*command: str | Path, folder: Path, **variables: str) -> None:
    outside = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(list(map(str, command)), cwd=folder, env=outside | variables, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    own, example = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    late = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)
        (wheel,) = folder.glob("*.whl")
        work = folder / "work"
        work.mkdir()
        began = time.monotonic()
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(python, "-m", "pip", "install", "-q", f"{wheel}[studies]", folder=work)
        print(f"installed after {time.monotonic() - began:.0f} s")
        for picture, code in (("escape", example), ("valley", own)):
            (work / "example.py").write_text(code, encoding="utf-8")
            run(python, "example.py", folder=work, ENSEMBLE_CACHE=str(folder / "cache"), MPLBACKEND="Agg")
            seconds = time.monotonic() - began
            assert (work / f"{picture}.png").exists()
            print(f"{picture}.png after {seconds:.0f} s, to be there within {WITHIN[picture]}")
            late |= seconds > WITHIN[picture]
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
