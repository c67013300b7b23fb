"""The explorer in a browser: what it shows has the bits of `en.simulate`, and everything on it does what it says.

The page is built by Zig's compiler and opened by Playwright in a Chromium that is here already:
`pip install ziglang playwright`, and chromium, chromium-browser or google-chrome on the PATH, or `CHROMIUM` with its path.
"""

import contextlib
import functools
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BROWSER = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
LACKING = [name for name in ("ziglang", "playwright") if not importlib.util.find_spec(name)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"needs {' and '.join(LACKING)} from PyPI"),
    pytest.mark.skipif(not BROWSER, reason="needs a Chromium on the PATH, or CHROMIUM with its path"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The page, built as `make -C docs explorer` builds it."""
    out = tmp_path_factory.mktemp("explorer")
    subprocess.run([sys.executable, str(ROOT / "docs" / "explorer" / "build.py"), "--out", str(out)], check=True)
    return out / "index.html"


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, index):
    """Opens the page with what follows the # of its address; at the end nothing may have gone wrong, nothing been asked for."""
    with contextlib.ExitStack() as stack:
        wrong = []

        def opened(hash="", address=None, **context):
            address = address or index.as_uri()
            page = stack.enter_context(contextlib.closing(chromium.new_context(**context))).new_page()
            page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
            page.on(
                "request",
                lambda r: None if r.url.startswith((address, "blob:", "data:")) else wrong.append(f"asked: {r.url}"),
            )
            page.goto(address + hash)
            page.wait_for_function("window.explorer?.shownFrames.drawn > 0")
            return page

        yield opened
        assert not wrong


def taken(page, steps):
    """The page at rest, when all its ensembles have taken so many steps."""
    page.wait_for_function(f"explorer.idle() && explorer.runs.every((one) => one.t === {steps})")
    return page


def read(page, k=0):
    """Points (instances, 2) as float32, event steps and diverged steps of optimizer k."""
    found = page.evaluate(
        "(k) => explorer.read(k).then(({points, steps, diverged}) => [[...new Uint32Array(points.buffer)], [...steps], [...diverged]])",
        k,
    )
    points, steps, diverged = (np.array(each, np.int64) for each in found)
    return points.astype(np.uint32).view(np.float32).reshape(-1, 2), steps, diverged


def copied(page, tmp_path, name="copied"):
    """The dataset of a run of what "Copy Python" shows, each optimizer's in turn, with the bits of its points."""
    page.click("#python")
    (tmp_path / f"{name}.py").write_text(page.inner_text("#code").replace("\xa0", " "), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module.result.dataset


def same(page, data, k=0):
    points, steps, diverged = read(page, k)
    x = data["x"].transpose("instance", ...).to_numpy().astype(np.float32).reshape(-1, 2)
    assert len(x) == len(points)
    assert np.array_equal(points.view(np.uint32)[~np.isnan(x)], x.view(np.uint32)[~np.isnan(x)])
    assert np.array_equal(np.isnan(points), np.isnan(x))
    assert np.array_equal(steps, data["event_step"].to_numpy().ravel())
    assert np.array_equal(diverged, data["diverged_step"].to_numpy().ravel())
    return steps


def paused(**given):
    return "#" + "&".join(f"{name}={quote(str(value))}" for name, value in given.items())


@pytest.mark.parametrize(
    ("scene", "sides"),
    [
        ("saddle", ["GradientDescent lr=0.05", "Adam lr=0.0144"]),
        ("double well", ["HeavyBall lr=0.01 beta=0.8", "Nesterov lr=0.01", "SignSGD lr=0.02"]),
        (
            "four minima",
            ["RMSProp lr=0.05 rho=0.95", "GradientDescent lr=0.5", "AdaGrad lr=0.3", "GradientDescent lr=0.01"],
        ),
        (
            "waves",
            [
                "SGLD lr=0.05 temperature=0.4",
                "SAM base.lr=0.05 rho=0.2",
                "Lion lr=0.05 weight_decay=0.1",
                "NAdam lr=0.1",
            ],
        ),
        ("valley", ["Adam lr=0.02 beta1=0.8 beta2=0.99"]),
    ],
)
def test_copied_python_gives_the_bits_and_the_event_steps_of_the_page(visit, tmp_path, scene, sides):
    letters = dict(zip("abcd", sides, strict=False))
    page = taken(visit(paused(scene=scene, n=1000, seed=11, t=240, **letters)), 240)
    data = copied(page, tmp_path)
    assert data.sizes["instance"] == 1000
    happened = 0
    for k in range(len(sides)):
        one = data.isel(optimizer=k) if len(sides) > 1 else data
        happened += (same(page, one, k) > 0).sum()
    assert happened > 20


@pytest.mark.parametrize(
    "formula",
    [
        "x^4 - 3*x^2*y + y^2 + (x^2 + y^2)^2 / 2",
        "sin(3*x)*cos(2*y) + x^2/4 + abs(y)*tanh(x) - -y",
        "exp(-x^2) - log(2 + y^2)/(1 + sqrt(1 + x**2)) + (2 + x)^1.5 + y^-2",
        "sign(x)*y + 3 - 2*pi*y/7 + 2^3",
    ],
)
def test_a_function_of_ones_own_has_the_bits_of_its_copied_python(visit, tmp_path, formula):
    sides = {"a": "GradientDescent lr=0.02", "b": "Adam lr=0.05"}
    scene = {"scene": "your own f(x, y)", "own": formula, "level": 0.5}
    page = taken(visit(paused(**scene, n=1000, seed=2, sigma=0.5, at="0.3,-0.2", t=120, **sides)), 120)
    data = copied(page, tmp_path, "own_function")
    for k in range(2):
        same(page, data.isel(optimizer=k), k)


def test_its_survival_curve_lies_on_the_exact_law(visit):
    for scene in ("saddle", "double well", "degenerate saddle"):
        page = taken(visit(paused(scene=scene, n=40000, seed=5, t=300, a="GradientDescent lr=0.05")), 300)
        curve, law = page.evaluate(
            "(() => { const {curve, law} = explorer.runs[0]; return [curve.values, law.to(300).values]; })()"
        )
        assert len(curve) == len(law) == 301
        assert min(law) < 0.8
        # Kolmogorov: a curve of n instances leaves its law by more than 1.95/sqrt(n) once in a thousand times.
        assert np.abs(np.subtract(curve, law)).max() < 1.95 / np.sqrt(40000)


def test_it_works_from_a_static_host(visit, index):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *given):
            pass

    handler = functools.partial(Quiet, directory=str(index.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        page = taken(visit("#n=1000&t=20", address, permissions=["clipboard-read", "clipboard-write"]), 20)
        for button, wanted in {"#python": "explorer.python()", "#link": "location.href"}.items():
            page.click(button)
            page.wait_for_function("document.getElementById('told').textContent.endsWith('is copied')")
            assert page.evaluate("navigator.clipboard.readText()") == page.evaluate(wanted)
        page.click("#play")
        page.wait_for_function("explorer.runs.every((one) => one.t > 25)")
        server.shutdown()


def test_a_link_opens_to_the_same_state_and_the_same_points(visit):
    page = taken(visit("#n=1000&t=1"), 1)
    page.select_option("#scene", label="sharp and flat")
    page.click("#add")
    page.select_option("[aria-label='optimizer B']", label="RMSProp")
    page.fill("#seed", "12345")
    page.press("#seed", "Enter")
    for name, presses in {"sigma": 5, "batch": 3, "spread": 4, "speed": 2}.items():
        page.focus(f"#{name}")
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
    page.focus(".panel input[data-field=lr]")
    page.keyboard.press("ArrowLeft")
    page.click("#again")
    taken(page, 0)
    for k in range(1, 4):
        page.click("#step")
        taken(page, k)
    page.click("#link")
    said = "JSON.stringify([explorer.state, explorer.runs.length])"
    state, address = page.evaluate(said), page.url
    assert json.loads(state)[0]["seed"] == 12345
    assert json.loads(state)[1] == 3
    other = taken(visit(address[address.index("#") :]), 3)
    assert other.evaluate(said) == state
    for k in range(3):
        for mine, others in zip(read(page, k), read(other, k), strict=True):
            np.testing.assert_array_equal(mine, others)


def test_each_slider_changes_the_run_and_says_that_it_did(visit):
    def points(page):
        return read(page)[0]

    for slider in ("#sigma", "#batch", "#temperature", ".panel input[data-field=lr]", ".panel input[data-field=beta]"):
        page = taken(visit("#scene=double+well&n=1000&t=20&a=HeavyBall"), 20)
        page.focus(slider)
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.click("#step")
        moved = points(taken(page, 21))
        still = points(taken(visit("#scene=double+well&n=1000&t=21&a=HeavyBall"), 21))
        assert not np.array_equal(moved, still), slider
        assert "numbers changed on the way" in page.inner_text(".said"), slider
        assert "start" in page.evaluate("explorer.python().split('\\n')[2]"), slider


def test_temperature_is_lr_sigma_squared_over_twice_the_batch(visit):
    page = taken(visit("#n=1000&t=1&batch=3&a=GradientDescent+lr%3D0.05"), 1)
    page.focus("#temperature")
    page.keyboard.press("ArrowRight")
    wanted = 10 ** float(page.input_value("#temperature"))
    sigma = page.evaluate("explorer.state.sigma")
    assert 0.05 * sigma**2 / (2 * 2**3) == pytest.approx(wanted, rel=0.01)


def test_spread_and_seed_start_again_and_speed_counts_steps(visit):
    page = taken(visit("#n=1000&t=5"), 5)
    page.focus("#spread")
    page.keyboard.press("ArrowRight")
    taken(page, 0)
    assert page.evaluate("explorer.state.spread") > 0.01
    spread = read(page)[0].std(axis=0)
    assert spread == pytest.approx(page.evaluate("explorer.state.spread"), rel=0.1)
    page.focus("#speed")
    page.keyboard.press("End")
    assert page.evaluate("explorer.state.speed") == 16
    page.click("#play")
    page.wait_for_function("explorer.runs[0].t > 32")
    page.click("#play")
    page.wait_for_function("explorer.idle()")
    assert page.evaluate("explorer.runs[0].t") % 16 == 0


def test_keys_play_pause_step_start_again_and_move_the_start(visit):
    page = taken(visit("#n=1000&t=3"), 3)
    page.keyboard.press(".")
    taken(page, 4)
    page.keyboard.press(" ")
    page.wait_for_function("explorer.runs[0].t > 8")
    assert page.inner_text("#play") == "Pause"
    page.keyboard.press(" ")
    page.keyboard.press("r")
    taken(page, 0)
    page.focus(".field")
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    (x, y), spread = page.evaluate("[explorer.state.center, explorer.state.spread]")
    assert x > 0
    assert y > 0
    assert spread > 0.01
    taken(page, 0)
    np.testing.assert_allclose(read(page)[0].mean(axis=0), (x, y), atol=0.01)
    page.fill("#seed", "")
    page.press("#seed", "r")  # typed into a field, a letter is a letter
    page.focus("#play")
    page.keyboard.press("Enter")
    page.wait_for_function("explorer.runs[0].t > 0")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    wanted = (
        "scene count seed speed sigma batch temperature spread play step again add link python field off SELECT INPUT"
    )
    assert set(wanted.split()) <= reached


def test_motion_waits_to_be_asked_for_where_it_is_to_be_reduced(visit):
    page = visit("#n=1000", reduced_motion="reduce")
    page.wait_for_timeout(500)
    assert page.evaluate("[explorer.state.playing, explorer.runs[0].t]") == [False, 0]
    assert page.inner_text("#play") == "Play"
    page.click("#play")
    page.wait_for_function("explorer.runs[0].t > 3")
    page = visit("#n=1000")
    page.wait_for_function("explorer.runs[0].t > 3")
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function("!explorer.state.playing")


def test_what_is_no_formula_says_why_and_the_run_goes_on(visit):
    page = taken(visit(paused(scene="your own f(x, y)", own="x^2 + y^2", n=1000, t=5)), 5)
    bad = (
        "x +",
        "alert(1)",
        "</script><script>window.hacked = 1</script>",
        "constructor",
        "x^y",
        "1/0",
        "0/0*x",
        "1e999*x",
    )
    for text in (*bad, "sqrt(-9 - x^2)", "(" * 300, "x*" * 140 + "x*sin(x)"):
        page.fill("#own", text)
        page.press("#own", "Enter")
        assert page.inner_text("#own-wrong"), text
        assert page.evaluate("explorer.state.own") == "x^2 + y^2"
    page.fill("#own", "x^2 + 2*y^2")
    page.press("#own", "Enter")
    assert not page.inner_text("#own-wrong")
    taken(page, 0)
    assert page.evaluate("explorer.state.own") == "x^2 + 2*y^2"


@pytest.mark.parametrize(
    "given",
    [
        "#scene=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&n=1e9&sigma=NaN&batch=1.5&speed=-3&seed=1e99&at=,&spread=Infinity&t=-1",
        "#scene=your+own+f(x,+y)&own=%3C/script%3E%3Cscript%3Ewindow.hacked=1%3C/script%3E&level=abc&a=constructor&b=Adam+__proto__=1+lr=9e9",
        "#own=1%2F0&a=" + "Adam " * 2000 + "&" + "b=SignSGD&" * 500,
        "#%E0%A4%A",
    ],
)
def test_a_link_with_anything_in_it_opens_a_page_that_runs(visit, given):
    page = visit(given)
    page.click("#step")
    page.wait_for_function("explorer.idle() && explorer.runs.every((one) => one.t >= 1)")
    assert not page.evaluate("window.hacked")
    state = page.evaluate("explorer.state")
    assert state["count"] <= 100000
    assert 1 <= len(state["sides"]) <= 4
    assert all(1e-5 <= side["fields"]["lr"] <= 2 for side in state["sides"])


def test_optimizers_are_added_and_taken_away(visit):
    page = taken(visit("#n=1000&t=2"), 2)
    for count in (3, 4):
        page.click("#add")
        taken(page, 0)
        assert page.locator(".panel").count() == page.evaluate("explorer.runs.length") == count
    assert not page.is_visible("#add")
    for count in (3, 2, 1):
        page.locator(".off").first.click()
        assert page.locator(".panel").count() == page.evaluate("explorer.runs.length") == count
    assert not page.is_visible(".off")
    page.click("#step")
    taken(page, 1)
    names = page.evaluate("[...document.querySelector('.panel select').options].map((one) => one.text)")
    for name in names:
        page.select_option(".panel select", label=name)
        taken(page, 0)
        page.click("#step")
        taken(page, 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("wide", "high"), [(390, 844), (768, 1024), (1440, 900)])
def test_it_fits_a_screen_and_draws_there(visit, wide, high, scheme):
    phone = wide == 390
    page = visit(
        "#n=4000&t=60",
        viewport={"width": wide, "height": high},
        color_scheme=scheme,
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )
    taken(page, 60)
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    cut = page.evaluate(
        """[...document.querySelectorAll("button, label, output, h2, .said, .formula")].filter((one) => one.offsetParent &&
        (one.scrollWidth > one.clientWidth + 1 && one.clientWidth || one.getBoundingClientRect().right > innerWidth))
        .map((one) => one.outerHTML)"""
    )
    assert not cut
    inked = page.evaluate(
        """[...document.querySelectorAll(".field canvas:last-child, .chart")].map((one) =>
        one.getContext("2d").getImageData(0, 0, one.width, one.height).data.filter((v, i) => i % 4 === 3 && v > 0).length)"""
    )
    assert min(inked) > 200
    back, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light = [sum(map(int, color[4:-1].split(","))) for color in (back, ink)]
    assert (light[0] > light[1]) == (scheme == "light")
    field = page.locator(".field").first
    box = field.bounding_box()
    at = {"x": box["width"] * 0.75, "y": box["height"] * 0.25}
    if phone:
        slider = page.locator("#sigma")
        slider.tap(position={"x": slider.bounding_box()["width"] * 0.8, "y": 19})
        assert page.evaluate("explorer.state.sigma") > 10
        field.tap(position=at)
    else:
        field.click(position=at)
    taken(page, 0)
    x, y = page.evaluate("explorer.state.center")
    assert x == pytest.approx(0.9, abs=0.05)
    assert y == pytest.approx(0.65, abs=0.05)


def test_a_page_at_rest_is_drawn_again_when_its_width_or_colours_change(visit):
    page = taken(visit("#n=1000&t=60", color_scheme="light", viewport={"width": 1440, "height": 900}), 60)
    drawn = """[...document.querySelectorAll(".field canvas")].map((one) => {
        const copy = new OffscreenCanvas(one.width, one.height).getContext("2d", {willReadFrequently: true});
        copy.drawImage(one, 0, 0);
        const {data} = copy.getImageData(0, 0, one.width, one.height);
        let at = 3;
        while (at < data.length && data[at] < 100) at += 4;
        return [one.width, data[at - 3], data[at - 1]];
    })"""
    before, points = page.evaluate(drawn), read(page)[0]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{drawn}.every(([, red, blue], k) => [red, blue].join() !== {before}[k].slice(1).join())")
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(f"{drawn}.every(([wide], k) => wide < {before}[k][0])")
    taken(page, 60)
    np.testing.assert_array_equal(read(page)[0], points)


def test_long_runs_keep_a_short_curve(visit):
    page = taken(visit("#n=1000&t=9000&a=GradientDescent+lr%3D0.05"), 9000)
    every, kept, t, law = page.evaluate(
        "(({curve, law}) => [curve.every, curve.values.length, curve.t, law.to(9000).values.length])(explorer.runs[0])"
    )
    assert kept <= 2000
    assert law == kept
    assert t == 9000
    assert every * (kept - 1) <= 9000 < every * (kept + 1)
