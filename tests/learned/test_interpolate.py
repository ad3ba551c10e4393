"""Attributes over what the pixels see, against the definition, closed forms and invariances."""

from contextlib import nullcontext

import pytest
import torch

from kernels import cuda
from kernels.interpolate import interpolate, interpolate_reference
from kernels.rasterize import Fragments, rasterize, rasterize_reference
from tests.learned import scenes

VERSIONS = {"numba": torch.float64, "numba, single precision": torch.float32, "warp": torch.float32}


@pytest.fixture(params=VERSIONS)
def version(request):
    """The type to compute in, inside of what makes the version be chosen."""
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield VERSIONS[request.param]


@pytest.fixture(params=[interpolate, interpolate_reference], ids=["fast", "reference"])
def function(request):
    return request.param


def attributes_of(positions, channels, shared, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (positions.shape[1], channels) if shared else (*positions.shape[:2], channels)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def double(fragments):
    return Fragments(fragments.triangle, fragments.barycentrics.double(), fragments.depth.double())


@pytest.mark.parametrize("channels", [1, 5, 35])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("views", [1, 3, 11])
def test_every_version_is_its_definition_in_value_and_gradient(version, views, shared, channels):
    positions, faces = scenes.ring(views)
    positions, attributes = positions.to(version), attributes_of(positions, channels, shared).to(version)
    fragments = rasterize(positions, faces, 22, 27)
    weight = torch.randn(views, 22, 27, channels, generator=torch.Generator().manual_seed(1)).to(version)
    results = []
    for function, dtype, given in (
        (interpolate_reference, torch.float64, double(fragments)),
        (interpolate, version, fragments),
    ):
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (attributes, positions)]
        out = function(*inputs, faces, given)
        results.append((out, *torch.autograd.grad(out, inputs, weight.to(dtype))))
    for want, got in zip(*results, strict=True):
        assert got.dtype == version
        scale = 1e-12 if version == torch.float64 else 1e-4
        torch.testing.assert_close(got.double(), want, rtol=0, atol=scale * want.abs().max().item())


@pytest.mark.parametrize("scene", ["soup", "ring", "inside"])
def test_the_gradient_is_that_of_the_value(function, scene):
    positions, faces = {**scenes.WHOLE, "inside": scenes.inside}[scene]()
    positions = positions.double()
    fragments = rasterize(positions, faces, 9, 10)
    inputs = attributes_of(positions, 3, shared=scene == "soup").requires_grad_(), positions.requires_grad_()
    assert torch.autograd.gradcheck(lambda *inputs: function(*inputs, faces, fragments), inputs, fast_mode=True)


@pytest.mark.parametrize("scene", ["ball", "soup", "inside"])
def test_the_weights_are_those_of_the_rasteriser(version, scene, function):
    """Each corner's own indicator as attribute gives the barycentrics, also of what reaches behind the eye."""
    positions, faces = {**scenes.WHOLE, "inside": scenes.inside}[scene]()
    positions = positions.to(version)
    corners = positions[:, faces.flatten().long()]  # no vertex belongs to two triangles
    apart = torch.arange(faces.numel(), dtype=torch.int32).view(-1, 3)
    fragments = rasterize(corners, apart, 20, 21)
    seen = fragments.triangle >= 0
    got = function(torch.eye(3, dtype=version).repeat(len(faces), 1), corners, apart, fragments)
    torch.testing.assert_close(got, fragments.barycentrics, rtol=0, atol=2e-4 if version == torch.float32 else 1e-10)
    assert seen.any() and not got[~seen].any()


def test_what_is_linear_in_space_is_seen_so_in_perspective(version, function):
    """Corners' clip coordinates as attributes: at each pixel x/w and y/w are the pixel's, and z/w its depth."""
    positions, faces = scenes.ring()
    positions = positions.to(version)
    fragments = rasterize(positions, faces, 30, 31)
    clip = function(positions, positions, faces, fragments)
    seen = fragments.triangle >= 0
    x, y, z, w = clip[seen].unbind(dim=-1)
    row, column = (index.double() for index in seen.nonzero(as_tuple=True)[1:])
    tolerance = {"rtol": 0, "atol": 1e-5 if version == torch.float32 else 1e-12}
    torch.testing.assert_close(x / w, ((2 * column + 1) / 31 - 1).to(version), **tolerance)
    torch.testing.assert_close(y / w, (1 - (2 * row + 1) / 30).to(version), **tolerance)
    torch.testing.assert_close(z / w, fragments.depth[seen], **tolerance)


