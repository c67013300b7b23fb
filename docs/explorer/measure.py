"""What the explorer takes in a browser, printed: frames a second, milliseconds of simulation, memory in a long run.

`python docs/explorer/measure.py docs/_build/explorer/index.html [--soak 300]`, after `make -C docs explorer` and
`pip install playwright`, with a Chromium on the PATH or its path in `CHROMIUM`. It draws by software: a graphics card is faster.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

SCREENS = {"1440 px": ({"width": 1440, "height": 900}, 1), "390 px, 2 dots a pixel": ({"width": 390, "height": 844}, 2)}
RUNS = {
    "40,000 instances of SGD and of Adam, 1 step a frame": "#n=40000&speed=1",
    "40,000 instances of SGD and of Adam, 4 steps a frame": "#n=40000&speed=4",
    "100,000 instances of SGD, 4 steps a frame": "#n=100000&speed=4&a=GradientDescent",
    "100,000 instances of Adam, 4 steps a frame": "#n=100000&speed=4&a=Adam",
    "100,000 instances of SGD and of Adam, 4 steps a frame": "#n=100000&speed=4",
}


def load() -> str:
    """How many processes wanted a core in the last minute, of how many cores."""
    return f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"


def frames(page: Any, seconds: float) -> tuple[float, list[float]]:
    """Frames with new positions a second, and the milliseconds of simulation of some of them."""
    said = "({drawn: explorer.shownFrames.drawn, now: performance.now(), ms: explorer.runs.map((one) => one.ms)})"
    first, taken = page.evaluate(said), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page.wait_for_timeout(100)
        taken += page.evaluate(said)["ms"]
    last = page.evaluate(said)
    return 1000 * (last["drawn"] - first["drawn"]) / (last["now"] - first["now"]), taken


def memory(browser: Any, page: Any) -> dict[str, float]:
    """Megabytes: JavaScript's heap, the modules' memory, and what the page's process holds."""
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    heap = {m["name"]: m["value"] for m in metrics.send("Performance.getMetrics")["metrics"]}["JSHeapUsedSize"]
    metrics.detach()
    modules = page.evaluate("Promise.all(explorer.runs.map((_, k) => explorer.read(k).then(({bytes}) => bytes)))")
    system = browser.new_browser_cdp_session()
    held = 0
    for process in system.send("SystemInfo.getProcessInfo")["processInfo"]:
        status = Path(f"/proc/{process['id']}/status")
        if process["type"] == "renderer" and status.is_file():
            held += next(int(row.split()[1]) for row in status.read_text().splitlines() if row.startswith("VmRSS"))
    system.detach()
    return {"heap": heap / 1e6, "modules": sum(modules) / 1e6, "process": held / 1e3}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("page", type=Path, help="index.html")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds of a long run, looked at every 10 s")
    parser.add_argument("--again", action="store_true", help="start again every second of the long run")
    given = parser.parse_args()
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    print(f"{given.page.stat().st_size / 1e6:.2f} MB in one file")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        print(f"Chromium {browser.version}")
        for screen, (viewport, ratio) in () if given.soak else SCREENS.items():
            for name, run in RUNS.items():
                context = browser.new_context(viewport=viewport, device_scale_factor=ratio)
                page = context.new_page()
                page.goto(given.page.resolve().as_uri() + run)
                page.wait_for_timeout(2000)
                a_second, ms = frames(page, given.seconds)
                middle, most = statistics.median(ms), statistics.quantiles(ms, n=20)[-1]
                simulated = f"{middle:.1f} ms of simulation a frame, {most:.1f} at the 95th percentile"
                print(f"{screen}: {name}: {a_second:.1f} frames a second, {simulated}, {load()}", flush=True)
                context.close()
        if given.soak:
            page = browser.new_page(viewport=SCREENS["1440 px"][0])
            page.goto(given.page.resolve().as_uri() + "#n=40000&speed=4")
            until = time.monotonic() + given.soak
            while time.monotonic() < until:
                for _ in range(10):
                    page.wait_for_timeout(1000)
                    if given.again:
                        page.keyboard.press("r")
                page.wait_for_function("explorer.runs[0].t > 0")
                now = ", ".join(f"{name} {held:.1f} MB" for name, held in memory(browser, page).items())
                print(f"{now}, step {page.evaluate('explorer.runs[0].t'):,}, {load()}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
