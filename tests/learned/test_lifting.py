"""From a picture's motion to the mesh: what is seen is recovered, what is hidden follows the modes and the wind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from backend import protocol, spectral, wind
from backend.lifting import EDGE, Blur, Seen, Unseen, explained, lift, look, strengths
from backend.pipelines.jobs import swung
from backend.pipelines.seen import sway_as_seen, usual
from backend.pipelines.sway import sway
from backend.render.cameras import Cameras, orbit, parallel, pinhole
from backend.report import silent
from backend.spectral import SpectralVolume
from tests import filmed, shapes
from tests.played import synthesise

SIZE = (72, 96)
OBLIQUE = np.array([0.7, 1.0, -0.4])


def oblique(kind: str, scale: float = 1.0, shift: tuple[float, float] = (5.0, -3.0)) -> Cameras:
    """A camera along no axis which looks past the middle of what stands about (0, 0, 0.5) and is 1 high."""
    view = filmed.towards(OBLIQUE, np.array([0.0, 0.0, 0.5]), 2.5)
    size = tuple(int(scale * side) for side in SIZE)
    middle = (size[1] / 2 + scale * shift[0], size[0] / 2 + scale * shift[1])
    make, focal = {"perspective": (pinhole, 140.0), "orthographic": (parallel, 55.0)}[kind]
    return make(view, scale * focal, middle, size, 0.1, 20.0)


@pytest.fixture(scope="module")
def thing():
    """A bowed sheet (V, 3), its faces, and six shapes that are no one else's, of some centimetres."""
    points, faces = shapes.sheet(columns=24, rows=30)
    x, _, z = points.T
    rng = np.random.default_rng(4)
    bends = np.stack([z**2, np.sin(3 * z), z * x, z**3, np.cos(2 * x) * z, z * (1 - z)])
    ways = rng.normal(size=(6, 3)) * 0.05
    return points, faces.astype(np.int32), bends[:, :, None] * ways[:, None]