def test_nothing_but_the_corners_of_what_is_seen_gets_a_gradient(version):
    positions, faces = scenes.ring()
    positions = positions.to(version).requires_grad_()
    attributes = attributes_of(positions, 4, shared=False).to(version).requires_grad_()
    fragments = rasterize(positions.detach(), faces, 12, 13)
    interpolate(attributes, positions, faces, fragments).square().sum().backward()
    touched = torch.zeros(positions.shape[:2], dtype=torch.bool)
    for view, triangles in enumerate(fragments.triangle):
        touched[view, faces[triangles[triangles >= 0].long()].flatten().long()] = True
    assert 0 < touched.sum() < touched.numel()
    assert torch.equal((attributes.grad != 0).any(dim=-1), touched)
    assert not positions.grad[~touched].any() and positions.grad[touched].any(dim=-1).all()
    assert not positions.grad[..., 2].any()


def test_gradients_add_up_to_nothing_where_nothing_changes(version, function):
    """A constant attribute stays constant however the mesh moves; what comes in is shared out whole."""
    positions, faces = scenes.ball()
    positions = positions.to(version).requires_grad_()
    attributes = torch.full((positions.shape[1], 2), 3, dtype=version, requires_grad=True)
    fragments = rasterize(positions.detach(), faces, 16, 15)
    out = function(attributes, positions, faces, fragments)
    seen = fragments.triangle >= 0
    torch.testing.assert_close(out[seen], torch.full_like(out[seen], 3))
    weight = torch.rand(out.shape, dtype=version)
    to_attributes, to_positions = torch.autograd.grad(out, (attributes, positions), weight)
    torch.testing.assert_close(to_attributes.sum(dim=0), weight[seen].sum(dim=0))
    assert to_positions.abs().max() < 1e-3


@pytest.mark.parametrize("height", [1e-3, 1e-7, 1e-12, 0.0])
def test_slivers_have_finite_gradients(version, height, function):
    """A triangle that is ever flatter, its long side through the pixel's centre at which it is seen."""
    positions = torch.tensor([[[-0.8, 0.0, 0.1, 1.0], [0.8, 0.0, 0.1, 1.0], [0.1, height, 0.1, 1.0]]], dtype=version)
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    fragments = Fragments(
        torch.tensor([[[-1], [0], [-1]]], dtype=torch.int32),
        torch.tensor([[[[0, 0, 0]], [[0.5, 0.5, 0.0]], [[0, 0, 0]]]], dtype=version),
        torch.zeros(1, 3, 1, dtype=version),
    )
    inputs = torch.tensor([[1.0], [2.0], [7.0]], dtype=version).requires_grad_(), positions.requires_grad_()
    out = function(*inputs, faces, fragments)
    torch.testing.assert_close(out[0, :, 0, 0], torch.tensor([0, 1.5, 0], dtype=version))
    gradients = torch.autograd.grad(out.sum(), inputs)
    assert all(gradient.isfinite().all() for gradient in gradients)
    torch.testing.assert_close(gradients[0][:, 0], torch.tensor([0.5, 0.5, 0.0], dtype=version))
    assert gradients[1].any() == (height > 1e-6)


def test_the_number_of_threads_does_not_change_a_bit_of_the_gradient():
    import numba

    positions, faces = scenes.ball(views=2)
    attributes = attributes_of(positions, 3, shared=True).float().requires_grad_()
    positions.requires_grad_()
    fragments = rasterize(positions.detach(), faces, 40, 41)
    before, results = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            out = interpolate(attributes, positions, faces, fragments)
            results.append(torch.autograd.grad(out.square().sum(), (attributes, positions)))
    finally:
        numba.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 1e20])
def test_the_scale_of_clip_coordinates_changes_nothing_but_the_gradients_scale(version, scale, function):
    positions, faces = scenes.ring()
    fragments = rasterize(positions.to(version), faces, 14, 15)
    attributes = attributes_of(positions, 3, shared=True).to(version).requires_grad_()
    results = []
    for size in (1.0, scale):
        scaled = (positions.to(version) * size).requires_grad_()
        out = function(attributes, scaled, faces, fragments)
        to_attributes, to_positions = torch.autograd.grad(out.square().sum(), (attributes, scaled))
        results.append((out, to_attributes, to_positions * size))
    for want, got in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=3e-4 * want.abs().max().item())


def test_only_the_gradient_that_is_wanted_is_made(version):
    positions, faces = scenes.ball()
    both = attributes_of(positions, 4, shared=True).to(version).requires_grad_(), positions.to(version).requires_grad_()
    fragments = rasterize(both[1].detach(), faces, 12, 13)
    want = torch.autograd.grad(interpolate(*both, faces, fragments).square().sum(), both)
    for k in range(2):
        inputs = [tensor.detach().requires_grad_(k == n) for n, tensor in enumerate(both)]
        interpolate(*inputs, faces, fragments).square().sum().backward()
        torch.testing.assert_close(inputs[k].grad, want[k])
        assert inputs[1 - k].grad is None


