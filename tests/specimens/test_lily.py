"""The lily's botany: how it opens, what its margins do, where it faces, how its tepals fall."""

import numpy as np
import pytest

from backend.geometry.fields import parts
from backend.species import Lily
from backend.specimens.lily import FALL, FIRST_FALL, LAST_FALL, grow, trumpet
from backend.specimens.lily.trumpet import BUD, DEAD, OPEN, WILTING, layer_points

SEED = 11
TEPAL = 53, 27  # rows and columns of a tepal at detail 1


@pytest.fixture(scope="module")
def lily():
    return grow(Lily(), SEED)


def chosen(specimen, part: str) -> np.ndarray:
    return specimen.mesh.parts == specimen.mesh.part_names.index(part)


def pieces(specimen, part: str) -> list[np.ndarray]:
    """Vertices of each connected piece of a part."""
    of = parts(len(specimen.mesh.vertices), specimen.mesh.faces)
    of[~chosen(specimen, part)] = -1
    return [np.flatnonzero(of == k) for k in np.unique(of[of >= 0])]


def tepals(specimen, tau: float) -> np.ndarray:
    """(n, rows, columns, 3)."""
    points = specimen.at(tau).positions[chosen(specimen, "tepals")].astype(float)
    return points.reshape(-1, *TEPAL, 3)


def facing(specimen, tau: float) -> np.ndarray:
    """(3,) the flower's axis: from the tepals' feet to the stigma's side of them."""
    pistil = specimen.at(tau).positions[pieces(specimen, "pistil")[0]].astype(float)
    line = pistil[60:120].mean(axis=0) - pistil[:30].mean(axis=0)
    return line / np.linalg.norm(line)


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.2, 0.3, OPEN, 0.8, DEAD])
def test_layers_never_meet(tau):
    """(t, x) -> (r, z) keeps its orientation; in the bud but for the last millimetre, where tips lean on tips."""
    t, x = np.linspace(0, 0.985, 121), np.linspace(0.1, 1, 61)
    r, z, _ = layer_points(t[None, :, None] + 0 * x, x[None, None] + 0 * t[None, :, None], tau)
    (rt, rx), (zt, zx) = np.gradient(r[0], t, x), np.gradient(z[0], t, x)
    assert (rx * zt - rt * zx > 0).all()


def test_margins_grow_more_than_the_midrib(lily, monkeypatch):
    """Liang & Mahadevan 2011. A wave of the height that the margin has is longer by EDGE_GROWTH than a line."""
    ruffled, closed = tepals(lily, OPEN), tepals(lily, BUD)
    monkeypatch.setattr(trumpet, "EDGE_GROWTH", 0.0)
    smooth = tepals(grow(Lily(), SEED), OPEN)
    assert np.allclose(tepals(grow(Lily(), SEED), BUD), closed)
    away = np.linalg.norm(ruffled - smooth, axis=3)
    assert away[:, :, 13].max() < 1e-4
    s = np.linspace(0, trumpet.LENGTH, 2001)
    wave = away[:, :, [0, -1]].max() * np.sin(2 * np.pi * trumpet.RIPPLES / trumpet.LENGTH * s)
    longer = np.hypot(np.diff(s), np.diff(wave)).sum() / trumpet.LENGTH - 1
    monkeypatch.undo()
    assert longer == pytest.approx(trumpet.EDGE_GROWTH, rel=0.25)


def test_tips_part_before_the_throat_widens(lily):
    """Radii about the axis at the tips and low down, as shares of the way from bud to open."""

    def radii(tau):
        points = tepals(lily, tau)
        axis, foot = facing(lily, tau), points[:, 0].mean(axis=(0, 1))
        out = points[:, :, 13] - foot
        out -= (out @ axis)[..., None] * axis
        return np.linalg.norm(out, axis=2).mean(axis=0)

    bud, early, full = radii(BUD), radii(0.17), radii(OPEN)
    done = (early - bud) / (full - bud)
    assert done[45] > 1.3 * done[15] > 0


def test_each_whorl_closes_the_bud(lily):
    """The part of the way round that it covers half way up; the midribs of the inner show between the outer ones."""

    def covered(tau, whorl):
        points = tepals(lily, tau)[:, 26]
        axis = facing(lily, tau)
        out = points - points.mean(axis=(0, 1))
        first = np.cross(axis, [0.0, 0, 1])
        angle = np.arctan2(out @ np.cross(axis, first / np.linalg.norm(first)), out @ first / np.linalg.norm(first))
        return np.ptp(np.unwrap(angle, axis=1), axis=1)[whorl::2].sum() / (2 * np.pi)

    assert 0.65 < covered(BUD, 0) < 0.9 < covered(BUD, 1) < 1.01
    assert covered(OPEN, 0) < 0.6


def test_anthers_tip_over_as_they_open(lily):
    """Versatile: along their filaments in the bud, across them in the open flower."""

    def tilt(tau):
        now = lily.at(tau).positions.astype(float)
        out = []
        for anther, filament in zip(pieces(lily, "anthers"), pieces(lily, "stamens"), strict=True):
            long = np.linalg.svd(now[anther] - now[anther].mean(axis=0))[2][0]
            end = now[filament[-14:]].mean(axis=0) - now[filament[-42:-28]].mean(axis=0)
            out.append(np.degrees(np.arccos(abs(long @ end) / np.linalg.norm(end))))
        return np.array(out)

    assert (tilt(BUD) < 15).all() and (tilt(OPEN) > 50).all()


def test_it_faces_aside_and_hangs_when_it_is_dead(lily):
    open_, dead = (np.degrees(np.arccos(facing(lily, tau)[2])) for tau in (OPEN, DEAD))
    assert 45 < open_ < 80 and dead > 85


@pytest.mark.parametrize("petals", [3, 4, 5, 6, 9])
def test_tepals_are_counted_and_fall_one_by_one(petals):
    specimen = grow(Lily(petals=petals, fallen=2, detail=0.4), SEED)
    assert len(pieces(specimen, "tepals")) == petals

    def lowest(tau):
        now = specimen.at(tau).positions
        return np.array([now[piece, 2].min() for piece in pieces(specimen, "tepals")])

    lie = lowest(DEAD) < 0.01
    assert lie.sum() == 2 and (lowest(WILTING) > 0.1).all() and (lowest(DEAD)[~lie] > 0.1).all()
    half = (FIRST_FALL + LAST_FALL + FALL) / 2
    heights = np.sort(lowest(half)[lie])
    assert FALL >= 0.12 and heights[1] - heights[0] > 0.02