def draw(bins: int, modes: int, seed: int = 1) -> np.ndarray:
    """(K, M) amplitudes, the first ones real."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(bins, modes)) + 1j * rng.normal(size=(bins, modes))
    found[0] = found[0].real
    return found


def shown(camera: Cameras, thing, amplitudes: np.ndarray, size=SIZE) -> SpectralVolume:
    """(K, H, W, 2) to first order, by central differences of the projection."""
    points, faces, bends = thing
    triangle, shares = filmed.under(camera, points, faces, size)
    there = triangle >= 0
    coefficients = np.zeros((len(amplitudes), *size, 2), np.complex128)
    moved = np.tensordot(amplitudes, bends, 1)
    corners, shares, step = faces[triangle[there]], shares[there], 1e-4
    for part, unit in ((moved.real, 1.0), (moved.imag, 1j)):
        for k, motion in enumerate(part):
            one, other = (
                filmed.pixels(camera, np.einsum("pc,pci->pi", shares, (points + sign * motion)[corners]), size)
                for sign in (step, -step)
            )
            coefficients[k][there] += unit * (one - other) / (2 * step)
    return SpectralVolume(coefficients)


def weak(bins: int, modes: int, size: float = 1e3) -> np.ndarray:
    return np.tile(size**2 * np.eye(modes), (bins, 1, 1)).astype(complex)


def off(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


# Cameras


def test_a_pinhole_shows_a_point_where_the_focal_length_says():
    camera = pinhole(np.eye(4), 100.0, (30.0, 20.0), (60, 80), 0.5, 9.0)
    seen = filmed.pixels(camera, np.array([[0.0, 0, -2], [1, 0, -4], [0, 0.5, -2]]), (60, 80))
    assert np.allclose(seen, [[30, 20], [55, 20], [30, -5]])
    depths = camera.project(torch.tensor([[0.0, 0, -0.5], [0, 0, -9]], dtype=torch.float64))[0]
    assert np.allclose(depths[:, 2] / depths[:, 3], [-1, 1])


def test_a_parallel_camera_shows_metres_alike_at_any_depth():
    camera = parallel(np.eye(4), 100.0, (30.0, 20.0), (60, 80), 0.5, 9.0)
    seen = filmed.pixels(camera, np.array([[0.0, 0, -2], [0.25, 0, -4], [0, 0.5, -8]]), (60, 80))
    assert np.allclose(seen, [[30, 20], [55, 20], [30, -30]])
    depths = camera.project(torch.tensor([[0.0, 0, -0.5], [0, 0, -9]], dtype=torch.float64))[0]
    assert np.allclose(depths[:, 2] / depths[:, 3], [-1, 1])


def test_a_pinhole_is_the_camera_of_an_orbit():
    other = orbit(torch.tensor([0.4], dtype=torch.float64), 0.3, 3.0, 0.7, (0.1, 0.2, 0.3), aspect=1.5)
    focal = 40 / np.tan(0.35)
    camera = pinhole(other.view[0].numpy(), focal, (60.0, 40.0), (80, 120), 3 * 0.02, 3 * 50)
    assert np.allclose(camera.projection, other.projection)


# What is seen


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_amplitudes_are_recovered(kind, thing):
    camera, truth = oblique(kind), draw(4, 6)
    seen = look(camera, *thing, shown(camera, thing, truth))
    found = lift(seen, weak(4, 6))
    assert off(found.amplitudes, truth) < 1e-3
    assert found.explained > 1 - 1e-6
    assert found.pixels > 500


def test_the_lean_is_real(thing):
    camera, truth = oblique("perspective"), draw(3, 6)
    truth[0] *= 1j
    truth[0] += draw(1, 6, seed=8)[0]
    found = lift(look(camera, *thing, shown(camera, thing, truth)), weak(3, 6))
    assert np.array_equal(found.amplitudes[0].imag, np.zeros(6))
    assert off(found.amplitudes[0], truth[0].real) < 1e-3
    assert found.explained > 1 - 1e-6


def test_noise_averages_out_and_outliers_have_little_say(thing):
    camera, truth = oblique("perspective"), draw(4, 6)
    clean = shown(camera, thing, truth).coefficients
    there = (clean != 0).any(axis=(0, 3))
    size = np.sqrt((np.abs(clean[:, there]) ** 2).mean())
    rng = np.random.default_rng(0)
    noise = rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
    noisy = clean + 0.1 * size / np.sqrt(2) * noise * there[..., None]
    strange = (rng.random(there.shape) < 0.05) & there
    spoilt = noisy.copy()
    spoilt[:, strange] += 3 * size * (1 + 0.5j)  # all one way, so that they do not cancel
    for coefficients in (noisy, spoilt):
        seen = look(camera, *thing, SpectralVolume(coefficients))
        found = lift(seen, weak(4, 6))
        in_picture = [np.tensordot(amplitudes, seen.basis, (1, 2)) for amplitudes in (found.amplitudes, truth)]
        assert off(*in_picture) < 0.015
        assert np.allclose(found.noise[1:], 0.1 * size, rtol=0.3)  # of bin 0, half of the noise is imaginary


def test_most_of_the_mesh_may_stand_still(thing):
    """What has no error at all must not make outliers of all the rest."""
    points, faces, bends = thing
    bends = bends * (points[:, 2] > 0.7)[None, :, None]
    camera, truth = oblique("perspective"), draw(3, 6)
    clean = shown(camera, (points, faces, bends), truth).coefficients
    moving = (np.abs(clean) > 1e-9).any(axis=(0, 3))
    error = 0.1 * np.sqrt((np.abs(clean[:, moving]) ** 2).mean())
    noise = error * np.random.default_rng(0).normal(size=clean.shape) * moving[..., None]
    seen = look(camera, points, faces, bends, SpectralVolume(clean + noise))
    found = lift(seen, weak(3, 6))
    in_picture = [np.tensordot(amplitudes, seen.basis, (1, 2)) for amplitudes in (found.amplitudes, truth)]
    assert off(*in_picture) < 0.03
    assert found.noise.min() > 0.35 * error  # about a third of what is seen moves


def test_edges_are_hardly_believed(thing):
    """A sheet before a larger one: of the pixels, those at an outline or at the step between the two weigh less."""
    points, faces, bends = thing
    behind = points * [2.0, 1.0, 1.0] + [0.0, 0.5, 0.0]
    both = np.concatenate([points, behind]), np.concatenate([faces, faces + len(points)])
    camera = parallel(filmed.towards([0, 1, 0], np.array([0, 0, 0.5]), 2.0), 50.0, (48.0, 36.0), SIZE, 0.1, 9.0)
    triangle, _ = filmed.under(camera, *both, SIZE)
    motion = SpectralVolume(np.ones((2, *SIZE, 2), complex) * (triangle >= 0)[..., None])
    part = np.where(triangle < 0, 0, np.where(triangle < len(faces), 1, 2))
    padded = np.pad(part, 1, mode="edge")
    sides = [padded[i : i + SIZE[0], j : j + SIZE[1]] for i in range(3) for j in range(3)]
    expected = np.where(np.all([side == part for side in sides], axis=0), 1.0, EDGE)[triangle >= 0]
    assert (expected == EDGE).sum() > 150
    with_both = np.concatenate([bends, bends], axis=1)
    assert np.array_equal(look(camera, *both, with_both, motion).weights, expected)


def test_pixels_that_err_together_count_as_one(thing):
    camera = oblique("perspective")
    motion = shown(camera, thing, draw(2, 6))
    one, four = (look(camera, *thing, motion, Blur(grain=grain)) for grain in (1.0, 4.0))
    assert np.allclose(4 * four.weights, one.weights)
    assert np.array_equal(four.basis, one.basis)


def test_what_runs_over_outlines_is_told_from_a_smaller_motion(thing):
    """What a soft picture loses at an outline to what stands still behind it, the modes lose too."""
    camera, truth = oblique("perspective"), draw(3, 6)
    motion = shown(camera, thing, truth).coefficients
    soft = [gaussian_filter(part, (0, 2, 2, 0), mode="nearest") for part in (motion.real, motion.imag)]
    soft = SpectralVolume(soft[0] + 1j * soft[1])
    errors = [off(lift(look(camera, *thing, soft, Blur(s)), weak(3, 6)).amplitudes, truth) for s in (0.0, 2.0)]
    assert errors[0] > 0.05
    assert errors[1] < 1e-3


def test_a_large_picture_is_looked_at_here_and_there(thing, monkeypatch):
    camera, truth = oblique("perspective"), draw(2, 6)
    motion = shown(camera, thing, truth)
    whole = look(camera, *thing, motion, Blur(grain=6.0))
    monkeypatch.setattr("backend.lifting.MOST", len(whole.weights) // 3)
    part = look(camera, *thing, motion, Blur(grain=6.0))
    assert len(part.weights) < len(whole.weights) / 3
    assert np.isclose(part.weights.sum(), whole.weights.sum(), rtol=0.1)
    assert off(lift(part, weak(2, 6)).amplitudes, truth) < 1e-3


# What is not seen


def two(prior: np.ndarray, first: np.ndarray, second: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Amplitudes (M,) of two shapes that move all of a sheet alike, seen along y in parallel."""
    points, faces = shapes.sheet(columns=24, rows=30)
    camera = parallel(filmed.towards([0, 1, 0], np.array([0, 0, 0.5]), 2.0), 50.0, (48.0, 36.0), SIZE, 0.1, 9.0)
    moved = np.broadcast_to(np.stack([first, second])[:, None], (2, len(points), 3))
    body = points, faces.astype(np.int32), moved
    motion = shown(camera, body, np.array([[0.0, 0.0], truth]))
    return lift(look(camera, *body, motion), np.stack([prior, prior])).amplitudes[1]


