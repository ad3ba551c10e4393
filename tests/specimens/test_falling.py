"""What falls, of a curved sheet at a height: held until it lets go, then on its way, then at rest on the floor."""

import numpy as np
import pytest

from backend.specimens.falling import Fall, Landing

START, LASTS, SPOT = 0.4, 0.2, (0.3, -0.1)


@pytest.fixture
def sheet():
    """(rows, columns, 3), and how it falls."""
    u, v = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(0, 1, 12))
    held = np.stack([0.05 * u, 0.1 * v, 1 + 0.03 * v**2 + 0.01 * u**2], axis=-1)
    return held, Fall.of(held, START, LASTS, Landing(SPOT, 0.8, 0.7, (0.5, 0.2), 1.0))


def test_it_is_where_it_is_held_until_it_lets_go(sheet):
    held, fall = sheet
    elsewhere = held + [0.2, 0.0, 0.1]
    for tau in (0.0, START - 0.05, START):
        assert np.array_equal(fall.placed(elsewhere, tau), elsewhere)
    assert np.allclose(fall.placed(held, START + 1e-6), held, atol=1e-4)  # and begins from there


def test_it_sinks_all_the_way_and_comes_to_rest_on_its_spot(sheet):
    held, fall = sheet
    way = np.array([fall.placed(held, START + LASTS * share) for share in np.linspace(0.01, 1, 60)])
    lowest = way[..., 2].min(axis=(1, 2))
    assert (np.diff(lowest) <= 1e-12).all() and 0 <= lowest[-1] < 0.01
    steps = np.linalg.norm(np.diff(way, axis=0), axis=-1).max(axis=(1, 2))
    assert steps.max() < 4 * np.linalg.norm(way[-1].mean(axis=(0, 1)) - held.mean(axis=(0, 1))) / 60
    assert np.linalg.norm(way[-1].mean(axis=(0, 1))[:2] - SPOT) < 0.01
    assert np.array_equal(fall.placed(held, 1.0), fall.placed(held, START + LASTS + 0.1))
