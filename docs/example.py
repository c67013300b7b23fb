"""Draws docs/escape.png by running the example of README.md as it stands there: python docs/example.py."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Runs the example in an empty folder and keeps its picture."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
        shutil.copy(Path(folder) / "escape.png", ROOT / "docs" / "escape.png")


if __name__ == "__main__":
    main()
