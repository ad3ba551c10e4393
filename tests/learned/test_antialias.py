"""Blending along outlines, against its definition, box-filtered pictures, and finite differences of what is drawn."""

import itertools
import math
from contextlib import nullcontext

import numba
import pytest
import torch

from kernels import cuda
from kernels.antialias import antialias, antialias_reference
from kernels.interpolate import interpolate
from kernels.rasterize import Fragments, rasterize
from tests.learned import scenes

VERSIONS = {"numba": torch.float64, "numba, single precision": torch.float32, "warp": torch.float32}


@pytest.fixture(params=VERSIONS)
def version(request):
    """The type to compute in, inside of what makes the version be chosen."""
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield VERSIONS[request.param]


def flat(points, height, width):
    """Pixels (column, row, z, w) -> clip space (1, V, 4): where things are told in pixels."""
    column, row, z, w = torch.tensor(points, dtype=torch.float64).T
    return torch.stack([(2 * column / width - 1) * w, (1 - 2 * row / height) * w, z * w, w], dim=-1)[None]


def drawn(positions, faces, height, width, image=None, function=antialias):
    """Antialiased picture of white on black, or of `image`, from fragments of these positions."""
    fragments = rasterize(positions.detach(), faces, height, width)
    if image is None:
        image = interpolate(positions.new_ones(positions.shape[1], 1), positions, faces, fragments)
    return function(image, positions, faces, fragments)


def globe(rings=8, views=2):
    """A bumpy closed surface seen in perspective from all around; at its poles one corner of each triangle twice."""
    theta = torch.linspace(0, math.pi, rings + 1, dtype=torch.float64)[:, None]
    phi = torch.arange(2 * rings, dtype=torch.float64) * math.pi / rings
    radius = 1 + 0.15 * torch.sin(3 * theta) * torch.cos(2 * phi)
    x, y, z = theta.sin() * phi.cos(), theta.cos() + 0 * phi, theta.sin() * phi.sin()
    points = (radius[..., None] * torch.stack([x, y, z], dim=-1)).view(-1, 3)
    index = torch.arange(len(points)).view(rings + 1, -1)
    index[0], index[-1] = index[0, 0], index[-1, 0]
    a, b = index, index.roll(-1, dims=1)
    faces = torch.cat([torch.stack(t, dim=-1).view(-1, 3) for t in ((a[:-1], a[1:], b[1:]), (a[:-1], b[1:], b[:-1]))])
    turn = torch.arange(views, dtype=torch.float64)[:, None] * 2
    x = points[:, 0] * turn.cos() - points[:, 2] * turn.sin()
    z = points[:, 0] * turn.sin() + points[:, 2] * turn.cos()
    w = 3.0 - z
    return torch.stack([2 * x, 2 * points[:, 1].expand_as(x), w - 1, w], dim=-1), faces.int()


def fold():
    """Three leaves hinged on one edge, and a strip folded back under itself so that both sides face away from it."""
    points = [
        (3.3, 4.2, 0.2, 1.0), (5.1, 19.4, 0.1, 1.3), (12.2, 9.7, 0.0, 0.8), (10.4, 15.1, -0.3, 1.1),
        (1.2, 11.3, 0.3, 0.9), (15.3, 3.1, 0.3, 1.0), (23.2, 8.9, -0.1, 1.2), (14.1, 13.3, 0.1, 0.9),
        (17.8, 18.8, 0.5, 1.0),
    ]  # fmt: skip
    faces = [(0, 1, 2), (1, 0, 3), (0, 1, 4), (5, 6, 7), (8, 6, 5)]
    return flat(points, 24, 26), torch.tensor(faces, dtype=torch.int32)


def doubled(scene):
    positions, faces = scene()
    return positions.double(), faces


SCENES = {
    "soup": lambda: doubled(scenes.soup),
    "ring": lambda: doubled(scenes.ring),
    "globe": globe,
    "fine globe": lambda: globe(rings=20),
    "fold": fold,
}


