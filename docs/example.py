"""Draws docs/valley.png and docs/escape.png by running the examples of README.md as they stand there: python docs/example.py."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Runs each example in an empty folder and keeps its picture."""
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
            subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
            for picture in Path(folder).glob("*.png"):
                shutil.copy(picture, ROOT / "docs")


if __name__ == "__main__":
    main()
