"""Pictures look as they did when somebody looked at them."""

from __future__ import annotations

import numpy as np
import picture_images
import pytest

TOLERANCE = 3.0


@pytest.mark.parametrize("name", list(picture_images.PICTURES))
def test_a_picture_looks_like_the_one_that_is_kept(name):
    drawn = picture_images.pixels(picture_images.PICTURES[name]())
    far = picture_images.distance(drawn, picture_images.kept(name))
    assert far < TOLERANCE, f"{name} is {far:.1f} away; look at it, then run python tests/picture_images.py"


def without_bands():
    figure = picture_images.survival()
    for band in list(figure.axes[0].collections):
        band.remove()
    return figure


def other_colours():
    figure = picture_images.survival()
    for line, colour in zip(figure.axes[0].lines, ("#D55E00", "#CC79A7", "black"), strict=True):
        line.set_color(colour)
    return figure


def other_paths():
    figure = picture_images.paths()
    figure.axes[0].collections[0].set_cmap("viridis")
    return figure


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("survival", without_bands),
        ("survival", other_colours),
        ("heat_map", lambda: picture_images.heat_map(log=True)),
        ("paths", other_paths),
    ],
)
def test_a_picture_that_is_drawn_wrongly_is_noticed(name, wrong):
    assert picture_images.distance(picture_images.pixels(wrong()), picture_images.kept(name)) > TOLERANCE


def test_the_distance_of_pictures_is_that_of_their_blocks():
    black, white = np.zeros((8, 9, 3), np.uint8), np.full((8, 9, 3), 255, np.uint8)
    assert picture_images.distance(black, black) == 0
    assert picture_images.distance(black, white) == 255
    assert picture_images.distance(black, white[:4]) == np.inf