@pytest.mark.parametrize("scene", SCENES)
def test_every_version_is_its_definition_in_value_and_gradient(version, scene):
    positions, faces = SCENES[scene]()
    generator = torch.Generator().manual_seed(1)
    fragments = rasterize(positions.to(version), faces, 24, 26)
    image, weight = torch.randn(2, len(positions), 24, 26, 3, generator=generator, dtype=torch.float64)
    results = []
    for function, dtype in ((antialias_reference, torch.float64), (antialias, version)):
        floats = [tensor.to(dtype) for tensor in (fragments.barycentrics, fragments.depth)]
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (image, positions)]
        out = function(*inputs, faces, Fragments(fragments.triangle, *floats))
        results.append((out, *torch.autograd.grad(out, inputs, weight.to(dtype))))
    assert (results[0][0] != image).any(dim=-1).sum() > 30  # there are outlines
    tolerance = 1e-11 if version == torch.float64 else 3e-5
    for want, got in zip(*results, strict=True):
        torch.testing.assert_close(got.double(), want, rtol=0, atol=tolerance * want.abs().max().item())


@pytest.mark.parametrize("scene", [scenes.ball, scenes.ring])
def test_vertices_on_lines_of_pixel_centres_are_no_matter_of_the_version(version, scene):
    """An odd picture of a centred object: some vertices have x = 0, but for rounding, in the middle of a column."""
    positions, faces = doubled(scene)
    fragments = rasterize(positions.to(version), faces, 33, 57)
    assert positions[..., 0].abs().min() < 1e-6
    generator = torch.Generator().manual_seed(0)
    image, weight = torch.randn(2, len(positions), 33, 57, 3, generator=generator, dtype=torch.float64)
    results = []
    for function, dtype in ((antialias_reference, torch.float64), (antialias, version)):
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (image, positions)]
        floats = [tensor.to(dtype) for tensor in (fragments.barycentrics, fragments.depth)]
        out = function(*inputs, faces, Fragments(fragments.triangle, *floats))
        results.append((out, *torch.autograd.grad(out, inputs, weight.to(dtype))))
    for want, got in zip(*results, strict=True):
        atol = (1e-11 if version == torch.float64 else 3e-5) * want.abs().max().item()
        torch.testing.assert_close(got.double(), want, rtol=0, atol=atol)


@pytest.mark.parametrize("function", [antialias, antialias_reference])
def test_of_two_slopes_at_a_line_of_pixel_centres_the_gradient_is_the_one_to_the_left(function):
    positions, faces = doubled(scenes.ball)
    fragments = rasterize(positions, faces, 33, 57)
    generator = torch.Generator().manual_seed(0)
    image, weight = torch.randn(2, len(positions), 33, 57, 5, generator=generator, dtype=torch.float64)
    positions.requires_grad_()
    (gradient,) = torch.autograd.grad(function(image, positions, faces, fragments), positions, weight)
    vertex, step = 12, 1e-6  # the uppermost, at x = 0
    with torch.no_grad():
        moved = positions.clone()
        moved[:, vertex, 0] -= step
        change = function(image, positions, faces, fragments) - function(image, moved, faces, fragments)
    slope = (change * weight).sum(dim=(1, 2, 3)) / step
    torch.testing.assert_close(gradient[:, vertex, 0], slope, rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_scale_of_clip_coordinates_changes_nothing_but_the_gradients_scale(version, scale):
    positions, faces = doubled(scenes.ring)
    fragments = rasterize(positions.to(version), faces, 24, 26)
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(len(positions), 24, 26, 3, generator=generator, dtype=torch.float64).to(version)
    results = []
    for size in (1.0, scale):
        scaled = (positions.to(version) * size).requires_grad_()
        out = antialias(image, scaled, faces, fragments)
        results.append((out, torch.autograd.grad(out.square().sum(), scaled)[0] * size))
    assert (results[0][0] != image).any() and results[0][1].any()
    for want, got in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=3e-4 * want.abs().max().item())


