"""Cameras, pictures of meshes and of volumes, and shape from pictures."""

import math
import sys

import pytest
import torch

from backend.render import mesh, pytorch3d
from backend.render.cameras import look_at, orbit
from backend.render.mesh import render
from kernels.antialias import antialias
from kernels.rasterize import rasterize
from tests.bench.recover import averaged, cameras, compare, photograph, recover, sphere, unknown
from tests.learned import scenes

# Cameras


def random_cameras(count=5, dtype=torch.float64, **more):
    draw = torch.Generator().manual_seed(3)
    azimuth, elevation, distance, fovy = torch.rand(4, count, generator=draw, dtype=dtype)
    target = torch.tensor([0.3, -0.2, 0.5], dtype=dtype)
    return orbit(7 * azimuth, 3 * elevation - 1.5, 1 + 3 * distance, 0.3 + fovy, target, **more), target


def test_azimuth_0_looks_from_blenders_front_and_a_quarter_turn_from_its_right():
    cameras = orbit(torch.tensor([0.0, math.pi / 2]), 0.0, 2.0, 1.0)
    torch.testing.assert_close(cameras.to_world[:, :3, 3], torch.tensor([[0.0, -2, 0], [2, 0, 0]]))


def test_elevation_lifts_the_camera():
    cameras = orbit(torch.zeros(2), torch.tensor([math.pi / 6, math.pi / 2]), 2.0, 1.0)
    torch.testing.assert_close(cameras.to_world[:, :3, 3], torch.tensor([[0.0, -math.sqrt(3), 1], [0, 0, 2]]))


def test_up_is_up_and_right_is_right_in_the_picture():
    clip = orbit(torch.zeros(1), 0.4, 3.0, 1.0).project(torch.tensor([[0.0, 0, 0.5], [0.5, 0, 0], [0, 0.5, 0]]))[0]
    x, y, depth = (clip[:, :3] / clip[:, 3:]).T
    assert abs(x[0]) < 1e-6 and y[0] > 0.1  # higher in the world
    assert x[1] > 0.1 and abs(y[1]) < 1e-6  # towards +X, to the right of who looks from the front
    assert depth[2] > depth[1]  # behind the middle


def test_the_target_is_in_the_middle_and_as_deep_as_it_is_far():
    cameras, target = random_cameras()
    clip = cameras.project(target[None])[:, 0]
    torch.testing.assert_close(clip[:, :2], torch.zeros(5, 2, dtype=torch.float64))
    place = cameras.to_world[:, :3, 3]
    torch.testing.assert_close(clip[:, 3], (place - target).norm(dim=1))


def test_what_spans_the_field_of_view_spans_the_picture():
    cameras, target = random_cameras(aspect=1.6)
    right, up = cameras.to_world[:, :3, 0], cameras.to_world[:, :3, 1]
    distance = (cameras.to_world[:, :3, 3] - target).norm(dim=1)
    half = distance / cameras.projection[:, 1, 1]
    torch.testing.assert_close(torch.atan(half / distance) * 2, random_fovy())
    corner = (target + half[:, None] * up + 1.6 * half[:, None] * right)[:, None]
    clip = cameras.project(corner)[:, 0]
    torch.testing.assert_close(clip[:, :2] / clip[:, 3:], torch.ones(5, 2, dtype=torch.float64))


def random_fovy():
    return 0.3 + torch.rand(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)[3]


def test_camera_to_world_undoes_the_view_and_is_a_rotation():
    cameras, _ = random_cameras()
    torch.testing.assert_close(cameras.to_world @ cameras.view, torch.eye(4, dtype=torch.float64).expand(5, 4, 4))
    turns = cameras.to_world[:, :3, :3]
    torch.testing.assert_close(turns.mT @ turns, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(5, dtype=torch.float64))


def test_look_at_from_where_an_orbit_is_is_that_orbit():
    cameras, target = random_cameras()
    again = look_at(cameras.to_world[:, :3, 3], target, random_fovy())
    torch.testing.assert_close(again.view, cameras.view)
    torch.testing.assert_close(again.projection, cameras.projection)


def test_straight_from_above_is_a_camera_too():
    cameras = look_at(torch.tensor([[0.0, 0, 2]]), torch.zeros(3), 1.0)
    turn = cameras.to_world[0, :3, :3]
    torch.testing.assert_close(turn @ turn.T, torch.eye(3))
    torch.testing.assert_close(turn[:, 2], torch.tensor([0.0, 0, 1]))


