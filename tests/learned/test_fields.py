"""Fields by themselves: what they are made of, and what they say of themselves."""

import math

import pytest
import torch

from backend.fields import Sparse
from backend.fields.blob import Blob
from backend.fields.celled import FAINT
from backend.fields.hash_grid import HashGrid
from backend.fields.voxels import VoxelGrid
from kernels.march import occupied


def random_points(count, radius=1.0, seed=0):
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * radius


def random_grid(resolution=6, radius=0.8, size=2.0):
    grid = VoxelGrid(resolution, radius)
    grid.raw.data = size * torch.randn(grid.raw.shape, generator=torch.Generator().manual_seed(1))
    return grid


def small(**more):
    return HashGrid(rows=2**9, coarsest=4, finest=64, generator=torch.Generator().manual_seed(0), **more)


@pytest.mark.parametrize("radius", [1.0, 0.25])
def test_a_new_field_is_the_blob_of_the_paper_in_its_cube_and_nothing_outside(radius):
    points = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, 0.4], [0.0, -1.0, 0.0]]) * radius
    outside = torch.cat([torch.eye(3), -torch.eye(3)]) * 1.01 * radius
    density = VoxelGrid(5, radius)(torch.cat([points, outside])).density
    want = [math.log1p(math.exp(10 * (1 - distance / 0.5))) / radius for distance in (0, 0.5, 1)]
    torch.testing.assert_close(density, torch.tensor([*want, *[0.0] * 6]), rtol=1e-5, atol=0)


def test_in_the_blob_s_middle_the_density_has_a_slope_that_is_a_number():
    middle = torch.zeros(1, 3, requires_grad=True)
    random_grid()(middle).density.sum().backward()
    assert middle.grad.isfinite().all()


def test_at_a_sample_the_grid_is_what_the_sample_says():
    grid = random_grid()
    i, j, k = 4, 1, 2
    place = torch.tensor([i, j, k]) / 5 * 2 - 1
    sample = grid(0.8 * place[None])
    raw = grid.raw[i, j, k]
    density = torch.log1p(torch.exp(raw[0] + 10 * (1 - place.norm() / 0.5))) / 0.8
    torch.testing.assert_close(sample.density[0], density, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(sample.colour[0], raw[1:].sigmoid())


def test_points_may_be_of_any_float_type_and_the_answer_is_of_the_grid_s():
    grid, points = random_grid(), random_points(9, 0.8)
    one, other = grid(points), grid(points.double())
    assert other.density.dtype == torch.float32
    torch.testing.assert_close(one.density, other.density)


@pytest.mark.parametrize("resolution", [5, 9])
def test_total_variation_is_the_height_of_a_ramp_at_any_resolution(resolution):
    grid, ramp = VoxelGrid(resolution), torch.linspace(0, 1, resolution)
    grid.raw.data[..., 0] = 3 * ramp[:, None, None] - 2 * ramp
    grid.raw.data[..., 2] = -6 * ramp[:, None]
    torch.testing.assert_close(grid.total_variation(), torch.tensor([5.0, 2.0]))


# --- Empty space


@pytest.mark.parametrize(
    "grown", [lambda: random_grid(12, size=0.5), lambda: small(radius=0.8)], ids=["voxels", "hash"]
)
def test_only_what_has_no_density_worth_the_name_is_left_out_and_then_it_has_none(grown):
    grid, points = grown(), random_points(20_000, 0.8)
    before = grid(points).density
    assert grid.cells.all()
    grid.refresh()
    there, after = occupied(points, grid.cells, 0.8), grid(points).density
    assert 0.1 < there.float().mean() < 0.9
    assert there[before * 2 * 0.8 > FAINT].all()
    assert torch.equal(after, torch.where(there, before, 0))


@pytest.mark.parametrize("radius", [1.0, 0.3])
def test_a_cell_is_worth_the_name_that_hides_more_than_the_share_along_the_cube_s_side(radius):
    """exp(-softplus(raw) / radius times the side) is 1 - FAINT, but for FAINT's square."""
    grid, raw = VoxelGrid(4, radius, Blob(0.0, 1.0)), math.log(math.expm1(FAINT / 2))
    for beside in (0.05, -0.05):
        grid.raw.data[..., 0] = raw + beside
        grid.refresh()
        assert grid.cells.all() if beside > 0 else not grid.cells.any()


def test_a_cell_that_is_left_out_has_no_gradient_and_one_beside_matter_has():
    grid = VoxelGrid(9, blob=Blob(0.0, 1.0))
    grid.raw.data[..., 0] = -20
    grid.raw.data[4, 4, 4, 0] = 5
    grid.refresh()
    assert grid.cells.sum() == 4**3 and grid.cells[2:6, 2:6, 2:6].all()  # the eight that touch it, and all about them
    grid(random_points(5000)).density.sum().backward()
    touched = grid.raw.grad[..., 0] != 0
    assert touched[2:7, 2:7, 2:7].all() and touched.sum() == 5**3


def test_what_is_left_out_is_saved_and_loaded_with_the_grid():
    grid, points = random_grid(12, size=0.5), random_points(500, 0.8)
    grid.refresh()
    other = VoxelGrid(12, 0.8)
    other.load_state_dict(grid.state_dict())
    assert torch.equal(other(points).density, grid(points).density)
    assert not occupied(points, other.cells, 0.8).all()


def test_fields_say_what_they_can_do():
    assert isinstance(VoxelGrid(2), Sparse) and isinstance(small(), Sparse)


@pytest.mark.parametrize("resolution", [1, 0])
def test_a_grid_without_a_cell_is_refused(resolution):
    with pytest.raises(ValueError, match="at least 2 samples"):
        VoxelGrid(resolution)


# --- Which way it faces


def slopes(field, points):
    """Against the density's slope, by differences."""
    steps = torch.eye(3, dtype=points.dtype) * 1e-4 * field.radius
    slope = [(field(points - step).density - field(points + step).density).detach() for step in steps]
    return torch.nn.functional.normalize(torch.stack(slope, dim=1), dim=1)


def test_a_grid_faces_against_the_slope_of_its_density():
    grid = VoxelGrid(65, 0.8).double()
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, 65).double()] * 3, indexing="ij")
    grid.raw.data[..., 0] = 8 * (2 * x + y).sin() + 12 * z * x
    points = random_points(500, 0.45).double()
    sample, normals = grid.facing(points)
    torch.testing.assert_close(sample.density, grid(points).density)
    assert (normals * slopes(grid, points)).sum(dim=1).min() > math.cos(math.radians(3))
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(500).double())