def test_the_number_of_threads_does_not_change_a_bit():
    positions, faces = scenes.ring(views=1)
    fragments = rasterize(positions, faces, 45, 44)
    image = torch.rand(1, 45, 44, 3, generator=torch.Generator().manual_seed(0))
    inputs = image.requires_grad_(), positions.requires_grad_()
    before, results = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            out = antialias(*inputs, faces, fragments)
            results.append((out, *torch.autograd.grad(out.square().sum(), inputs)))
    finally:
        numba.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("function", [antialias, antialias_reference])
@pytest.mark.parametrize("scene", ["soup", "ring", "fold"])
def test_the_gradient_is_that_of_the_value_while_the_outlines_stay_between_their_pixels(function, scene):
    positions, faces = SCENES[scene]()
    fragments = rasterize(positions, faces, 12, 13)
    image = torch.rand(len(positions), 12, 13, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = image.requires_grad_(), positions.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda image, positions: function(image, positions, faces, fragments),
        inputs,
        eps=1e-7,
        atol=1e-5,
        fast_mode=True,
    )


@pytest.mark.parametrize("shift", [-0.45, -0.2, 0.0, 0.13, 0.49])
@pytest.mark.parametrize("function", [antialias, antialias_reference])
@pytest.mark.parametrize("upright", [True, False])
def test_a_straight_edge_along_an_axis_is_the_box_filtered_picture(version, function, shift, upright):
    """A half-plane up to column (or row) 5.5 + shift, in perspective."""
    end = 5.5 + shift
    outline = [(-9.0, -9.0), (end, -9.0), (end, 30.0), (-9.0, 30.0)]
    points = [(*(p if upright else p[::-1]), 0.1, 1 + 0.3 * k) for k, p in enumerate(outline)]
    faces = torch.tensor([(0, 1, 2), (0, 2, 3)], dtype=torch.int32)
    got = drawn(flat(points, 10, 12).to(version), faces, 10, 12, function=function)[0, :, :, 0]
    covered = (end - torch.arange(12 if upright else 10, dtype=torch.float64)).clamp(0, 1)
    want = covered.expand(10, 12) if upright else covered[:, None].expand(10, 12)
    torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("function", [antialias, antialias_reference])
@pytest.mark.parametrize("degrees", [0, 20, 44, 46, 70, 90, 130, 200, 290])
def test_brightness_grows_with_the_edges_length_as_it_moves(version, function, degrees):
    """A triangle's side of 32 pixels moves outward by one: its area grows by half of that, whatever the slope."""
    angle = math.radians(degrees)
    along, out = (math.cos(angle), math.sin(angle)), (math.sin(angle), -math.cos(angle))
    middle = (20.2, 20.7)
    corners = [(middle[0] + s * 16 * along[0], middle[1] + s * 16 * along[1], 0.1, 1 + 0.4 * s) for s in (-1, 1)]
    corners.append((middle[0] - 14 * out[0], middle[1] - 14 * out[1], 0.1, 1.2))
    positions = flat(corners, 41, 42).to(version).requires_grad_()
    picture = drawn(positions, torch.tensor([(0, 1, 2)], dtype=torch.int32), 41, 42, function=function)
    (gradient,) = torch.autograd.grad(picture.sum(), positions)
    w = positions[0, :, 3].detach()
    moved = (gradient[0, :2, 0] * out[0] * 2 / 42 - gradient[0, :2, 1] * out[1] * 2 / 41) * w[:2]
    assert moved.sum().item() == pytest.approx(16, rel=0.07)


