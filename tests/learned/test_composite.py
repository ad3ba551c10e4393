"""What rays gather: held to the definition, to NeRF's product, and to fog and walls."""

import math
from contextlib import nullcontext

import pytest
import torch

from kernels import composite as operation
from kernels import cuda
from kernels.composite import composite, composite_reference


@pytest.fixture(params=["numba", "warp"])
def version(request):
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield request.param


COUNTS = 3, 0, 1, 0, 0, 9, 2, 0  # intervals of each ray
TIGHT = {torch.float32: 2e-6, torch.float64: 1e-13}


def ragged(channels=3, dtype=torch.float32, counts=COUNTS):
    """Rays with gaps between their intervals."""
    draw, total = torch.Generator().manual_seed(5), sum(counts)
    density, features = 3 * torch.rand(total, generator=draw), torch.randn(total, channels, generator=draw)
    edges = (0.1 + torch.rand(2 * total, generator=draw)).cumsum(dim=0)
    starts = torch.tensor([0, *counts]).cumsum(dim=0)
    return density.to(dtype), features.to(dtype), edges.view(total, 2).to(dtype), starts


def with_gradients(gather, density, features, intervals, starts):
    """What comes out, and the gradients of all that has one, for random gradients of it."""
    inputs = [each.detach().requires_grad_() for each in (density, features, intervals)]
    out, draw = gather(*inputs, starts), torch.Generator().manual_seed(2)
    grads = [torch.randn(each.shape, generator=draw, dtype=torch.float64).to(each.dtype) for each in out]
    return [*(each.detach() for each in out), *torch.autograd.grad([*out], inputs, grads)]


def assert_as_reference(density, features, intervals, starts):
    got = with_gradients(composite, density, features, intervals, starts)
    want = with_gradients(composite_reference, density.double(), features.double(), intervals.double(), starts)
    tolerance = TIGHT[density.dtype]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == density.dtype
        torch.testing.assert_close(a.double(), b, rtol=10 * tolerance, atol=10 * tolerance)


def dense(density, features, edges):
    """Rays (R, S) of as many intervals each, without gaps: between edges (R, S + 1) or (S + 1,)."""
    rays, samples = density.shape
    edges = edges.expand(rays, samples + 1)
    intervals = torch.stack([edges[:, :-1], edges[:, 1:]], dim=2).flatten(0, 1)
    return composite(density.flatten(), features.flatten(0, 1), intervals, torch.arange(rays + 1) * samples)


@pytest.mark.parametrize("channels", [0, 1, 3, 7])
def test_value_and_gradients_are_the_reference_s(version, channels):
    assert_as_reference(*ragged(channels))


def test_many_rays_are_as_few(version):
    assert_as_reference(*ragged(2, counts=[0, 4, 1, 2] * 50))


def test_in_double_precision_they_are_so_to_its_rounding():
    assert_as_reference(*ragged(4, torch.float64))


def test_the_definition_is_the_running_product_of_nerf():
    density, features, intervals, starts = ragged(2, torch.float64)
    alpha = 1 - torch.exp(-density * (intervals[:, 1] - intervals[:, 0]))
    found = composite_reference(density, features, intervals, starts)
    for ray in range(len(COUNTS)):
        opacity, depth, colour, left = 0, 0, 0, 1
        for n in range(starts[ray], starts[ray + 1]):
            weight, left = left * alpha[n], left * (1 - alpha[n])
            opacity, colour = opacity + weight, colour + weight * features[n]
            depth += weight * (intervals[n, 0] + intervals[n, 1]) / 2
        torch.testing.assert_close(found.features[ray], torch.zeros(2).double() + colour)
        assert found.opacity[ray].item() == pytest.approx(float(opacity), rel=1e-12)
        assert found.depth[ray].item() == pytest.approx(float(depth), rel=1e-12)


def test_gradients_are_finite_differences():
    density, features, intervals, starts = ragged(2, torch.float64)
    inputs = [each.requires_grad_() for each in (density, features, intervals)]
    assert torch.autograd.gradcheck(lambda *given: composite(*given, starts), inputs)


@pytest.mark.parametrize("samples", [1, 7, 64])
def test_fog_absorbs_by_beer_and_lambert_however_it_is_cut(samples):
    sigma, near, far = 0.7, 2.0, 5.0
    edges = torch.linspace(0, 1, samples + 1, dtype=torch.float64) ** 2 * (far - near) + near
    found = dense(torch.full((1, samples), sigma, dtype=torch.float64), torch.ones(1, samples, 1).double(), edges)
    assert found.opacity.item() == pytest.approx(1 - math.exp(-sigma * (far - near)), rel=1e-12)
    assert found.features.item() == pytest.approx(found.opacity.item(), rel=1e-12)


def test_the_depth_of_fog_is_the_mean_free_path():
    edges = torch.linspace(2, 40, 4001, dtype=torch.float64)
    found = dense(torch.full((1, 4000), 1.5, dtype=torch.float64), torch.zeros(1, 4000, 1).double(), edges)
    assert found.depth.item() == pytest.approx(2 + 1 / 1.5, rel=1e-5)