def test_what_looks_alike_is_shared_as_the_prior_says():
    """Two shapes differ along the line of sight alone: c_1 : c_2 = s_1^2 : s_2^2, and their sum is seen."""
    one, other = np.array([0.1, 0, 0]), np.array([0.1, 0.3, 0])
    found = two(np.diag([1.0, 4.0]), one, other, np.array([1 + 2j, 0]))
    assert np.allclose(found, np.array([0.2, 0.8]) * (1 + 2j), rtol=1e-3)


def test_what_goes_along_the_view_follows_what_wind_gives_with_it():
    """E[c_2 | c_1] = C_21 / C_11 c_1, and nothing where the two have nothing to do with each other."""
    one, other = np.array([0.1, 0, 0]), np.array([0, 0.3, 0])
    prior = np.array([[1.0, 0.5 - 0.2j], [0.5 + 0.2j, 2.0]])
    found = two(prior, one, other, np.array([1 + 2j, 7.0]))
    assert np.allclose(found, [1 + 2j, (0.5 + 0.2j) * (1 + 2j)], rtol=1e-3)
    assert np.allclose(two(np.diag([1.0, 2.0]), one, other, np.array([1 + 2j, 7.0])), [1 + 2j, 0], atol=1e-3)


def test_a_view_of_what_is_held_alone_is_refused(thing):
    camera, truth = oblique("perspective"), draw(3, 6)
    points, faces, shapes = thing
    with pytest.raises(Unseen, match="Only 0 pixels of the picture show where the mesh can move"):
        look(camera, points, faces, np.zeros_like(shapes), shown(camera, thing, truth))