@pytest.mark.parametrize("eye", [(0.0, 0.0, 3.0), (0.0, 0.0, -2.0), (1.0, -2.0, 0.5), (0.3, 1.7, 2.0)])
def test_the_gradient_of_looking_is_right_and_finite_above_and_below_too(eye):
    """Of how far from the middle points are seen, which no turn of the camera about the axis it looks along changes."""
    points, weight = torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    target = torch.tensor([0.2, -0.1, 0.3], dtype=torch.float64)
    eye = (target + torch.tensor(eye, dtype=torch.float64)).requires_grad_()

    def seen(place):
        clip = look_at(place[None], target, 0.8).project(points)[0]
        return (weight[:, 0] * clip[:, :2].square().sum(dim=1) / clip[:, 3] ** 2 + weight[:, 1] * clip[:, 2]).sum()

    (slope,) = torch.autograd.grad(seen(eye), eye)
    h = 1e-5 * torch.eye(3, dtype=torch.float64)
    differences = torch.stack([seen(eye + h[k]) - seen(eye - h[k]) for k in range(3)]) / 2e-5
    torch.testing.assert_close(slope, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("z", [3, -3])
def test_every_number_of_a_camera_straight_above_or_below_has_a_finite_gradient(z):
    eye = torch.tensor([[0.0, 0, z]], requires_grad=True)
    view, projection = look_at(eye, torch.zeros(3), 1.0)
    for number in torch.cat([view.flatten(), projection.flatten()]):
        if number.requires_grad:
            assert torch.autograd.grad(number, eye, retain_graph=True)[0].isfinite().all()


@pytest.mark.parametrize("off", [1e-30, 1e-12, 1e-7, 1e-5])
def test_a_camera_next_to_straight_above_is_a_rotation(off):
    turn = look_at(torch.tensor([[off, -2 * off, 3.0]]), torch.zeros(3), 1.0).to_world[0, :3, :3]
    torch.testing.assert_close(turn @ turn.T, torch.eye(3))
    assert torch.linalg.det(turn) > 0


def test_whole_numbers_are_taken_as_floats():
    turned, moved = orbit(torch.tensor([0, 2]), 0.4, 3.5, 1), look_at(torch.tensor([[1, 2, 3]]), (0.5, 0, 0), 0.9)
    for ours, wanted in [
        (turned, orbit(torch.tensor([0.0, 2.0]), 0.4, 3.5, 1.0)),
        (moved, look_at(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0.5, 0, 0]), 0.9)),
    ]:
        assert all(torch.equal(a, b) and a.dtype == torch.float32 for a, b in zip(ours, wanted, strict=True))


def test_a_camera_may_have_vertices_of_its_own():
    cameras, _ = random_cameras()
    vertices = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = cameras.project(vertices)
    for k in range(5):
        torch.testing.assert_close(together[k], cameras.project(vertices[k])[k])


# Meshes

SQUARE = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)


def rectangle(left, right, low, high, w=1.0):
    """Positions (1, 4, 4) and faces, its sides in pixels of a picture of 20 x 10, and nearer the smaller w."""
    flat = torch.tensor([[left, low], [right, low], [right, high], [left, high]], dtype=torch.float64)
    x, y = (flat / torch.tensor([10, 5]) - 1).T
    ones = torch.ones(4, dtype=torch.float64)
    return torch.stack([x, y, 0.1 * ones, ones], dim=1)[None] * w, SQUARE


def test_coverage_adds_up_to_the_area():
    positions, faces = rectangle(3.3, 15.8, 2.2, 7.9)
    picture = render(torch.ones(4, 1).double(), positions, faces, 10, 20)
    corners = 0.3 * 0.2 + 0.2 * 0.2 + 0.2 * 0.1 + 0.3 * 0.1  # the least exact: blended along both axes, one at a time
    assert picture.coverage.sum().item() == pytest.approx((15.8 - 3.3) * (7.9 - 2.2), abs=corners + 1e-9)
    torch.testing.assert_close(picture.image[..., 0], picture.coverage)


