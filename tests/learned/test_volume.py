"""Rays and volumes: what a field looks like, held to closed forms. What rays gather is tested in test_composite."""

import math

import pytest
import torch
from torch import Tensor, nn

from backend.fields import Sample
from backend.fields.blob import Blob
from backend.fields.voxels import VoxelGrid
from backend.render.cameras import orbit, parallel, pinhole
from backend.render.rays import in_cube, rays
from backend.render.volume import Light, render

HEIGHT, WIDTH = 5, 8


def random_orbit(count=3, aspect=WIDTH / HEIGHT):
    generator = torch.Generator().manual_seed(0)
    azimuth, elevation, away = torch.rand(3, count, generator=generator, dtype=torch.float64)
    return orbit(6 * azimuth, elevation, 3 + away, 0.6 + away / 4, (0.1, -0.2, 0.15), aspect)


def askew(kind):
    """A camera that looks at no middle."""
    view = random_orbit(1).view[0]
    return kind(view, 11.0, (5.5, 1.25), (HEIGHT, WIDTH), 0.5, 9.0)


CAMERAS = {"orbit": random_orbit, "pinhole": lambda: askew(pinhole), "parallel": lambda: askew(parallel)}


# --- Rays


@pytest.mark.parametrize("kind", CAMERAS)
def test_what_lies_on_a_ray_is_seen_in_the_middle_of_its_pixel(kind):
    cameras = CAMERAS[kind]()
    seen = rays(cameras, HEIGHT, WIDTH)
    for t in (0.7, 3.0, 8.0):
        points = seen.origin + t * seen.direction
        clip = cameras.project(points.flatten(1, 2))
        x, y = (clip[..., :2] / clip[..., 3:]).unflatten(1, (HEIGHT, WIDTH)).unbind(dim=3)
        columns, rows = torch.arange(WIDTH) + 0.5, torch.arange(HEIGHT) + 0.5
        torch.testing.assert_close((x + 1) / 2 * WIDTH, columns.double().expand_as(x))
        torch.testing.assert_close((1 - y) / 2 * HEIGHT, rows.double()[:, None].expand_as(y))
    torch.testing.assert_close(seen.direction.norm(dim=3), torch.ones_like(seen.begin))