def test_what_wind_never_moves_stays(thing):
    camera, truth = oblique("perspective"), draw(3, 6)
    prior = weak(3, 6)
    prior[:, 2], prior[:, :, 2] = 0, 0
    found = lift(look(camera, *thing, shown(camera, thing, truth)), prior)
    assert np.abs(found.amplitudes[:, 2]).max() < 1e-12
    assert np.abs(found.amplitudes[:, [0, 1, 3, 4, 5]]).min() > 0


def test_strengths_measure_a_prior_by_what_is_seen():
    rng = np.random.default_rng(2)
    basis = rng.normal(size=(400, 2, 5))
    root = rng.normal(size=(3, 5, 5)) + 1j * rng.normal(size=(3, 5, 5))
    prior = root @ root.conj().swapaxes(1, 2)
    dice = (rng.normal(size=(3, 5, 4000)) + 1j * rng.normal(size=(3, 5, 4000))) / np.sqrt(2)
    seen = [
        strengths(Seen(basis, np.einsum("pim,km->kpi", basis, c), np.ones(400)), prior)
        for c in np.moveaxis(root @ dice, 2, 0)[:400]
    ]
    assert np.allclose(np.mean(seen, axis=0), 1.0, atol=0.15)
    sample = Seen(basis, np.einsum("pim,km->kpi", basis, root[:, :, 0]), rng.uniform(0.1, 1, 400))
    assert np.allclose(strengths(sample, 4 * prior), strengths(sample, prior) / 4)
    assert np.array_equal(strengths(sample, 0 * prior), np.zeros(3))


# What must not matter


def test_turning_mesh_and_camera_together_turns_the_motion(thing):
    points, faces, bends = thing
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    camera, truth = oblique("perspective"), draw(3, 6)
    motion = shown(camera, thing, truth)
    motion = replace(motion, coefficients=motion.coefficients + 0.1 * np.abs(motion.coefficients) ** 1.5)
    back = np.eye(4)
    back[:3, :3] = turn.T
    turned = camera._replace(view=camera.view @ torch.from_numpy(back))
    prior = weak(3, 6, size=1.0)
    one = lift(look(camera, points, faces, bends, motion), prior)
    other = lift(look(turned, points @ turn.T, faces, bends @ turn.T, motion), prior)
    assert np.allclose(one.amplitudes, other.amplitudes, rtol=1e-4, atol=1e-6)


def test_a_larger_picture_of_the_same_says_the_same(thing):
    truth, prior = draw(3, 6), weak(3, 6, size=2.0)
    found = []
    for scale in (1, 2):
        camera, size = oblique("perspective", scale), (scale * SIZE[0], scale * SIZE[1])
        motion = shown(camera, thing, truth, size)
        found.append(lift(look(camera, *thing, motion), prior))
    assert np.allclose(found[1].noise, 2 * found[0].noise, rtol=0.05)
    assert off(found[1].amplitudes, found[0].amplitudes) < 1e-3


def test_the_unit_of_shapes_does_not_matter(thing):
    points, faces, bends = thing
    camera, truth = oblique("perspective"), draw(3, 6)
    motion = shown(camera, thing, truth)
    motion = replace(motion, coefficients=motion.coefficients + 0.1 * np.abs(motion.coefficients) ** 1.5)
    one = lift(look(camera, points, faces, bends, motion), weak(3, 6, 1.0)).amplitudes
    other = lift(look(camera, points, faces, 50 * bends, motion), weak(3, 6, 1.0) / 2500).amplitudes
    assert np.allclose(one, 50 * other, rtol=1e-6)


