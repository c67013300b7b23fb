"""The pictures whose pixels are kept in tests/images, and how they are compared.

`python tests/picture_images.py` draws them anew; look at them before they are committed. They are small and bare of
text, so that neither fonts nor the layout around them matter, and they are compared in blocks of 4 x 4 pixels, so that
another version's antialiasing does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import ensemble as en
from ensemble import plots

IMAGES = Path(__file__).parent / "images"
DPI, BLOCK = 60, 4


def survival():
    """Two curves with bands, and the law of one."""
    step = np.arange(0, 200, 5)
    time = np.stack([np.ceil(-np.log((np.arange(200) + 0.5) / 200) * mean) for mean in (20, 60)]).astype(int)
    done = time <= 199
    runs = xr.Dataset(
        {
            "event_step": (("optimizer", "instance"), np.where(done, time, -1)),
            "event": (("optimizer", "instance"), done.astype(np.int32)),
            "status": (("optimizer", "instance"), done.astype(np.int8)),
            "diverged_step": (("optimizer", "instance"), np.full(time.shape, -1)),
            "horizon": 199,
        },
        {"optimizer": ["SGD", "Adam"]},
        {"check_every": 1, "paired": 0},
    )
    return plots.survival(runs, laws={"SGD": (step, np.exp(-step / 20))})


def heat_map(log=False):
    """Two panels, with cells that have no value."""
    value = np.exp(np.add.outer(np.arange(2), np.add.outer(np.arange(5) / 2, np.arange(4) / 3)))
    value[0, 0, 0] = np.nan
    coords = {"optimizer": ["SGD", "Adam"], "lr": np.arange(5), "sigma": np.arange(4)}
    data = xr.Dataset({"median": (tuple(coords), value)}, coords)
    return plots.heat_map(data, "lr", "sigma", "median", log=log)


def paths():
    """A path of gradient descent into each minimum of a saddle."""
    landscape = en.QuarticSaddle(dim=2)
    track = [np.array([[0.1, 1.0], [-0.1, -0.8]])]
    for _ in range(60):
        track.append(track[-1] - 0.1 * landscape.gradient(track[-1]))
    return plots.paths(landscape, {"GD": np.stack(track, axis=1)}, width=2.4)


PICTURES = {"survival": survival, "heat_map": heat_map, "paths": paths}


def pixels(figure):
    """The figure without its texts, (height, width, 3) from 0 to 255."""
    figure.legends.clear()
    if figure._suptitle is not None:
        figure._suptitle.remove()
        figure._suptitle = None
    for axes in figure.axes:
        for text in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts):
            text.set_visible(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_tick_params(which="both", labelleft=False, labelright=False, labelbottom=False, labeltop=False)
            axis.offsetText.set_visible(False)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def distance(one, other):
    """Root mean square difference of two pictures in blocks of 4 x 4 pixels, from 0 to 255; infinite if sizes differ."""
    if one.shape != other.shape:
        return np.inf
    height, width = (n // BLOCK * BLOCK for n in one.shape[:2])
    gap = one[:height, :width].astype(float) - other[:height, :width]
    blocks = gap.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean(axis=(1, 3))
    return float(np.sqrt(np.mean(blocks**2)))


def kept(name):
    """The picture in tests/images."""
    with Image.open(IMAGES / f"{name}.png") as image:
        return np.asarray(image.convert("RGB"))


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        Image.fromarray(pixels(draw())).save(IMAGES / f"{name}.png", optimize=True)
        sys.stdout.write(f"{IMAGES / name}.png\n")