def test_layout_in_memory_and_the_type_of_faces_do_not_matter(version):
    positions, faces = scenes.ball()
    positions, attributes = positions.to(version), attributes_of(positions, 4, shared=False).to(version)
    fragments = rasterize(positions, faces, 12, 13)
    want = interpolate(attributes, positions, faces, fragments)
    wide = [torch.stack([tensor, tensor], dim=-1)[..., 0] for tensor in (attributes, positions, faces.long())]
    apart = Fragments(*(torch.stack([tensor, tensor], dim=-1)[..., 0] for tensor in fragments))
    assert not any(tensor.is_contiguous() for tensor in (*wide, *apart))
    assert torch.equal(interpolate(*wide, apart), want)
    assert torch.equal(interpolate(*wide, apart._replace(triangle=apart.triangle.long())), want)


def test_a_gradient_that_is_one_number_everywhere_is_read_rightly(version):
    """`sum` sends back a tensor of strides zero."""
    positions, faces = scenes.ball()
    attributes = attributes_of(positions, 2, shared=True).to(version).requires_grad_()
    fragments = rasterize(positions.to(version), faces, 12, 13)
    out = interpolate(attributes, positions.to(version), faces, fragments)
    spread, full = (torch.autograd.grad(value.sum(), attributes, retain_graph=True)[0] for value in (out, out * 1))
    torch.testing.assert_close(spread, full)
    assert full.any()


@pytest.mark.parametrize(("views", "count", "channels"), [(0, 3, 2), (2, 0, 2), (2, 3, 0)])
def test_no_views_no_triangles_and_no_channels_are_no_trouble(version, views, count, channels):
    positions = torch.rand(views, 9, 4, dtype=version, requires_grad=True)
    faces = torch.arange(3 * count, dtype=torch.int32).view(-1, 3)
    attributes = torch.rand(9, channels, dtype=version, requires_grad=True)
    fragments = rasterize(positions.detach(), faces, 5, 6)
    out = interpolate(attributes, positions, faces, fragments)
    assert out.shape == (views, 5, 6, channels)
    out.sum().backward()
    assert attributes.grad.shape == attributes.shape and positions.grad.shape == positions.shape


def test_one_triangle_in_one_pixel_is_weighed_as_by_hand(version, function):
    """Corners at w = 1, 2, 4, the picture's one pixel at their screen positions' mean: weights 4 : 2 : 1."""
    w = torch.tensor([1.0, 2.0, 4.0], dtype=version)
    flat = torch.tensor([[-0.6, -0.4], [0.6, -0.4], [0.0, 0.8]], dtype=version)
    positions = torch.cat([flat * w[:, None], 0 * w[:, None], w[:, None]], dim=1)[None]
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    fragments = rasterize_reference(positions, faces, 1, 1)
    fragments = Fragments(fragments[0], fragments[1].to(version), fragments[2].to(version))
    got = function(torch.eye(3, dtype=version), positions, faces, fragments)
    torch.testing.assert_close(got[0, 0, 0], torch.tensor([4, 2, 1], dtype=version) / 7)


def test_what_does_not_fit_is_refused_by_name():
    positions, faces = scenes.soup()
    fragments = rasterize(positions, faces, 5, 6)
    attributes = torch.zeros(positions.shape[1], 2)
    bad = positions.clone()
    bad[1, 3, 2] = torch.nan
    on_another = fragments.triangle.to("meta")
    refused = {
        "positions holds NaN": (attributes, bad, faces, fragments),
        "attributes holds NaN": (attributes + torch.inf, positions, faces, fragments),
        "attributes must have the shape": (attributes[:-1], positions, faces, fragments),
        "positions must have the shape": (attributes, positions[..., :3], faces, fragments),
        "positions must have the shape .any": (attributes, positions[0], faces, fragments),
        "triangle must have the shape": (attributes, positions[:1], faces, fragments),
        "positions .* must be of one type": (attributes, positions.double(), faces, fragments),
        "attributes must be float32 or float64": (attributes.half(), positions, faces, fragments),
        "faces must lie in": (attributes, positions, faces + 1, fragments),
        "faces must be int": (attributes, positions, faces.float(), fragments),
        "triangle must lie in": (attributes, positions, faces[:3], fragments),
        "faces must lie on cpu": (attributes, positions, faces.to("meta"), fragments),
        "triangle must lie on cpu": (attributes, positions, faces, fragments._replace(triangle=on_another)),
        "attributes must be a torch tensor": (attributes.numpy(), positions, faces, fragments),
    }
    for message, arguments in refused.items():
        with pytest.raises(ValueError, match=message):
            interpolate(*arguments)