@pytest.mark.parametrize("background", ["number", "colour", "picture"])
def test_the_background_is_seen_where_the_mesh_is_not(background):
    behind = {
        "number": 0.25,
        "colour": torch.tensor([0.1, 0.2, 0.3]).double(),
        "picture": torch.rand(1, 10, 20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64),
    }[background]
    positions, faces = rectangle(4, 16, 2, 8)
    inside = torch.tensor([0.9, 0.5, 0.7]).double()
    image, coverage = render(inside.expand(4, 3), positions, faces, 10, 20, behind)
    torch.testing.assert_close(image[:, 2:8, 4:16], inside.expand(1, 6, 12, 3))
    whole = torch.zeros(1, 10, 20).double()
    whole[:, 2:8, 4:16] = 1
    torch.testing.assert_close(coverage, whole)
    torch.testing.assert_close(image[:, 8:], torch.as_tensor(behind).double().expand(1, 10, 20, 3)[:, 8:])


def test_a_blended_pixel_is_background_as_far_as_it_is_not_covered():
    positions, faces = rectangle(4, 15.7, 2, 8)
    colour = torch.tensor([0.9, 0.5, 0.7]).double()
    image, coverage = render(colour.expand(4, 3), positions, faces, 10, 20, 0.2)
    share = coverage[..., None]
    assert 0.1 < share[0, 5, 15].item() < 0.9
    torch.testing.assert_close(image, share * colour + (1 - share) * 0.2)


def test_row_0_is_the_top_and_column_0_the_left():
    positions, faces = rectangle(0, 20, 0, 10)
    image, _ = render(positions[0, :, :2].contiguous(), positions, faces, 10, 20)
    torch.testing.assert_close(image[0, 0, 0], torch.tensor([-0.95, 0.9]).double())
    torch.testing.assert_close(image[0, 9, 19], torch.tensor([0.95, -0.9]).double())


def test_each_view_may_have_attributes_of_its_own():
    positions, faces = scenes.ball(views=3)
    draw = torch.Generator().manual_seed(4)
    attributes = torch.rand(3, positions.shape[1], 2, generator=draw)
    together = render(attributes, positions, faces, 24, 32)
    for k in range(3):
        alone = render(attributes[k], positions[k : k + 1], faces, 24, 32)
        torch.testing.assert_close(together.image[k : k + 1], alone.image)


def slopes_by_differences_and_by_gradient(side, steepness):
    """Of one number made of a painted sphere's picture, along four motions, (4,) each; differences see the picture that
    36 samples a pixel make, and so know nothing of how outlines are blended."""
    ball = sphere(4)
    vertices, views = ball.vertices.double(), orbit(torch.tensor([0.3, 2.0]).double(), 0.4, 4.0, 0.7)
    waves = steepness * torch.tensor([[3.1, -1.2, 2.0], [-1.7, 3.6, 1.1], [1.3, 2.2, -3.3]]).double()
    paint = 0.5 + 0.4 * torch.sin(vertices @ waves.T + torch.tensor([0.4, 2.0, 4.1]).double())
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side).double()] * 2, indexing="ij")
    weight = torch.stack([torch.sin(2 * x + k) + torch.cos(1.5 * y - k) * x for k in range(4)], dim=2)

    def seen(places, finer):
        image, coverage = render(paint, views.project(places), ball.faces, side * finer, side * finer, 0.2)
        return (averaged(torch.cat([image, coverage[..., None]], dim=3), finer) * weight).mean()

    bump = torch.exp(4 * (vertices @ torch.tensor([0.2, -0.6, 0.77]).double() - 1))[:, None]
    axis, h = torch.eye(3).double(), 0.02
    motions = [axis[0].expand_as(vertices), axis[2].expand_as(vertices), vertices, bump * vertices]
    differences = [(seen(vertices + h * each, 6) - seen(vertices - h * each, 6)) / (2 * h) for each in motions]
    moved = vertices.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(seen(moved, 1), moved)
    return torch.stack(differences), torch.stack([(gradient * each).sum() for each in motions])


def cut_the_outlines_gradients(monkeypatch):
    monkeypatch.setattr(mesh, "antialias", lambda image, positions, *rest: antialias(image, positions.detach(), *rest))


def test_the_gradient_of_a_picture_is_that_of_a_finely_sampled_one_inside_and_at_the_outline():
    differences, slopes = slopes_by_differences_and_by_gradient(64, steepness=0.3)
    assert (slopes - differences).norm() < 0.03 * differences.norm()