DIRECTIONS = {"right": (1, 0, 0), "larger": (0, 0, 1), "aslant": (0.6, -0.5, 0.4)}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("scene", ["globe", "fine globe", "few triangles"])
def test_what_is_drawn_changes_as_the_gradient_says(version, scene, direction):
    """Weighted brightness of the whole pipeline, moved and scaled as a whole, against central differences."""
    positions, faces = doubled(lambda: scenes.soup(8)) if scene == "few triangles" else SCENES[scene]()
    positions = positions.to(version)
    size = 128 if scene == "few triangles" else 64  # at a corner of a picture's outline about a pixel of it is lost
    i, j = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    weight = (torch.sin(i / 9.0) + torch.cos(j / 7.0) + 0.02 * j)[None, :, :, None].to(version)

    def brightness(step):
        right, up, larger = (step * part for part in DIRECTIONS[direction])
        x, y, z, w = positions.unbind(dim=-1)
        moved = torch.stack([x * (1 + larger) + right * w, y * (1 + larger) + up * w, z, w], dim=-1)
        return (drawn(moved, faces, size, size) * weight).sum()

    steps = torch.linspace(-0.03, 0.03, 7, dtype=version)
    at = torch.stack([brightness(step) for step in steps])
    slopes = []
    for step in steps:
        step = step.clone().requires_grad_()
        slopes.append(torch.autograd.grad(brightness(step), step)[0])
    change = at[-1] - at[0]
    promised = torch.trapezoid(torch.stack(slopes), steps)
    assert promised.item() == pytest.approx(change.item(), rel=0.03, abs=0.01 * at.abs().max().item())


def test_triangles_smaller_than_a_pixel_do_not_hide_the_outline():
    """The outline of a fine globe is found as that of a coarse one is: along all of it."""
    counts = []
    for rings in (12, 150):
        positions, faces = globe(rings, views=1)
        fragments = rasterize(positions, faces, 32, 32)
        image = (fragments.triangle >= 0)[..., None].double()
        counts.append((antialias(image, positions, faces, fragments) != image).sum().item())
    assert counts[1] == pytest.approx(counts[0], rel=0.1)


def test_edges_within_a_surface_are_left_alone(version):
    """Two triangles of a quad, one colour each: nothing is blended along their diagonal."""
    points = [(-9, -9, 0.1, 1), (30, -9, 0.1, 1.5), (30, 30, 0.1, 0.7), (-9, 30, 0.1, 1)]
    positions = flat(points, 10, 12).to(version)
    faces = torch.tensor([(0, 1, 2), (0, 2, 3)], dtype=torch.int32)
    fragments = rasterize(positions, faces, 10, 12)
    image = fragments.triangle[..., None].to(version)
    assert len(image.unique()) == 2
    assert torch.equal(antialias(image, positions, faces, fragments), image)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_edge_of_three_faces_counts_as_an_outline(version, order):
    """As above, with a third face behind, hinged on the diagonal."""
    points = [(-9, -9.4, 0.1, 1), (30, -9, 0.1, 1.5), (30, 30, 0.1, 0.7), (-9, 30, 0.1, 1), (30, -9, 0.8, 1)]
    positions = flat(points, 10, 12).to(version)
    faces = torch.tensor([(0, 1, 2), (0, 2, 3), (0, 4, 2)], dtype=torch.int32)[list(order)]
    fragments = rasterize(positions, faces, 10, 12)
    image = fragments.triangle[..., None].to(version)
    assert len(image.unique()) == 2
    changed = antialias(image, positions, faces, fragments) != image
    assert changed.sum() >= 9  # the diagonal's crossings of the rows


def test_the_surface_in_front_gives_the_outline_though_the_one_behind_is_nearer_elsewhere():
    """A slanted ground, at one pixel nearer to the eye than the card that stands before it at the next."""
    ground = [(-9, -9, 0.9, 1), (40, -9, -0.9, 1), (40, 30, -0.9, 1), (-9, 30, 0.9, 1)]
    depth = 0.9 - 1.8 * (9 + 5.3) / 49  # of the ground at the card's right end
    card = [
        (-9, -9, depth - 0.001, 1),
        (5.3, -9, depth - 0.001, 1),
        (5.3, 30, depth - 0.001, 1),
        (-9, 30, depth - 0.001, 1),
    ]
    positions = flat(ground + card, 10, 12)
    faces = torch.tensor([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)], dtype=torch.int32)
    fragments = rasterize(positions, faces, 10, 12)
    image = (fragments.triangle >= 2)[..., None].double()
    assert fragments.depth[0, 5, 5] < fragments.depth[0, 5, 4]
    row = antialias(image, positions, faces, fragments)[0, 5, :, 0]
    torch.testing.assert_close(row[3:8], torch.tensor([1, 1, 0.3, 0, 0], dtype=torch.float64))


