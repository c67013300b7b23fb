"""The study of the normals: its Anderson-Darling law, and that it finds what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

from normals_quality import Tally, anderson_darling, below_anderson_darling
from scipy import stats


@pytest.mark.parametrize(("a", "p"), [(1.933, 0.90), (2.492, 0.95), (3.070, 0.975), (3.857, 0.99)])
def test_the_law_of_anderson_and_darling_has_the_published_quantiles(a, p):
    """Stephens (1974), table 1, case 0."""
    assert below_anderson_darling(a) == pytest.approx(p, abs=3e-4)


def test_the_statistic_is_that_of_its_definition():
    z = np.sort(np.random.default_rng(1).normal(size=50))
    u, i = stats.norm.cdf(z), np.arange(1, 51)
    expected = -50 - np.mean((2 * i - 1) * (np.log(u) + np.log1p(-u[::-1])))
    assert anderson_darling(z) == pytest.approx(expected, rel=1e-12)


def failing(change):
    """Names of the tests that NumPy's normals fail after ``change``."""
    rng, tally = np.random.default_rng(2), Tally()
    for _ in range(6):
        tally.add(change(rng.standard_normal((500, 64), dtype=np.float32)))
    return {row["test"] for row in tally.tests() if not row["passes"]}


def test_normals_pass_and_what_is_wrong_with_others_is_named():
    assert not failing(lambda z: z)
    assert "moment 2" in failing(lambda z: z * np.float32(1.02))
    assert "beyond 4 sigma" in failing(lambda z: np.where(np.abs(z) > 3.5, z * np.float32(1.3), z))
    assert "correlation, coordinates 2 apart" in failing(lambda z: z + np.float32(0.1) * np.roll(z, 2, axis=1))
    assert "correlation, instances 1 apart" in failing(lambda z: z + np.float32(0.1) * np.roll(z, 1, axis=0))

    def squares(z):
        z[:, 1:] *= np.where(np.abs(z[:, :-1]) > 1, np.float32(1.1), np.float32(0.9))
        return z

    assert "correlation of squares, coordinates 1 apart" in failing(squares)