def test_without_antialiasing_that_gradient_lacks_the_outline(monkeypatch):
    cut_the_outlines_gradients(monkeypatch)
    differences, slopes = slopes_by_differences_and_by_gradient(64, steepness=0.3)
    assert (slopes - differences).norm() > 0.5 * differences.norm()


# pytorch3d


@pytest.mark.parametrize("size", [(96, 96), (60, 84), (84, 60)])
@pytest.mark.parametrize("scene", ["ball", "ring", "soup", "inside"])
def test_pytorch3d_sees_what_our_rasteriser_sees(scene, size):
    pytest.importorskip("pytorch3d")
    positions, faces = getattr(scenes, scene)()
    ours, theirs = rasterize(positions, faces, *size), pytorch3d.rasterize(positions, faces, *size)
    assert ours.triangle.ge(0).sum() > 1000
    assert ours.triangle.dtype == theirs.triangle.dtype and torch.equal(ours.triangle, theirs.triangle)
    torch.testing.assert_close(theirs.barycentrics, ours.barycentrics, atol=5e-4, rtol=0)
    torch.testing.assert_close(theirs.depth, ours.depth, atol=2e-5, rtol=0)


def test_pytorch3d_looks_through_the_hole_that_the_near_plane_cuts():
    pytest.importorskip("pytorch3d")
    vertices, faces = sphere(2).vertices.numpy(), sphere(2).faces.numpy()
    positions, faces = scenes.seen(vertices, faces, scenes.around(3, 1.5), scenes.perspective(near=0.6, focal=1))
    ours, theirs = rasterize(positions, faces, 80, 96), pytorch3d.rasterize(positions, faces, 80, 96)
    assert ours.depth[:, 40, 48].gt(0.5).all() and ours.depth[ours.triangle >= 0].min() < -0.9
    assert torch.equal(ours.triangle, theirs.triangle)
    torch.testing.assert_close(theirs.barycentrics, ours.barycentrics, atol=5e-4, rtol=0)


def test_a_picture_by_way_of_pytorch3d_is_the_same():
    pytest.importorskip("pytorch3d")
    positions, faces = scenes.ring()
    attributes = torch.rand(positions.shape[1], 3, generator=torch.Generator().manual_seed(6))
    ours = render(attributes, positions, faces, 40, 56, 0.5)
    theirs = render(attributes, positions, faces, 40, 56, 0.5, rasterizer=pytorch3d.rasterize)
    torch.testing.assert_close(theirs.image, ours.image, atol=1e-4, rtol=0)
    torch.testing.assert_close(theirs.coverage, ours.coverage, atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", ["no views", "no faces", "behind the eye", "beyond the far plane"])
def test_where_there_is_nothing_pytorch3d_sees_nothing(case):
    pytest.importorskip("pytorch3d")
    positions, faces = scenes.ball(views=2)
    if case == "no views":
        positions = positions[:0]
    if case == "no faces":
        faces = faces[:0]
    if case == "behind the eye":
        positions = -positions
    if case == "beyond the far plane":
        positions = positions * torch.tensor([1, 1, 100, 1])
    found = pytorch3d.rasterize(positions, faces, 12, 16)
    assert found.triangle.shape == (len(positions), 12, 16) and found.barycentrics.shape == (len(positions), 12, 16, 3)
    assert found.triangle.eq(-1).all() and not found.barycentrics.any() and not found.depth.any()


def test_where_pytorch3d_is_missing_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer.mesh.rasterize_meshes", None)
    with pytest.raises(ModuleNotFoundError, match=r"pytorch3d is not installed.*build it from source"):
        pytorch3d.rasterize(*scenes.ball(), 8, 8)


# Shape from pictures


def found_again(steps=60, side=64):
    truth, start, views = unknown(4), sphere(3), cameras()
    given = photograph(truth, views, side, finer=3)
    *_, guess = recover(given, views, start, steps)
    return compare(start, truth, views), compare(guess, truth, views)


def test_a_shape_and_its_colours_are_found_again_from_eight_pictures():
    before, after = found_again()
    assert after.distance < before.distance / 7
    assert after.colour < before.colour / 8
    assert after.overlap > 0.985


def test_without_the_gradients_at_the_outline_they_are_not(monkeypatch):
    cut_the_outlines_gradients(monkeypatch)
    before, after = found_again()
    assert after.distance > before.distance / 4