@pytest.mark.parametrize("density", [1e4, 1e30, 3e38])
def test_a_wall_shows_itself_and_what_stands_before_it(version, density):
    thickness = torch.tensor([[0.5, density, 0.0, 2.0]], requires_grad=True)
    colour = torch.tensor([[[1.0, 0], [0, 1], [9, 9], [9, 9]]], requires_grad=True)
    found = dense(thickness, colour, torch.arange(5.0) * 2)
    mist = 1 - math.exp(-1)
    torch.testing.assert_close(found.features, torch.tensor([[mist, 1 - mist]]))
    torch.testing.assert_close(found.opacity, torch.ones(1))
    torch.testing.assert_close(found.depth, torch.tensor([mist * 1 + (1 - mist) * 3]))
    found.features.sum().backward()
    assert thickness.grad.isfinite().all() and colour.grad.isfinite().all()
    assert thickness.grad[0, 0].abs() < 1e-7 and not thickness.grad[0, 1:].any()  # red or green, the sum stays 1


def test_thin_air_keeps_its_digits(version):
    for density in (1e-9, 0.0123):
        found = dense(torch.full((1, 3), density), torch.ones(1, 3, 1), torch.arange(4.0))
        assert found.opacity.item() == pytest.approx(-math.expm1(-3 * density), rel=1e-6)


def test_of_two_dense_colours_the_nearer_is_seen(version):
    density, edges = torch.full((1, 2), 100.0), torch.arange(3.0)
    red, green = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
    torch.testing.assert_close(dense(density, torch.stack([red, green])[None], edges).features[0], red)
    torch.testing.assert_close(dense(density, torch.stack([green, red])[None], edges).features[0], green)


def test_no_rays_and_no_intervals_are_black(version):
    assert composite(torch.ones(0), torch.ones(0, 3), torch.ones(0, 2), torch.zeros(1).long()).features.shape == (0, 3)
    empty = composite(torch.ones(0), torch.ones(0, 3), torch.ones(0, 2), torch.zeros(3).long())
    assert not empty.features.any() and not empty.opacity.any() and empty.features.shape == (2, 3)


def test_only_the_ray_with_something_that_is_no_number_is_hurt(version):
    density, features, intervals, starts = ragged()
    whole = with_gradients(composite, density, features, intervals, starts)
    density[5] = torch.nan  # of the ray with nine
    hurt = with_gradients(composite, density, features, intervals, starts)
    rays, rows = [0, 1, 2, 3, 4, 6, 7], [0, 1, 2, 3, 13, 14]
    for one, other, kept in zip(hurt, whole, [rays] * 3 + [rows] * 3, strict=True):
        assert torch.equal(one[kept], other[kept])
    assert hurt[1][5].isnan()


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_only_what_is_asked_for_has_a_gradient_and_takes_room(version, monkeypatch, asked):
    wanted, sizes = with_gradients(composite, *ragged())[3 + asked], []
    for name in ("_backward_on_cpu", "_backward_on_cuda"):
        run = getattr(operation, name)

        def spy(*tensors, run=run):
            sizes.extend(tensor.numel() > 0 for tensor in tensors[-3:])
            run(*tensors)

        monkeypatch.setattr(operation, name, spy)
    *given, starts = ragged()
    given[asked].requires_grad_()
    out, draw = composite(*given, starts), torch.Generator().manual_seed(2)
    grads = [torch.randn(each.shape, generator=draw, dtype=torch.float64).float() for each in out]
    (found,) = torch.autograd.grad([*out], [given[asked]], grads)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    assert sizes == [asked == n for n in range(3)]


def test_strides_do_not_matter(version):
    density, features, intervals, starts = ragged()
    spread = density[:, None].expand(-1, 2)[:, 1], features.T.contiguous().T, intervals.T.contiguous().T, starts.int()
    for a, b in zip(
        with_gradients(composite, density, features, intervals, starts), with_gradients(composite, *spread), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"density": torch.ones(4, 1)}, r"density must have the shape \(any\)"),
        ({"features": torch.ones(3, 2)}, r"features must have the shape \(4, any\)"),
        ({"intervals": torch.ones(4, 3)}, r"intervals must have the shape \(4, 2\)"),
        ({"intervals": torch.ones(4, 2).double()}, "intervals .* must be of one type and device with density"),
        ({"starts": torch.tensor([0.0, 4.0])}, "starts must be int32 or int64"),
        ({"starts": torch.tensor([0, 3])}, "starts must go from 0 to 4"),
        ({"starts": torch.tensor([1, 4])}, "starts must go from 0 to 4"),
        ({"starts": torch.tensor([0, 3, 2, 4])}, "and never back"),
        ({"starts": torch.tensor([0, 9, 4])}, r"starts must lie in 0\.\.4"),
        ({"starts": torch.empty(0).long()}, "starts must go from 0 to 4"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(change, sentence):
    arguments = {
        "density": torch.ones(4),
        "features": torch.ones(4, 2),
        "intervals": torch.ones(4, 2),
        "starts": torch.tensor([0, 1, 4]),
    }
    with pytest.raises(ValueError, match=sentence):
        composite(**arguments | change)