@pytest.mark.parametrize("kind", CAMERAS)
def test_a_ray_begins_at_the_near_plane_and_ends_at_the_far_one(kind):
    cameras = CAMERAS[kind]()
    seen = rays(cameras, HEIGHT, WIDTH)
    for t, depth in ((seen.begin, -1), (seen.end, 1)):
        clip = cameras.project((seen.origin + t[..., None] * seen.direction).flatten(1, 2))
        assert (clip[..., 3] > 0).all()
        torch.testing.assert_close(clip[..., 2], depth * clip[..., 3], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", CAMERAS)
def test_a_ray_is_in_the_cube_from_wall_to_wall(kind):
    seen = rays(CAMERAS[kind](), 40, 64)
    begin, end = in_cube(seen, 0.2)
    hit = end > begin
    assert 0.02 < hit.double().mean() < 0.98
    for t in (begin, end):
        wall = (seen.origin + t[..., None] * seen.direction).abs().amax(dim=3)
        torch.testing.assert_close(wall[hit], torch.full_like(wall[hit], 0.2))
    for t in torch.linspace(0, 8, 200):  # a ray that misses is nowhere inside
        assert ((seen.origin + t * seen.direction).abs().amax(dim=3) >= 0.2)[~hit].all()


def test_from_inside_the_cube_and_along_its_axes_rays_begin_at_the_camera():
    camera = orbit(torch.zeros(1).double(), 0.0, 0.5, 0.8)
    seen = rays(camera, 3, 3)
    assert (seen.direction[0, 1, 1] == torch.tensor([0.0, 1.0, 0.0])).all()
    begin, end = in_cube(seen, 1.0)
    torch.testing.assert_close(begin, seen.begin)
    assert end[0, 1, 1].item() == pytest.approx(1.5)
    begin, end = in_cube(seen._replace(origin=seen.origin + torch.tensor([0.0, 0.0, 3.0])), 1.0)
    assert end[0, 1, 1] == begin[0, 1, 1], "beside it, a ray that never comes nearer"


# --- Closed forms


class Told(nn.Module):
    """A field from functions of points: density, colour, and the normals where it has some."""

    def __init__(self, density, colour=(1.0, 0.5, 0.25), radius=1.0, facing=None):
        super().__init__()
        self.density, self.colour, self.radius, self._facing, self.asked = density, colour, radius, facing, []

    def forward(self, points: Tensor) -> Sample:
        self.asked.append(points)
        return Sample(self.density(points), torch.tensor(self.colour).to(points).expand(len(points), 3))

    def facing(self, points: Tensor) -> tuple[Sample, Tensor]:
        return self(points), torch.tensor(self._facing).to(points).expand(len(points), 3)


def ball(middle=(0.2, -0.1, 0.15), radius=0.5, density=3.0):
    return Told(lambda points: density * ((points - torch.tensor(middle).to(points)).norm(dim=1) < radius))


def test_a_ball_hides_by_the_chord_that_a_ray_cuts_and_lies_where_it_does():
    cameras, middle = random_orbit(), torch.tensor([0.2, -0.1, 0.15], dtype=torch.float64)
    seen = rays(cameras, HEIGHT, WIDTH)
    nearest = ((middle - seen.origin) * seen.direction).sum(dim=3)
    apart = (seen.origin + nearest[..., None] * seen.direction - middle).norm(dim=3)
    half = (0.25 - apart**2).clamp(min=0).sqrt()
    opacity = 1 - torch.exp(-6 * half)
    # of an exponential from the near side on, cut off at the far one
    depth = opacity * (nearest - half + 1 / 3) - 2 * half * torch.exp(-6 * half)
    found = render(ball(), cameras, HEIGHT, WIDTH, 2000)
    assert opacity.max() > 0.9 and (opacity == 0).any()
    torch.testing.assert_close(found.opacity, opacity, rtol=0, atol=4e-3)
    torch.testing.assert_close(found.depth, depth, rtol=0, atol=2e-2)
    torch.testing.assert_close(found.image, found.opacity[..., None] * torch.tensor([1, 0.5, 0.25]))
    assert found.normals is None and found.away is None


@pytest.mark.parametrize("samples", [1, 7])
def test_fog_in_all_of_the_cube_hides_by_the_way_through_it_however_it_is_cut(samples):
    cameras = random_orbit()
    begin, end = in_cube(rays(cameras, HEIGHT, WIDTH), 0.7)
    field = Told(lambda points: torch.full_like(points[:, 0], 0.8), radius=0.7)
    found = render(field, cameras, HEIGHT, WIDTH, samples, background=0.1)
    hidden = 1 - torch.exp(-0.8 * (end - begin))
    torch.testing.assert_close(found.opacity, hidden)
    colour = torch.tensor([1, 0.5, 0.25]).double()
    torch.testing.assert_close(found.image, hidden[..., None] * colour + (1 - hidden[..., None]) * 0.1)


def test_a_wall_ends_every_ray_where_it_stands():
    """The half space x + 2 y > 0.3, from the front, through a camera that looks at no middle."""
    across = torch.tensor([1.0, 2.0, 0.0]).double()
    field = Told(lambda points: 1e6 * (points @ across > 0.3))
    cameras = askew(pinhole)._replace(view=orbit(torch.tensor([0.2]).double(), 0.1, 4.0, 1.0).view)
    found, seen = render(field, cameras, HEIGHT, WIDTH, 400), rays(cameras, HEIGHT, WIDTH)
    depth = (0.3 - seen.origin @ across) / (seen.direction @ across)
    entered = ((seen.origin + depth[..., None] * seen.direction).abs() < 0.98).all(dim=3)
    assert entered.sum() > 5
    torch.testing.assert_close(found.opacity[entered], torch.ones(int(entered.sum())).double())
    torch.testing.assert_close(found.depth[entered], depth[entered], rtol=0, atol=2 * math.sqrt(12) / 400)


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1, 3), (3, HEIGHT, WIDTH, 3)])
def test_where_nothing_is_the_background_is_seen_and_gets_the_gradient(shape):
    background = torch.rand(shape, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    empty = Told(lambda points: torch.zeros_like(points[:, 0]))
    image = render(empty, random_orbit(), HEIGHT, WIDTH, 4, background).image
    assert torch.equal(image, background.expand(3, HEIGHT, WIDTH, 3))
    image.sum().backward()
    torch.testing.assert_close(background.grad.sum(), torch.tensor(3.0 * 3 * HEIGHT * WIDTH).double())


def test_a_camera_that_sees_nothing_of_the_cube_sees_the_background():
    away = orbit(torch.zeros(1), 0.0, 3.0, 0.5, target=(50.0, 0.0, 0.0))
    found = render(
        VoxelGrid(4), away, 3, 3, 4, background=0.3, normals=True, light=Light(torch.ones(1, 3), torch.ones(1))
    )
    assert (found.image == 0.3).all() and not found.opacity.any() and not found.normals.any()


# --- Where the field is asked


def test_without_a_generator_each_interval_is_asked_in_its_middle_and_with_one_anywhere_in_it():
    cameras, field = random_orbit(), ball()
    seen = rays(cameras, HEIGHT, WIDTH)
    begin, end = in_cube(seen, 1.0)
    hit = end > begin

    def shares(generator):
        render(field, cameras, HEIGHT, WIDTH, 6, generator=generator)
        points = field.asked.pop().view(-1, 6, 3)
        along = ((points - seen.origin[hit][:, None]) * seen.direction[hit][:, None]).sum(dim=2)
        return (along - begin[hit][:, None]) / (end - begin)[hit][:, None] * 6 - torch.arange(6)

    torch.testing.assert_close(shares(None), torch.full_like(shares(None), 0.5))
    first, again, other = (shares(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() > -1e-9 and first.max() < 1 + 1e-9
    assert first.mean().item() == pytest.approx(0.5, abs=0.05) and first.std().item() == pytest.approx(
        12**-0.5, abs=0.05
    )


class Half(Told):
    """It knows that nothing is where x > 0.1."""

    cells = (torch.arange(20) < 11)[:, None, None]


@pytest.mark.parametrize("light", [False, True])
def test_what_is_known_to_be_empty_is_not_asked_for_and_the_picture_is_the_same(light):
    def density(points):
        return torch.where(points[:, 0] > 0.1, 0, 4 * points[:, 2].sin().abs())

    lamp = Light(torch.tensor([[2.0, -3.0, 1.0]] * 3), torch.full((3,), 0.7)) if light else None
    cameras, up = random_orbit(), (0.6, 0.0, 0.8)
    knowing, all_asked = (kind(density, facing=up) for kind in (Half, Told))
    one, other = (render(field, cameras, HEIGHT, WIDTH, 30, 0.2, light=lamp) for field in (knowing, all_asked))
    for a, b in zip(one, other, strict=True):
        assert a is b is None or torch.equal(a, b)
    assert (knowing.asked[0][:, 0] <= 0.1).all()
    assert 0.2 < len(knowing.asked[0]) / len(all_asked.asked[0]) < 0.8


# --- Light


def slab(facing):
    """Filled where y > 0; the rest is empty."""
    return Told(lambda points: 1e6 * (points[:, 1] > 0), facing=facing)


def test_a_lamp_shines_by_lambert_on_what_faces_it():
    cameras, normal = orbit(torch.tensor([0.3]).double(), 0.2, 4.0, 0.15), torch.tensor([0.0, -1.0, 0.0]).double()
    place, diffuse = torch.tensor([[1.5, -2.0, 0.5]]).double(), torch.tensor([0.7]).double()
    found = render(slab((0.0, -1.0, 0.0)), cameras, 4, 4, 2000, light=Light(place, diffuse))
    seen = rays(cameras, 4, 4)
    points = seen.origin + found.depth[..., None] * seen.direction
    to_lamp = place[0] - points
    shade = 0.3 + 0.7 * (to_lamp @ normal) / to_lamp.norm(dim=3)
    torch.testing.assert_close(found.opacity, torch.ones_like(found.opacity))
    torch.testing.assert_close(found.image, shade[..., None] * torch.tensor([1, 0.5, 0.25]), rtol=0, atol=2e-3)
    torch.testing.assert_close(found.normals, normal.expand(1, 4, 4, 3))
    plain = render(slab((0.0, -1.0, 0.0)), cameras, 4, 4, 2000, light=Light(place, diffuse, plain=True)).image
    torch.testing.assert_close(plain, found.image[..., :1].expand_as(plain))


def test_what_is_turned_away_from_the_lamp_keeps_what_is_not_diffuse():
    cameras, behind = orbit(torch.tensor([0.3, 0.3]).double(), 0.2, 4.0, 0.15), torch.tensor([[0.0, 5.0, 0.0]] * 2)
    light = Light(behind.double(), torch.tensor([0.7, 0.0]).double())
    image = render(slab((0.0, -1.0, 0.0)), cameras, 4, 4, 200, light=light).image
    torch.testing.assert_close(image[:, 0, 0, 0], torch.tensor([0.3, 1.0]).double())


def test_normals_that_look_along_the_ray_are_counted_as_away_and_density_is_not_moved_by_it():
    cameras = orbit(torch.tensor([0.0]).double(), 0.0, 4.0, 0.1)
    density = torch.tensor(2.0, requires_grad=True)
    for facing, share in (((0.0, 0.8, 0.6), 0.64), ((0.0, -0.8, 0.6), 0.0)):
        field = Told(lambda points: density * torch.ones_like(points[:, 0]), facing=facing)
        found = render(field, cameras, 3, 3, 20, normals=True)
        assert found.away[0, 1, 1].item() == pytest.approx(share * found.opacity[0, 1, 1].item())
        (moved,) = torch.autograd.grad(found.opacity.sum(), density)
        assert moved > 0 and not found.away.requires_grad  # these normals have no gradient of their own


# --- A grid of voxels before cameras


def lopsided(resolution=9, seed=0):
    """A soft random grid, unlike itself in every mirror and turn."""
    grid = VoxelGrid(resolution, 0.8, Blob(2.0, 0.5))
    grid.raw.data = torch.randn(grid.raw.shape, generator=torch.Generator().manual_seed(seed)) * 2
    return grid


def test_a_quarter_turn_of_the_grid_and_of_the_camera_is_no_change():
    grid, turned = lopsided(), lopsided()
    turned.raw.data = grid.raw.data.flip(1).transpose(0, 1).contiguous()  # (x, y) -> (-y, x)
    here = orbit(torch.tensor([0.3, 2.0]), 0.4, 2.5, 0.7, aspect=WIDTH / HEIGHT)
    there = orbit(torch.tensor([0.3, 2.0]) + math.pi / 2, 0.4, 2.5, 0.7, aspect=WIDTH / HEIGHT)
    lamp = torch.tensor([[1.0, -2.0, 1.5]] * 2)
    light, moved = (
        Light(place, torch.full((2,), 0.6)) for place in (lamp, lamp[:, [1, 0, 2]] * torch.tensor([-1, 1, 1]))
    )
    one = render(grid, here, HEIGHT, WIDTH, 24, light=light)
    other = render(turned, there, HEIGHT, WIDTH, 24, light=moved)
    torch.testing.assert_close(one.image, other.image, rtol=0, atol=2e-5)
    torch.testing.assert_close(one.normals[..., 2], other.normals[..., 2], rtol=0, atol=2e-5)
    still = render(grid, there, HEIGHT, WIDTH, 24, light=moved)
    assert (still.image - one.image).abs().mean() > 0.02, "it must be lopsided"


def test_pictures_of_any_grid_are_within_0_and_1():
    grid = lopsided()
    grid.raw.data *= 30
    light = Light(torch.tensor([[1.0, -2.0, 1.5]]), torch.ones(1))
    image = render(grid, orbit(torch.zeros(1), 0.4, 2.0, 0.7), 6, 6, 24, background=1.0, light=light).image
    assert image.min() >= 0 and image.max() <= 1 + 1e-6


def test_the_gradient_of_a_picture_is_right_all_the_way_to_the_grid():
    grid = lopsided(3).double()
    cameras = orbit(torch.tensor([0.3]).double(), 0.4, 2.5, 0.7)
    light = Light(torch.tensor([[1.0, -2.0, 1.5]]).double(), torch.full((1,), 0.6).double())

    def picture(raw):
        with torch.no_grad():  # a parameter is a leaf: what is to be checked takes its place
            del grid._parameters["raw"]
        grid._parameters["raw"] = raw
        found = render(grid, cameras, 2, 3, 5, light=light)
        return found.image, found.opacity, found.depth, found.normals

    assert torch.autograd.gradcheck(picture, grid.raw.detach().clone().requires_grad_(), fast_mode=True)


def test_what_a_grid_leaves_out_is_not_missed_in_its_picture_whatever_its_radius():
    grid = VoxelGrid(12, 0.4, Blob(0.0, 1.0))
    grid.raw.data[..., 0] = -20
    grid.raw.data[:2, 9:, 9:, 0] = 3
    cameras = orbit(torch.tensor([0.3, 2.0]), 0.4, 1.25, 0.7)
    before = render(grid, cameras, 12, 12, 24)
    grid.refresh()
    after = render(grid, cameras, 12, 12, 24)
    assert grid.cells.float().mean() < 0.2 and before.opacity.max() > 0.3
    torch.testing.assert_close(after.opacity, before.opacity, rtol=0, atol=1e-3)


def truth() -> VoxelGrid:
    """A red ball, a green bar and a blue corner on no common axis."""
    grid = VoxelGrid(33)
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, 33)] * 3, indexing="ij")
    solids = [
        (0.35 - torch.stack([x - 0.3, y + 0.2, z - 0.25]).norm(dim=0), (3.0, -3.0, -2.0)),
        (0.2 - torch.stack([(x + 0.2) / 3, y - 0.1, z + 0.3]).abs().amax(dim=0), (-3.0, 2.0, -3.0)),
        (0.25 - torch.stack([x + 0.4, y + 0.4, z - 0.3]).abs().sum(dim=0), (-2.0, -3.0, 3.0)),
    ]
    inside = torch.stack([distance for distance, _ in solids])
    blob = 10 * (1 - torch.stack([x, y, z]).norm(dim=0) / 0.5)
    grid.raw.data[..., 0] = (60 * inside.amax(dim=0)).clamp(-12, 12) - blob
    grid.raw.data[..., 1:] = torch.tensor([colour for _, colour in solids])[inside.argmax(dim=0)]
    return grid


def test_a_grid_fitted_to_pictures_of_another_shows_the_same_from_where_none_was_taken():
    generator = torch.Generator().manual_seed(0)
    asked = torch.Generator().manual_seed(1)
    known, grid = truth(), VoxelGrid(25)
    optimiser = torch.optim.Adam([grid.raw], lr=0.25)
    for step in range(150):
        azimuth = torch.rand(1, generator=generator) * 2 * math.pi + torch.arange(4) * math.pi / 2
        cameras = orbit(azimuth, torch.rand(1, generator=generator) - 0.2, 3.0, 0.75)
        background = torch.rand(3, generator=generator)
        with torch.no_grad():
            wanted = render(known, cameras, 24, 24, 32, background)
        found = render(grid, cameras, 24, 24, 32, background, generator=asked)
        loss = (found.image - wanted.image).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 20 == 10:
            grid.refresh()
    cameras = orbit(torch.arange(8) * math.pi / 4 + 0.3, 0.25, 3.0, 0.75)
    with torch.no_grad():
        error = (render(grid, cameras, 24, 24, 64).image - render(known, cameras, 24, 24, 64).image).square().mean()
    assert -10 * error.log10() >= 30