def test_a_hash_grid_faces_against_the_slope_of_its_density_and_learns_from_it():
    field = small().double()
    field.tables.data.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(2))
    points = random_points(200, 0.6).double()
    sample, normals = field.facing(points)
    torch.testing.assert_close(sample.density, field(points).density)
    agree = (normals * slopes(field, points)).sum(dim=1)
    assert agree.median() > 0.9999 and (agree > 0.99).double().mean() > 0.95  # differences may cross a cell's wall

    table, column = field.tables, 1
    (gradient,) = torch.autograd.grad(normals[:, 0].sum(), [table])
    row = int(gradient.abs().sum(dim=1).argmax())
    there = []
    for step in (-1e-5, 1e-5):
        table.data[row, column] += step
        there.append(field.facing(points)[1][:, 0].sum().item())
        table.data[row, column] -= step
    assert gradient[row, column].item() == pytest.approx((there[1] - there[0]) / 2e-5, rel=1e-3)
    with torch.no_grad():
        assert not field.facing(points)[1].requires_grad


def test_a_frozen_hash_grid_faces_as_before():
    field, points = small(), random_points(20, 0.6)
    want = field.facing(points)[1]
    assert torch.equal(field.requires_grad_(False).facing(points)[1], want)


# --- The hash grid


def test_a_hash_grid_of_the_paper_s_sizes():
    field = HashGrid()
    assert (field.sizes[0], field.sizes[-1], len(field.sizes)) == (16, 4096, 16)
    assert field.sizes[1] + 1 == 24 and len(field.tables) == sum(min((n + 1) ** 3, 2**19) for n in field.sizes)
    assert [tuple(layer.weight.shape) for layer in (field.density[0], field.colour[2])] == [(64, 32), (3, 64)]


def test_a_hash_grid_learns_a_picture_of_space():
    field, generator = small(), torch.Generator().manual_seed(3)
    optimiser = torch.optim.Adam(field.parameters(), lr=0.02)
    for _ in range(50):
        points = torch.rand(256, 3, generator=generator) * 2 - 1
        stripes = (3 * points[:, :1] + torch.tensor([0.0, 1.0, 2.0]) * points[:, 2:]).sin() / 2 + 0.5
        loss = (field(points).colour - stripes).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.02  # 0.12 at first


def test_what_a_hash_grid_left_out_comes_back_with_its_density_and_goes_a_while_after_it():
    field = small()
    full, empty = Blob(-5.0, 1e9), Blob(-20.0, 1e9)  # as dense everywhere: 0.0134 along the cube's side, and nothing
    field.blob = empty
    field.refresh()
    assert not field.cells.any()
    field.blob = full
    field.refresh()
    assert field.cells.all()
    field.blob = empty
    for _ in range(5):  # 0.95^6 of it are less than FAINT
        field.refresh()
    assert field.cells.all()
    field.refresh()
    assert not field.cells.any()


def test_a_hash_grid_asks_in_all_of_a_cell_in_time(monkeypatch):
    """What is as thin as an eighth of a cell is found."""
    field, found = small(), []
    monkeypatch.setattr(field, "_density", lambda places, _: (found.append(places), torch.zeros(len(places)))[1])
    for _ in range(64):
        field.refresh()
    within = (torch.stack(found)[:, 0] + 1) / 2 * len(field.cells)  # (64, 3), of the first cell
    assert within.min() >= 0 and within.max() <= 1
    for axis in within.T:
        assert axis.sort().values.diff().max() < 1 / 8
    # Not along a line: the three ways have nothing to do with each other.
    assert (torch.corrcoef(within.T) - torch.eye(3)).abs().max() < 0.2


def test_what_a_hash_grid_leaves_out_is_saved_and_loaded_with_it():
    field, other = small(), small()
    field.refresh()
    other.load_state_dict(field.state_dict())
    points = random_points(500)
    assert torch.equal(other(points).density, field(points).density)
    for each in (field, other):
        each.refresh()
    assert torch.equal(other._most, field._most)


def test_rows_that_no_mask_of_bits_can_cut_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        HashGrid(rows=1000)
