"""kernels.rasterize: which triangle a pixel sees, against the definition, ray casters and closed forms."""

import functools
from collections.abc import Callable

import numba
import numpy as np
import pytest
import torch

from kernels import cuda
from kernels.rasterize import Fragments, rasterize, rasterize_reference
from tests.learned import scenes


def by_warp(positions, faces, height, width):
    with cuda.warp_everywhere():
        return rasterize(positions, faces, height, width)


FAST = {"numba": rasterize, "warp": by_warp}
VERSIONS = {"reference": rasterize_reference, **FAST}


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS)
def version(request) -> Callable[..., Fragments]:
    return request.param


@pytest.fixture(params=FAST.values(), ids=FAST)
def fast(request) -> Callable[..., Fragments]:
    return request.param


@functools.cache
def definition(scene: Callable[[], scenes.Scene], height: int, width: int) -> Fragments:
    return rasterize_reference(*scene(), height, width)


def centres(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x and y of the pixels, (height, width) each, in float64."""
    y = 1 - (torch.arange(height).double() + 0.5) * 2 / height
    x = (torch.arange(width).double() + 0.5) * 2 / width - 1
    return torch.meshgrid(y, x, indexing="ij")[::-1]


def flat(*corners, z=0.0) -> torch.Tensor:
    """One view of vertices at (x, y), all as deep."""
    return torch.tensor([[[x, y, z, 1] for x, y in corners]], dtype=torch.float32)


ONE = torch.tensor([[0, 1, 2]], dtype=torch.int32)
FILLING = flat((-1, -1), (3, -1), (-1, 3))  # one triangle over the whole picture


@pytest.mark.parametrize("scene", [scenes.ball, scenes.ring, scenes.soup, scenes.inside])
@pytest.mark.parametrize(("height", "width"), [(40, 56), (17, 33), (1, 1), (9, 1)])
def test_every_version_is_the_definition(fast, scene, height, width):
    expected, found = definition(scene, height, width), fast(*scene(), height, width)
    assert torch.equal(found.triangle, expected.triangle)
    torch.testing.assert_close(found.barycentrics, expected.barycentrics.float(), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.depth, expected.depth.float(), rtol=0, atol=1e-6)


def test_in_float64_barycentrics_and_depth_are_the_definitions_to_the_last_digits():
    positions, faces = scenes.soup()
    positions = positions.double() + 1e-9 * torch.rand(positions.shape, generator=torch.Generator().manual_seed(0))
    expected, found = rasterize_reference(positions, faces, 40, 56), rasterize(positions, faces, 40, 56)
    assert torch.equal(found.triangle, expected.triangle)
    assert found.depth.dtype == found.barycentrics.dtype == torch.float64
    torch.testing.assert_close(found.barycentrics, expected.barycentrics, rtol=0, atol=1e-11)
    torch.testing.assert_close(found.depth, expected.depth, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scene", [scenes.ball, scenes.ring, scenes.soup, scenes.inside])
def test_the_weighted_corners_lie_behind_the_pixels_centre_at_its_depth(version, scene):
    positions, faces = scene()
    triangle, barycentrics, depth = version(positions, faces, 24, 36)
    views, rows, columns = torch.nonzero(triangle >= 0, as_tuple=True)
    at = (views, rows, columns)
    corners = positions[views[:, None], faces[triangle[at].long()].long()].double()
    point = torch.einsum("nk,nkc->nc", barycentrics[at].double(), corners)
    x, y = centres(24, 36)
    pixel = torch.stack([x[rows, columns], y[rows, columns], depth[at].double()], dim=1)
    assert len(at[0]) > 100
    assert (point[:, 3] > 0).all()
    torch.testing.assert_close(point[:, :3] / point[:, 3:], pixel, rtol=0, atol=2e-5)
    torch.testing.assert_close(barycentrics[at].sum(dim=1), torch.ones_like(depth[at]))
    assert (barycentrics[at] >= 0).all()


def test_a_pixel_that_sees_nothing_holds_minus_one_and_zeros(version):
    triangle, barycentrics, depth = version(flat((-1, 1), (0, 1), (-1, 0), z=0.5), ONE, 8, 8)
    nothing = triangle < 0
    assert 0 < nothing.sum() < 64
    assert (triangle[nothing] == -1).all()
    assert (barycentrics[nothing] == 0).all() and (depth[nothing] == 0).all()
    assert (depth[~nothing] == 0.5).all()


def test_row_0_is_the_top_and_x_points_right(version):
    upper_left = version(flat((-1, 1), (-0.4, 1), (-1, 0.4)), ONE, 4, 6).triangle[0]
    expected = torch.full((4, 6), -1, dtype=torch.int32)
    expected[0, 0] = 0
    assert torch.equal(upper_left, expected)


def test_barycentrics_are_correct_in_perspective(version):
    # an edge of w 1 and one of w 3: half way across the picture is a quarter of the way along
    positions = torch.tensor([[[-1.0, -1, 0, 1], [3, -3, 0, 3], [-1, 1, 0, 1], [3, 3, 0, 3]]])
    found = version(positions, torch.tensor([[0, 1, 2], [3, 2, 1]]), 31, 31)
    x, _ = centres(31, 31)
    along = (x + 1) / (x + 1 + 3 * (1 - x))
    far = torch.where(found.triangle == 0, found.barycentrics[..., 1], 1 - found.barycentrics[..., 1])
    torch.testing.assert_close(far[0].double(), along, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(100, 70), (64, 64), (5, 130)])
def test_large_triangles_fill_the_picture_with_their_plane(fast, shape):
    positions = torch.tensor([[[-2.0, -2, -0.9, 2], [1, -1, 0.1, 1], [-1, 1, 0.3, 1], [1.5, 1.5, 1.275, 1.5]]])
    found = fast(positions, torch.tensor([[0, 1, 2], [1, 2, 3]]), *shape)
    x, y = centres(*shape)
    torch.testing.assert_close(found.depth[0].double(), 0.2 + 0.275 * x + 0.375 * y, rtol=0, atol=1e-6)
    assert torch.equal(found.triangle[0] == 0, x + y <= 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_of_triangles_at_one_depth_the_first_is_seen(version, order):
    nearer_twice = torch.cat([flat((-1, -1), (3, -1), (-1, 3), z=z) for z in (0.25, -0.25)], dim=1)
    faces = torch.tensor([[0, 1, 2], [3 + order[0], 3 + order[1], 3 + order[2]], [3, 4, 5]])
    assert (version(nearer_twice, faces, 6, 6).triangle == 1).all()


def test_back_faces_are_seen_as_front_faces_are(version):
    positions, faces = scenes.ring()
    front, back = version(positions, faces, 20, 20), version(positions, faces[:, [0, 2, 1]], 20, 20)
    assert torch.equal(front.triangle, back.triangle)
    torch.testing.assert_close(front.barycentrics, back.barycentrics[..., [0, 2, 1]])


def test_corners_may_be_scaled_by_powers_of_two(version):
    positions, faces = scenes.soup()
    scale = 2.0 ** torch.randint(-8, 9, (*positions.shape[:2], 1), generator=torch.Generator().manual_seed(1))
    plain, scaled = version(positions, faces, 24, 24), version(positions * scale, faces, 24, 24)
    assert torch.equal(plain.triangle, scaled.triangle)
    torch.testing.assert_close(plain.depth, scaled.depth)


@pytest.mark.parametrize("exponent", [-400, 360])
def test_a_view_may_be_scaled_beyond_the_square_root_of_float64s_range(exponent):
    positions, faces = scenes.soup()
    positions = positions.double()
    scale = torch.tensor([2.0**exponent, 1.0], dtype=torch.float64)[:, None, None]
    for function in (rasterize, rasterize_reference):
        plain, scaled = function(positions, faces, 24, 24), function(positions * scale, faces, 24, 24)
        assert all(torch.equal(a, b) for a, b in zip(plain, scaled, strict=True))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_view_may_be_scaled_by_anything_in_float32s_range(version, scale):
    positions, faces = scenes.soup()
    plain, scaled = version(positions, faces, 24, 24), version(positions * scale, faces, 24, 24)
    assert (plain.triangle == scaled.triangle).float().mean() > 0.995
    assert scaled.depth.isfinite().all()


def test_what_lies_before_the_near_and_behind_the_far_plane_is_cut_away(version):
    slope = FILLING.clone()
    slope[0, :, 2] = torch.tensor([-2.0, 6, -2])  # z/w is 2 x over the picture
    found = version(slope, ONE, 10, 10)
    x, _ = centres(10, 10)
    assert torch.equal(found.triangle[0] == 0, x.abs() <= 0.5)
    assert (version(FILLING + torch.tensor([0, 0, 1.0, 0]), ONE, 4, 4).triangle == 0).all()  # on the far plane
    assert (version(FILLING - torch.tensor([0, 0, 1.0, 0]), ONE, 4, 4).triangle == 0).all()  # on the near plane


def test_a_triangle_that_reaches_behind_the_eye_is_seen_where_it_lies_before_it(version):
    # a floor at height -1 that begins behind the eye and ends at distance 4: its end projects to y = -1/4
    floor = torch.tensor([[[-9.0, -1, 0, -2], [9, -1, 0, -2], [0, -1, 0, 4]]])
    seen = version(floor, ONE, 16, 16).triangle[0] == 0
    x, y = centres(16, 16)
    w = -1 / y
    expected = (y < 0) & (w <= 4) & ((x * w).abs() <= 9 * (4 - w) / 6)
    assert expected.any()
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("seed", range(4))
def test_triangles_about_the_eye_are_seen_as_by_the_definition(fast, seed):
    # most of them have one or two corners behind the eye, some exactly beside it
    generator = torch.Generator().manual_seed(seed)
    positions = torch.randn(2, 120, 4, generator=generator) * torch.tensor([3.0, 3.0, 0.5, 1.0])
    positions[:, ::7, 3] = 0
    positions[:, ::5, seed % 2] = 0
    faces = torch.arange(120).view(-1, 3)
    expected, found = rasterize_reference(positions, faces, 23, 31), fast(positions, faces, 23, 31)
    assert len(expected.triangle.unique()) > 8
    assert torch.equal(found.triangle, expected.triangle)


def test_from_within_a_closed_surface_every_pixel_sees_it(version):
    assert (version(*scenes.inside(), 40, 40).triangle >= 0).all()


@pytest.mark.parametrize(
    "positions",
    [
        FILLING * torch.tensor([1, 1, 1, -1]),  # behind the eye
        FILLING + torch.tensor([5.0, 0, 0, 0]),  # beside the picture
        FILLING - torch.tensor([0, 9.0, 0, 0]),
        FILLING + torch.tensor([0, 0, 1.5, 0]),  # behind the far plane
        flat((0.25, 0.25), (0.25, 0.25), (0.25, 0.25)),  # a point on a pixel's centre
        flat((-0.75, -0.75), (-0.75, -0.75), (0.75, 0.75)),  # a segment through pixels' centres
        flat((-0.75, -0.75), (0.75, 0.75), (0.25, 0.25)),
        flat((0.75, 0.1), (0.75, 0.1), (-0.3, 0.77)),
        flat((0.3, 0.3), (0.4, 0.3), (0.3, 0.4)),  # between the pixels' centres
        torch.tensor([[[0.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]]),  # at infinity
        torch.zeros(1, 3, 4),
    ],
)
def test_what_cannot_be_seen_leaves_the_picture_empty(version, positions):
    assert (version(positions, ONE, 4, 4).triangle == -1).all()
    assert all((version(positions, ONE, 4, 4)[part] == 0).all() for part in (1, 2))


def test_a_corner_used_twice_is_not_seen_though_rounding_gives_the_triangle_a_volume(version):
    # its edge runs through pixels' centres, where all three edge functions are zero and det is 6e-17
    corner, end = (
        [-0.1979384422302246, 0.1979384422302246, 0, 0.5278358459472656],
        [-2.510074138641357, -1.792910099029541],
    )
    positions = torch.tensor([[corner, corner, [*end, 0, 2.8686561584472656]]])
    found = version(positions, ONE, 8, 8)
    assert (found.triangle == -1).all() and (found.barycentrics == 0).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("jitter", [0.0, 0.45])
def test_a_mesh_of_shared_edges_has_no_crack(fast, seed, jitter):
    # vertices of a third of the cells lie on pixels' centres, edges run through many; each has a w of its own
    side, cells = 64, 48
    rng = np.random.default_rng(seed)
    grid = (np.stack(np.meshgrid(np.arange(cells + 1), np.arange(cells + 1)), axis=-1) - cells / 2) * (3 / side)
    grid += 1 / side
    grid[::3, ::3] += jitter / side * rng.normal(size=grid[::3, ::3].shape)
    grid[1::3] += jitter / side * rng.normal(size=grid[1::3].shape)
    w = 2.0 ** rng.integers(-3, 4, (cells + 1) ** 2) if jitter == 0 else rng.uniform(0.5, 3, (cells + 1) ** 2)
    positions = torch.tensor(np.column_stack([grid.reshape(-1, 2) * w[:, None], 0 * w, w]))[None].float()
    corner = np.arange(cells * (cells + 1)).reshape(cells, cells + 1)[:, :-1].ravel()
    quads = np.column_stack([corner, corner + 1, corner + cells + 1, corner + cells + 2])
    lower = np.where(rng.random((len(quads), 1)) < 0.5, quads[:, [0, 1, 2]], quads[:, [2, 1, 0]])
    faces = torch.from_numpy(np.concatenate([lower, quads[:, [1, 3, 2]]])[rng.permutation(2 * len(quads))])
    assert (fast(positions, faces, side, side).triangle >= 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pixel_on_a_shared_edge_is_not_lost_however_its_functions_round(dtype):
    # 2000 views of two triangles, whose edge runs through a pixel's centre, from any corner to any other
    rng = np.random.default_rng(0)
    count, side = 2000, 8
    row, column = rng.integers(2, 6, (2, count))
    centre = np.stack([(2 * column + 1) / side - 1, 1 - (2 * row + 1) / side], axis=1)
    angle, back, ahead = rng.uniform(0, 2 * np.pi, count), *rng.uniform(0.3, 1, (2, count, 1))
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    corners = np.stack([centre - back * along, centre + ahead * along, centre + across, centre - across], axis=1)
    w = rng.uniform(0.3, 3, (count, 4, 1))
    positions = np.concatenate([corners * w, 0 * w, w], axis=2)
    for order in ([0, 1, 2, 3], [1, 0, 2, 3]):
        for shift in range(3):
            faces = np.stack([np.roll([order[0], order[1], 2], shift), [0, 1, 3]])
            found = rasterize(torch.from_numpy(positions).to(dtype), torch.from_numpy(faces), side, side)
            assert (found.triangle[torch.arange(count), row, column] >= 0).all()


def test_more_triangles_than_16_bits_count(fast):
    # a cell a pixel, cut through the pixel's centre: the first of its two triangles is seen
    side = 260
    line = torch.linspace(-1, 1, side + 1, dtype=torch.float64)
    y, x = torch.meshgrid(-line, line, indexing="ij")
    positions = torch.stack([x, y, 0 * x, 1 + 0 * x], dim=-1).reshape(1, -1, 4).float()
    corner = torch.arange(side * (side + 1)).reshape(side, side + 1)[:, :-1].reshape(-1, 1)
    faces = (corner + torch.tensor([[0, 1, side + 1, side + 2, side + 1, 1]])).reshape(-1, 3)
    near = fast(positions, faces, side, side).triangle[0]
    assert torch.equal(near // 2, torch.arange(side * side, dtype=torch.int32).reshape(side, side))


def test_the_number_of_threads_changes_nothing():
    positions, faces = scenes.soup(views=1)
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(rasterize(positions, faces, 37, 29))
    finally:
        numba.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize(("views", "count"), [(0, 4), (3, 0), (0, 0)])
def test_no_views_and_no_triangles(version, views, count):
    found = version(torch.rand(views, 5, 4), torch.zeros(count, 3, dtype=torch.int32), 3, 7)
    assert found.triangle.shape == found.depth.shape == (views, 3, 7)
    assert found.barycentrics.shape == (views, 3, 7, 3)
    assert (found.triangle == -1).all() and (found.depth == 0).all() and (found.barycentrics == 0).all()


def test_strides_and_wide_indices_change_nothing_and_nothing_carries_a_gradient(fast):
    positions, faces = scenes.ball()
    strided = positions.permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    wide = faces.long().T.contiguous().T
    expected, found = fast(positions, faces, 16, 16), fast(strided, wide, 16, 16)
    assert not strided.is_contiguous() and not wide.is_contiguous()
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert not any(part.requires_grad for part in found)
    assert found.triangle.dtype == torch.int32


@pytest.mark.parametrize("scene", [scenes.ball, scenes.ring])
def test_rays_meet_the_same_triangles(fast, scene):
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    positions, faces = scene(views=1)
    # a scene has no eye of its own: in the space of x, y, w the eye is the origin and a pixel's ray is (x, y, 1)
    corners = positions[0][:, [0, 1, 3]].numpy()[faces.numpy()]
    tree = EmbreeScene()
    TriangleMesh(tree, corners)
    x, y = centres(64, 64)
    rays = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3).float().numpy()
    hits = torch.from_numpy(tree.run(np.zeros_like(rays), rays)).reshape(1, 64, 64)
    found = fast(positions, faces, 64, 64).triangle
    assert (found >= 0).float().mean() > 0.2
    assert (found == hits).float().mean() > 0.999


@pytest.mark.parametrize("scene", scenes.WHOLE.values(), ids=scenes.WHOLE)
def test_pytorch3d_sees_the_same_triangles(fast, scene):
    renderer = pytest.importorskip("pytorch3d.renderer.mesh.rasterize_meshes")
    from pytorch3d.structures import Meshes

    positions, faces = scene()
    corners = positions[..., :3] / positions[..., 3:]
    # its x points left, and its depths are positive; z/w is linear in the picture, so nothing is left to correct
    corners = corners * torch.tensor([-1, 1, 1]) + torch.tensor([0, 0, 2])
    meshes = Meshes(corners, faces.long().expand(len(corners), -1, -1))
    packed = renderer.rasterize_meshes(meshes, 48, blur_radius=0, faces_per_pixel=1, bin_size=0)[0][..., 0]
    expected = torch.where(packed < 0, -1, packed % len(faces))
    assert torch.equal(fast(positions, faces, 48, 48).triangle.long(), expected)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_nan_and_infinity_are_refused(fast, value):
    positions = FILLING.clone()
    positions[0, 1, 2] = value
    with pytest.raises(ValueError, match="positions holds NaN or infinity"):
        fast(positions, ONE, 4, 4)


@pytest.mark.parametrize("corner", [-1, 3, 2**32])
def test_faces_beyond_the_vertices_are_refused(fast, corner):
    with pytest.raises(ValueError, match=r"faces must lie in 0\.\.2"):
        fast(FILLING, torch.tensor([[0, 1, corner]]), 4, 4)


@pytest.mark.parametrize(
    ("positions", "faces", "height", "width", "complaint"),
    [
        (FILLING, ONE, 0, 4, "height must be"),
        (FILLING, ONE, 4, -1, "width must be"),
        (FILLING, ONE, 2.5, 4, "height must be a whole number"),
        (FILLING, ONE, 4, "4", "width must be a whole number"),
        (FILLING, ONE, True, 4, "height must be a whole number"),
        (FILLING.numpy(), ONE, 4, 4, "positions must be a torch tensor"),
        (FILLING, ONE.numpy(), 4, 4, "faces must be a torch tensor"),
        (FILLING[:, :0], ONE, 4, 4, "faces must be empty"),
        (FILLING, ONE.to("meta"), 4, 4, "faces must lie on cpu"),
        (FILLING.half(), ONE, 4, 4, "positions must be float32"),
        (FILLING[0], ONE, 4, 4, "positions must have the shape"),
        (FILLING[..., :3], ONE, 4, 4, "positions must have the shape"),
        (FILLING, ONE[0], 4, 4, "faces must have the shape"),
        (FILLING, ONE.float(), 4, 4, "faces must be int32 or int64"),
    ],
)
def test_what_is_no_picture_or_no_mesh_is_refused(positions, faces, height, width, complaint):
    with pytest.raises(ValueError, match=complaint):
        rasterize(positions, faces, height, width)
