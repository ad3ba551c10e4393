"""The sunflower's botany: its spirals, the order of its organs and florets, where its head looks."""

import numpy as np
import pytest

from backend.geometry.fields import parts
from backend.species import Sunflower
from backend.specimens.sunflower import grow
from backend.specimens.sunflower.capitulum import DEAD, GROWN, OPEN, SEEDLING, Head, layer_points

SEED = 11
COARSE = Sunflower(detail=0.5)


@pytest.fixture(scope="module")
def sunflower():
    return grow(COARSE, SEED)


def pieces(specimen, part: str) -> list[np.ndarray]:
    """Vertices of each connected piece of a part."""
    mesh = specimen.mesh
    of = parts(len(mesh.vertices), mesh.faces)
    of[mesh.parts != mesh.part_names.index(part)] = -1
    return [np.flatnonzero(of == k) for k in np.unique(of[of >= 0])]


def florets(specimen, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Their feet (n, 3) and their tips."""
    now = specimen.at(tau).positions.astype(float)
    islands = pieces(specimen, "florets")
    return np.array([now[piece[:5]].mean(axis=0) for piece in islands]), np.array([now[p[-1]] for p in islands])


def axis(specimen, tau: float) -> np.ndarray:
    """(3,) where the head looks."""
    feet, tips = florets(specimen, tau)
    way = np.linalg.svd(feet - feet.mean(axis=0))[2][2]
    return way * np.sign((tips - feet).mean(axis=0) @ way)


def about_axis(points: np.ndarray, centre: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius and angle."""
    x = np.cross(way, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    out = points - centre
    a, b = out @ x, out @ np.cross(way, x)
    return np.hypot(a, b), np.arctan2(b, a)


def test_florets_stand_in_vogels_spirals(sunflower):
    """r as sqrt(k + 1/2), each turned by 137.5 degrees from the one before."""
    feet, _ = florets(sunflower, OPEN)
    way = axis(sunflower, OPEN)
    r, angle = about_axis(feet, feet.mean(axis=0), way)
    k = np.arange(len(feet)) + 0.5
    assert np.corrcoef(r[20:] ** 2, k[20:])[0, 1] > 0.999
    step = np.degrees(np.mod(np.diff(angle[60:]), 2 * np.pi))
    assert np.median(np.minimum(step, 360 - step)) == pytest.approx(137.508, abs=0.3)


def test_florets_open_from_the_rim_inwards(sunflower):
    """When each is tallest, against how far out it stands."""
    taus = np.linspace(0.45, 0.85, 21)
    tall = np.array([np.linalg.norm(np.subtract(*florets(sunflower, tau)), axis=1) for tau in taus])
    when = taus[tall.argmax(axis=0)]
    k = np.arange(len(when))
    assert np.corrcoef(k, when)[0, 1] < -0.9 and when[-40:].mean() < OPEN < when[:40].mean()


def test_organs_grow_in_order_from_the_ground(sunflower):
    taus = np.linspace(SEEDLING, GROWN, 29)
    frames = [sunflower.at(tau).positions for tau in taus]
    leaves = sorted(pieces(sunflower, "leaves"), key=lambda leaf: frames[-1][leaf[0], 2])  # from the ground up
    sizes = np.array([[np.linalg.norm(np.ptp(now[leaf], axis=0)) for leaf in leaves] for now in frames])
    half = [taus[np.argmax(size > 0.5 * size[-1])] for size in sizes.T]
    assert len(leaves) == COARSE.leaves and (np.diff(half) > -0.02).all() and half[-1] > half[0] + 0.08


def test_it_is_a_seedling_then_grown_while_its_bud_is_closed(sunflower):
    stem = sunflower.mesh.parts == sunflower.mesh.part_names.index("stem")
    top = {tau: sunflower.at(tau).positions[stem, 2].max() for tau in (SEEDLING, GROWN, OPEN)}
    assert top[SEEDLING] < 0.12 * COARSE.height and top[GROWN] > 0.98 * top[OPEN] > 0.7 * COARSE.height


def test_rays_close_over_the_disc_and_open_beyond_it(sunflower):
    def tips(tau):
        feet, _ = florets(sunflower, tau)
        now, way = sunflower.at(tau).positions.astype(float), axis(sunflower, tau)
        ends = np.array([now[ray[-5:]].mean(axis=0) for ray in pieces(sunflower, "rays")])
        disc = about_axis(feet, feet.mean(axis=0), way)[0].max()
        return about_axis(ends, feet.mean(axis=0), way)[0] / disc, (ends - feet.mean(axis=0)) @ way / disc

    (closed, above), (spread, _) = tips(GROWN), tips(OPEN)
    assert (closed < 0.4).all() and (above > 0.4).all() and (spread > 1.8).all()


def test_the_head_looks_aside_and_then_at_the_ground(sunflower):
    tilt = [np.degrees(np.arccos(axis(sunflower, tau)[2])) for tau in (GROWN, OPEN, DEAD)]
    assert tilt[0] < 30 <= tilt[1] <= 65 and tilt[2] > 125


@pytest.mark.parametrize("tau", [0.1, GROWN, 0.42, 0.48, 0.54, OPEN, 0.85, DEAD])
def test_layers_never_meet(tau):
    """(t, x) -> (r, z) keeps its orientation, for rays in their layers and for bracts in theirs."""
    head = Head(1.0, lambda tau: (np.zeros(3), np.eye(3)), lambda tau: 0.01)
    for low, high, length in ((0.0, 0.30, 0.104), (0.66, 1.0, 0.062)):
        t, x = np.linspace(0, 1, 81), np.linspace(low, high, 31)
        r, z, _ = layer_points(t[None, :, None] + 0 * x, x[None, None], tau, head, length)
        (rt, rx), (zt, zx) = np.gradient(r[0], t, x), np.gradient(z[0], t, x)
        assert (rx * zt - rt * zx > 0).all()