# What is refused


def test_a_mesh_that_is_hardly_in_the_picture_is_refused(thing):
    view = filmed.towards(OBLIQUE, np.array([0.0, 0.0, 0.5]), 40.0)
    far = pinhole(view, 140.0, (48.0, 36.0), SIZE, 0.1, 80.0)
    triangle, _ = filmed.under(far, thing[0], thing[1], SIZE)
    assert 0 < (triangle >= 0).sum() < 30
    with pytest.raises(Unseen, match=rf"Only {(triangle >= 0).sum()} pixels"):
        look(far, *thing, SpectralVolume(np.ones((2, *SIZE, 2), complex) * (triangle >= 0)[..., None]))


def test_a_picture_that_moves_elsewhere_is_refused(thing):
    camera = oblique("perspective")
    motion = shown(camera, thing, draw(3, 6)).coefficients
    beside = motion.copy()
    beside[1, (motion == 0).all(axis=(0, 3))] = np.abs(motion).max()
    with pytest.raises(Unseen, match="moves where the mesh is not"):
        look(camera, *thing, SpectralVolume(beside))
    there = (motion != 0).any(axis=(0, 3))
    near = np.any([np.roll(there, (i, j), axis=(0, 1)) for i in (-2, 0, 2) for j in (-2, 0, 2)], axis=0)
    bled = motion + 3 * np.abs(motion).max() * (near & ~there)[..., None]
    assert len(look(camera, *thing, SpectralVolume(bled)).weights) == there.sum()


def test_a_still_picture_is_refused(thing):
    with pytest.raises(Unseen, match="Nothing of the mesh is seen to move"):
        look(oblique("perspective"), *thing, SpectralVolume(np.full((2, *SIZE, 2), 1e-3 + 0j)))


@pytest.mark.parametrize(
    ("coefficients", "sentence"),
    [(np.ones((2, 9, 3), complex), "must be"), (np.full((2, *SIZE, 2), np.nan + 0j), "not numbers")],
)
def test_what_is_no_motion_of_a_picture_is_refused(thing, coefficients, sentence):
    with pytest.raises(ValueError, match=sentence):
        look(oblique("perspective"), *thing, SpectralVolume(coefficients))


# Sway as seen


@pytest.fixture(scope="module")
def leaf():
    """An oak leaf that sways, and how another wind moves it than the one that it knows."""
    swaying = sway(filmed.specimen("oak_leaf", 0.3), protocol.Sway(frequencies=10), silent)
    other = replace(swaying.answer.wind, seed=77)
    blown = wind.sway_both_ways(swaying.limber, other, spectral.Loop(bins=10)).towards(0.6)
    return swaying, spectral.lifted(blown, swaying.modes.shapes)


@pytest.mark.parametrize("out", [False, True], ids=["turned away", "half out of the picture"])
def test_the_hidden_side_moves_as_it_does_in_truth(leaf, out):
    swaying, motion = leaf
    mesh, size = swaying.mesh, (64, 64)
    camera = filmed.portrait(mesh.vertices, OBLIQUE, size)
    if out:
        aside = np.eye(4)
        aside[1, 3] = -1.0
        camera = camera._replace(projection=torch.from_numpy(aside) @ camera.projection)
    truth, picture = filmed.filmed(camera, mesh.vertices, mesh.faces, motion, size)
    seen = filmed.seen_vertices(camera, mesh.vertices, mesh.faces, size)
    hidden = ~seen
    assert hidden.mean() > 0.4
    rng = np.random.default_rng(0)
    there = (picture.coefficients != 0).any(axis=(0, 3))[..., None]
    noise = rng.normal(size=picture.coefficients.shape) * 0.1 * np.abs(picture.coefficients).mean() * there
    found = sway_as_seen(swaying, camera, replace(picture, coefficients=picture.coefficients + noise), silent)
    error = filmed.apart(found.volume, truth, hidden)
    flat = filmed.in_the_picture(camera, mesh.vertices, truth).coefficients
    copied = replace(truth, coefficients=flat[:, filmed.nearest(mesh.vertices, seen)])
    assert error < 0.3
    assert error < 0.5 * filmed.apart(copied, truth, hidden)
    assert filmed.apart(found.volume, truth, seen) < 0.1
    assert found.lift.explained > 0.9


