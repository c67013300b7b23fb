"""Pictures in planes of many coordinates, and animations."""

from __future__ import annotations

import itertools
import subprocess

import numpy as np
import pytest
from figure_texts import stand_clear
from matplotlib.animation import writers
from PIL import Image

import ensemble as en
from ensemble import plots
from ensemble.plots import Plane


@pytest.fixture
def bowl():
    return en.Quadratic([1.0, -2.0, 3.0, 0.5])


def test_the_plane_of_the_hessian_has_its_largest_and_smallest_eigenvalue(bowl):
    plane = Plane.hessian(bowl, np.zeros(4))
    np.testing.assert_allclose(np.abs(plane.directions), [[0, 0, 1, 0], [0, 1, 0, 0]], atol=1e-12)
    assert plane.names == ("eigenvector, h = 3", "eigenvector, h = -2")
    many = en.Quadratic([-1.0, *np.linspace(0.0, 1.0, 598), 2.0])
    large = Plane.hessian(many, np.zeros(600))
    assert abs(large.directions[0, -1]) == pytest.approx(1)
    assert abs(large.directions[1, 0]) == pytest.approx(1)


def test_random_directions_are_orthonormal_and_the_same_for_a_seed():
    plane = Plane.random(np.ones(50), seed=3)
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(plane.directions, Plane.random(np.ones(50), seed=3).directions)


def test_filters_of_a_random_direction_are_as_long_as_those_of_the_center():
    network = en.DeepLinear(layers=2, width=3)
    center = np.random.default_rng(0).normal(size=18) * np.repeat([1.0, 100.0], 9)
    plane = Plane.random(center, filters=network.filters)
    lengths = [np.linalg.norm(x.reshape(6, 3), axis=1) for x in (center, *plane.directions)]
    np.testing.assert_allclose(lengths[1], lengths[0])
    np.testing.assert_allclose(lengths[2], lengths[0])
    assert en.Quadratic([1.0]).filters is None
    with pytest.raises(ValueError, match=r"filters have shape \(3,\); give a number for each of 18"):
        Plane.random(center, filters=[0, 1, 2])


def test_the_principal_plane_holds_paths_that_lie_in_one():
    rng = np.random.default_rng(0)
    inside = rng.normal(size=(3, 20, 2)) @ rng.normal(size=(2, 7)) + 5.0
    plane = Plane.principal(inside, center=np.full(7, 5.0))
    assert plane.share(inside) == pytest.approx(1)
    again = plane.points(*np.moveaxis(plane.project(inside), -1, 0))
    np.testing.assert_allclose(again, inside, atol=1e-10)
    assert plane.share(inside + 100 * np.linalg.svd(plane.directions)[2][-1]) < 0.1


def test_a_plane_shows_the_landscape_there_and_f_where_the_paths_were(bowl):
    tracks = np.array([[[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]]])
    figure = plots.plane(bowl, Plane.axes(4, 0, 2), {"GD": tracks}, limits=((-1, 2), (-1, 2)))
    axes = figure.axes[0]
    assert axes.get_title() == "GD, n = 1, 60 % in the plane"  # 2 + 1 of 4 + 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x_1$", "$x_3$")
    rows = plots.table(figure)
    ground = [row for row in rows if row["curve"] == "surface"]
    for row in ground[:: len(ground) // 7]:
        assert row["value"] == pytest.approx(0.5 * row["x"] ** 2 + 1.5 * row["y"] ** 2)
    assert [(row["x"], row["y"], row["value"]) for row in rows[-2:]] == [(1, 1, 1.25), (0, 1, 1.5)]
    stand_clear(figure)
    stand_clear(plots.plane(bowl, Plane.random(np.zeros(4))))


def test_a_plane_of_another_dimension_or_of_one_direction_is_refused(bowl):
    with pytest.raises(ValueError, match="has 4 coordinates and the plane 3; give one of 4"):
        plots.plane(bowl, Plane.axes(3))
    with pytest.raises(ValueError, match="two different directions"):
        Plane(np.zeros(3), np.ones((2, 3)))
    with pytest.raises(ValueError, match="give one of two, or take plane"):
        plots.paths(bowl, np.ones((3, 4)))


def test_an_animation_has_a_frame_for_each_record_and_shows_the_cloud_moving(tmp_path):
    tracks = np.linspace(-1.0, 1.0, 5)[None, :, None] * [1.0, 0.5] + np.zeros((6, 1, 1))
    written = plots.animate(en.QuarticSaddle(dim=2), {"GD": tracks}, tmp_path / "cloud.gif", width=2.5, dpi=60)
    with Image.open(written) as film:
        assert film.n_frames == 5
        frames = []
        for k in range(5):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), float))
    changed = [np.abs(a - b).max(axis=2) > 60 for a, b in itertools.pairwise(frames)]
    assert all(0 < c.mean() < 0.1 for c in changed)  # the cloud and the step, not the ground


@pytest.mark.skipif(not writers.is_available("ffmpeg"), reason="no ffmpeg on PATH")
@pytest.mark.parametrize("width", [2.5, 2.52])  # of an even number of dots and of an odd one
def test_a_film_has_a_frame_for_each_record_and_an_even_size(tmp_path, width):
    tracks = np.linspace(-1.0, 1.0, 5)[None, :, None] * [1.0, 0.5] + np.zeros((6, 1, 1))
    written = plots.animate(en.QuarticSaddle(dim=2), {"GD": tracks}, tmp_path / "cloud.mp4", width=width, dpi=60)
    command = ["ffmpeg", "-v", "error", "-i", str(written), "-f", "image2pipe", "-c:v", "ppm", "-"]
    pictures = subprocess.run(command, capture_output=True, check=True).stdout.split(b"P6\n")[1:]
    assert len(pictures) == 5
    high_and_wide = {tuple(map(int, one.split(b"\n", 1)[0].split())) for one in pictures}
    assert len(high_and_wide) == 1
    assert all(size % 2 == 0 for size in high_and_wide.pop())
    assert len({bytes(one) for one in pictures}) == 5  # the cloud moves


def test_an_animation_says_what_it_needs(tmp_path, bowl, monkeypatch):
    saddle, cloud = en.QuarticSaddle(dim=2), np.ones((3, 4, 2))
    with pytest.raises(ValueError, match=r"give a path that ends in \.gif or \.mp4"):
        plots.animate(saddle, cloud, tmp_path / "cloud.avi")
    with pytest.raises(ValueError, match="has 4 coordinates; give one of two, or a plane="):
        plots.animate(bowl, np.ones((3, 5, 4)), tmp_path / "cloud.gif")
    with pytest.raises(ValueError, match="one recorded step alone"):
        plots.animate(saddle, cloud[:, :1], tmp_path / "cloud.gif")
    with pytest.raises(ValueError, match="different recorded steps"):
        plots.animate(saddle, {"a": cloud, "b": cloud[:, 1:]}, tmp_path / "cloud.gif")
    monkeypatch.setattr(writers, "is_available", lambda kind: False)
    with pytest.raises(
        RuntimeError, match=r"ffmpeg is not installed; install ffmpeg, or give a path that ends in \.gif"
    ):
        plots.animate(saddle, cloud, tmp_path / "cloud.mp4")
    assert not list(tmp_path.iterdir())