def test_what_reaches_behind_the_eye_is_left_alone_and_its_gradient_is_finite(version):
    positions = flat([(2.3, 2.1, 0.1, 1), (9.4, 3.3, 0.1, 1), (5, 9, 0.1, -0.01), (1, 2, 0.5, 0)], 10, 12)
    positions = positions.to(version).requires_grad_()
    faces = torch.tensor([(0, 1, 2), (0, 1, 3)], dtype=torch.int32)
    fragments = rasterize(positions.detach(), faces, 10, 12)
    assert (fragments.triangle >= 0).any()
    image = (fragments.triangle >= 0)[..., None].to(version)
    out = antialias(image, positions, faces, fragments)
    assert torch.equal(out, image)
    (gradient,) = torch.autograd.grad(out.sum(), positions)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_only_the_gradient_that_is_wanted_is_made(version):
    positions, faces = SCENES["soup"]()
    positions = positions.to(version)
    fragments = rasterize(positions, faces, 12, 13)
    image = torch.rand(2, 12, 13, 2, dtype=version)
    both = image.clone().requires_grad_(), positions.clone().requires_grad_()
    want = torch.autograd.grad(antialias(*both, faces, fragments).square().sum(), both)
    for k in range(2):
        inputs = [tensor.detach().requires_grad_(k == n) for n, tensor in enumerate(both)]
        antialias(*inputs, faces, fragments).square().sum().backward()
        torch.testing.assert_close(inputs[k].grad, want[k])
        assert inputs[1 - k].grad is None


def test_layout_in_memory_and_the_type_of_faces_do_not_matter(version):
    positions, faces = SCENES["soup"]()
    positions = positions.to(version)
    fragments = rasterize(positions, faces, 12, 13)
    image = torch.rand(2, 12, 13, 2, dtype=version)
    strided = image.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    wide = torch.stack([positions, positions], dim=-1)[..., 0]
    apart = Fragments(*(torch.stack([tensor, tensor], dim=-1)[..., 0] for tensor in fragments))
    assert not any(tensor.is_contiguous() for tensor in (strided, wide, *apart[:1]))
    want = antialias(image, positions, faces, fragments)
    assert torch.equal(antialias(strided, wide, faces.long().T.contiguous().T, apart), want)
    longer = apart._replace(triangle=apart.triangle.long())
    assert torch.equal(antialias(image, positions, faces, longer), want)


@pytest.mark.parametrize(("views", "count"), [(0, 3), (2, 0)])
def test_no_views_and_no_triangles_are_no_trouble(version, views, count):
    positions, faces = torch.zeros(views, 9, 4, dtype=version, requires_grad=True), torch.zeros(count, 3).int()
    image = torch.rand(views, 5, 6, 2, dtype=version, requires_grad=True)
    out = antialias(image, positions, faces, rasterize(positions.detach(), faces, 5, 6))
    assert torch.equal(out, image)
    assert torch.equal(torch.autograd.grad(out.sum(), image)[0], torch.ones_like(image))


def test_what_does_not_fit_is_refused_by_name():
    positions, faces = SCENES["soup"]()
    fragments = rasterize(positions, faces, 5, 6)
    image = torch.zeros(2, 5, 6, 1, dtype=torch.float64)
    bad = positions.clone()
    bad[1, 3, 2] = torch.nan
    refused = {
        "positions holds NaN": (image, bad, faces, fragments),
        "image holds NaN": (image + torch.inf, positions, faces, fragments),
        "image must have the shape": (image[0], positions, faces, fragments),
        "positions must have the shape": (image, positions[:1], faces, fragments),
        "triangle must have the shape": (image[:, :3], positions, faces, fragments),
        "positions .* must be of one type": (image, positions.float(), faces, fragments),
        "faces must lie in": (image, positions, faces + 1, fragments),
        "triangle must lie in": (image, positions, faces[:3], fragments),
        "faces must lie on cpu": (image, positions, faces.to("meta"), fragments),
        "image must be a torch tensor": (image.numpy(), positions, faces, fragments),
    }
    for message, arguments in refused.items():
        with pytest.raises(ValueError, match=message):
            antialias(*arguments)
