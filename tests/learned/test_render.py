"""Cameras, pictures of meshes and of volumes, and shape from pictures."""

import math

import numpy as np
import pytest
import torch
import trimesh

from backend.render.cameras import look_at, orbit
from backend.render.volume import composite

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


def test_a_camera_may_have_vertices_of_its_own():
    cameras, _ = random_cameras()
    vertices = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = cameras.project(vertices)
    for k in range(5):
        torch.testing.assert_close(together[k], cameras.project(vertices[k])[k])


# Volumes


def ray_samples(rays=3, samples=6, channels=2):
    draw = torch.Generator().manual_seed(5)
    density = 3 * torch.rand(rays, samples, generator=draw, dtype=torch.float64)
    colour = torch.rand(rays, samples, channels, generator=draw, dtype=torch.float64)
    edges = (0.1 + torch.rand(rays, samples + 1, generator=draw, dtype=torch.float64)).cumsum(dim=1)
    return density, colour, edges


def test_compositing_is_the_running_product_of_nerf():
    density, colour, edges = ray_samples()
    alpha = 1 - torch.exp(-density * (edges[:, 1:] - edges[:, :-1]))
    weights = torch.zeros_like(alpha)
    for ray in range(3):
        for i in range(6):
            weights[ray, i] = (1 - alpha[ray, :i]).prod() * alpha[ray, i]
    found = composite(density, colour, edges)
    torch.testing.assert_close(found.colour, (weights[..., None] * colour).sum(dim=1))
    torch.testing.assert_close(found.opacity, weights.sum(dim=1))
    torch.testing.assert_close(found.depth, (weights * (edges[:, 1:] + edges[:, :-1]) / 2).sum(dim=1))


@pytest.mark.parametrize("samples", [1, 7, 64])
def test_fog_absorbs_by_beer_and_lambert_however_it_is_cut(samples):
    sigma, near, far = 0.7, 2.0, 5.0
    edges = torch.linspace(0, 1, samples + 1, dtype=torch.float64) ** 2 * (far - near) + near
    found = composite(torch.full((1, samples), sigma, dtype=torch.float64), torch.ones(1, samples, 1).double(), edges)
    assert found.opacity.item() == pytest.approx(1 - math.exp(-sigma * (far - near)), rel=1e-12)
    assert found.colour.item() == pytest.approx(found.opacity.item(), rel=1e-12)


def test_the_depth_of_fog_is_the_mean_free_path():
    edges = torch.linspace(2, 40, 4001, dtype=torch.float64)
    found = composite(torch.full((1, 4000), 1.5, dtype=torch.float64), torch.zeros(1, 4000, 1).double(), edges)
    assert found.depth.item() == pytest.approx(2 + 1 / 1.5, rel=1e-5)


@pytest.mark.parametrize("density", [1e4, 1e30, 3e38])
def test_a_wall_shows_itself_and_what_stands_before_it(density):
    thickness = torch.tensor([[0.5, density, 0.0, 2.0]], requires_grad=True)
    colour = torch.tensor([[[1.0, 0], [0, 1], [9, 9], [9, 9]]], requires_grad=True)
    found = composite(thickness, colour, torch.arange(5.0) * 2)
    mist = 1 - math.exp(-1)
    torch.testing.assert_close(found.colour, torch.tensor([[mist, 1 - mist]]))
    torch.testing.assert_close(found.opacity, torch.ones(1))
    torch.testing.assert_close(found.depth, torch.tensor([mist * 1 + (1 - mist) * 3]))
    found.colour.sum().backward()
    assert thickness.grad.isfinite().all() and colour.grad.isfinite().all()
    assert thickness.grad[0, 0] == 0 and not thickness.grad[0, 1:].any()  # red or green, the sum stays 1


def test_thin_air_keeps_its_digits():
    found = composite(torch.full((1, 3), 1e-9), torch.ones(1, 3, 1), torch.arange(4.0))
    assert found.opacity.item() == pytest.approx(3e-9, rel=1e-5)


def test_of_two_dense_colours_the_nearer_is_seen():
    density, edges = torch.full((1, 2), 100.0), torch.arange(3.0)
    red, green = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
    torch.testing.assert_close(composite(density, torch.stack([red, green])[None], edges).colour[0], red)
    torch.testing.assert_close(composite(density, torch.stack([green, red])[None], edges).colour[0], green)


def test_the_gradients_of_compositing_are_right():
    inputs = [each.requires_grad_() for each in ray_samples()]
    assert torch.autograd.gradcheck(composite, inputs)


def test_no_rays_and_no_samples_are_black():
    assert composite(torch.ones(0, 4), torch.ones(0, 4, 3), torch.arange(5.0)).colour.shape == (0, 3)
    empty = composite(torch.ones(2, 0), torch.ones(2, 0, 3), torch.ones(1))
    assert not empty.colour.any() and not empty.opacity.any() and empty.colour.shape == (2, 3)