def test_frames_are_the_mesh_in_its_loop(leaf):
    swaying, motion = leaf
    mesh, size = swaying.mesh, (64, 64)
    camera = filmed.portrait(mesh.vertices, OBLIQUE, size)
    _, picture = filmed.filmed(camera, mesh.vertices, mesh.faces, motion, size)
    slow = spectral.slowed(picture, 2.0)
    found = sway_as_seen(swaying, camera, slow, silent)
    assert found.volume.period == 10.0
    frames = list(swung(mesh, found.volume, 20))
    again = mesh.vertices + synthesise(found.volume, [found.volume.period])[0]
    assert np.abs(again - frames[0].positions).max() < 1e-5
    reach = np.linalg.norm([frame.positions - mesh.vertices for frame in frames], axis=2).max()
    assert np.linalg.norm(frames[0].positions - mesh.vertices, axis=1).max() < 0.1 * reach  # as the picture shows it


def test_what_is_explained_is_of_the_lean_that_is_sent(leaf):
    """Weighted squares of what is seen, half of each swing's and the lean's whole, less what the amplitudes leave."""
    swaying, motion = leaf
    mesh, size = swaying.mesh, (64, 64)
    camera = filmed.portrait(mesh.vertices, OBLIQUE, size)
    _, picture = filmed.filmed(camera, mesh.vertices, mesh.faces, motion, size)
    picture.coefficients[0] *= 2.0  # about which nothing is as the picture has it at t = 0
    found = sway_as_seen(swaying, camera, picture, silent)
    assert explained(found.seen, found.lift.amplitudes) == found.lift.explained
    here = found.from_here()
    assert np.abs(spectral.looped(here.volume, 1)).max() < 1e-6
    np.testing.assert_array_equal(here.lift.amplitudes[1:], found.lift.amplitudes[1:])
    left = np.einsum("pcm,km->kpc", found.seen.basis, here.lift.amplitudes) - found.seen.motion
    left, whole = (np.einsum("kpc,p->k", np.abs(part) ** 2, found.seen.weights) for part in (left, found.seen.motion))
    halves = np.array([1.0, *[0.5] * 9])
    assert here.lift.explained == pytest.approx(1 - (halves @ left) / (halves @ whole))
    assert here.lift.explained < found.lift.explained - 0.05


def test_what_modes_cannot_do_is_refused(leaf):
    swaying, motion = leaf
    mesh, size = swaying.mesh, (64, 64)
    camera = filmed.portrait(mesh.vertices, OBLIQUE, size)
    _, picture = filmed.filmed(camera, mesh.vertices, mesh.faces, motion, size)
    there = (picture.coefficients != 0).any(axis=(0, 3))[..., None]
    noise = np.random.default_rng(0).normal(size=picture.coefficients.shape) * there + 0j
    with pytest.raises(Unseen, match="cannot move as the picture does"):
        sway_as_seen(swaying, camera, SpectralVolume(noise), silent)


def test_wind_of_any_direction_and_gusts(leaf):
    """The covariance is that of many winds, whatever wind the sway itself was made in."""
    swaying, _ = leaf
    loop = spectral.Loop(bins=4)
    found = usual(swaying.limber, swaying.answer.wind, loop)
    assert np.allclose(found, found.conj().swapaxes(1, 2))
    assert np.linalg.eigvalsh(found).min() > -1e-9 * np.abs(found).max()
    assert np.array_equal(found[0].imag, np.zeros_like(found[0].real))
    turned = replace(swaying.answer.wind, azimuth=1.0, seed=5)
    assert np.allclose(usual(swaying.limber, turned, loop), found)
    powers = np.mean(
        [
            np.abs(wind.sway_both_ways(swaying.limber, replace(turned, seed=100 + n), loop).towards(0.5 * n)) ** 2
            for n in range(12)
        ],
        axis=0,
    )
    told = np.einsum("kmm->km", found).real
    assert 0.5 < (powers[1:].sum(axis=1) / told[1:].sum(axis=1)).mean() < 2
