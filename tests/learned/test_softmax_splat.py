"""Softmax splatting: numba and Warp against the definition, and the definition against what is known in closed form."""

import math
from contextlib import nullcontext
from itertools import pairwise

import numba
import pytest
import torch

from kernels import cuda
from kernels import softmax_splat as module
from kernels.softmax_splat import LANDS, Splat, softmax_splat, softmax_splat_reference

F32, F64 = torch.float32, torch.float64
KERNELS = {"numba": F64, "numba float32": F32, "warp": F32}
VERSIONS = {"reference": F64} | KERNELS


def running(name):
    """As a function of tensors of any precision, that gives them in its own."""
    of, precision = softmax_splat_reference if name == "reference" else softmax_splat, VERSIONS[name]
    with cuda.warp_everywhere() if name == "warp" else nullcontext():
        yield lambda image, flow, metric: of(image.to(precision), flow.to(precision), metric.to(precision))


@pytest.fixture(params=VERSIONS)
def splat(request):
    yield from running(request.param)


@pytest.fixture(params=KERNELS)
def kernel(request):
    yield from running(request.param)


def scene(views=2, channels=5, height=13, width=17, reach=3.0, seed=0) -> list[torch.Tensor]:
    """Image, flow and metric, float64 numbers that float32 holds exactly; everywhere different."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (views, channels, height, width), (views, 2, height, width), (views, 1, height, width)
    image, flow, metric = (torch.randn(*shape, generator=generator, dtype=F32).double() for shape in shapes)
    return [image, (reach * flow).float().double(), 2 * metric]


def between_pixels(flow: torch.Tensor) -> torch.Tensor:
    """The flow with every fraction moved into [0.1, 0.9], away from the kinks and from LANDS."""
    return flow.floor() + 0.1 + 0.8 * (flow - flow.floor())


def shifted(u: float, v: float, height=5, width=7, views=1) -> torch.Tensor:
    return torch.tensor([u, v], dtype=F64).view(1, 2, 1, 1).expand(views, 2, height, width)


def into_one_cell(height=11, width=12) -> list[torch.Tensor]:
    image, _, metric = scene(2, 3, height, width)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return [image, torch.stack([4.25 - x, 6.625 - y]).double().expand(2, 2, height, width), metric]


def standing() -> list[torch.Tensor]:
    image, flow, metric = scene(1, 3, 5, 7)
    return [image, torch.zeros_like(flow), metric]


def slivers(fraction: float) -> list[torch.Tensor]:
    """The first pixel reaches into the second by a sliver with a far higher metric; the third into the fourth alone."""
    image, metric = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]]), torch.tensor([[[[30.0, 0.0, 0.0, 0.0]]]])
    flow = torch.zeros(1, 2, 1, 4)
    flow[0, 0, 0] = torch.tensor([fraction, 0, fraction, 50.0])
    return [tensor.double() for tensor in (image, flow, metric)]


def by_every_pair(image, flow, metric) -> Splat:
    """The paper's formula, every target against every pixel, the footprint a hat function. Between pixels alone."""
    _, _, height, width = image.shape
    y, x = (c.flatten().double() for c in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    hats = [
        (1 - (here[:, None] - (here + flow[:, axis].flatten(1))[:, None]).abs()).clamp(min=0)
        for axis, here in enumerate((x, y))
    ]
    weight = hats[0] * hats[1] * metric.flatten(2).exp()
    covered = weight.sum(dim=2) > 0
    total = weight.sum(dim=2).where(covered, 1)
    out = torch.einsum("bpq,bcq->bcp", weight, image.flatten(2)) / total[:, None]
    return Splat(out.view(image.shape), covered.view(metric.shape))


def gradients(function, inputs, cotangent):
    given = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    result = function(*given)
    return result, torch.autograd.grad(result.image, given, cotangent.to(result.image), allow_unused=True)


def assert_alike(splat, inputs, scale=1e-4):
    """Value, holes and gradients are those of the reference in float64; float32 to `scale` of the largest."""
    cotangent = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(9), dtype=F64)
    expected, slopes = gradients(softmax_splat_reference, inputs, cotangent)
    result, found = gradients(splat, inputs, cotangent)
    off = scale if result.image.dtype == F32 else 1e-11
    assert torch.equal(result.covered, expected.covered)
    for value, wanted in zip([result.image, *found], [expected.image, *slopes], strict=True):
        size = wanted.detach().abs().amax().item() if wanted.numel() else 0
        torch.testing.assert_close(value.double(), wanted, rtol=off, atol=off * max(size, 1))


@pytest.mark.parametrize("reach", [0.3, 3.0, 30.0])
def test_value_and_gradients_are_the_references(kernel, reach):
    assert_alike(kernel, scene(reach=reach))


@pytest.mark.parametrize("inputs", [into_one_cell(), standing(), slivers(0.5 * LANDS), slivers(2 * LANDS)])
def test_hard_cases_are_the_references_too(kernel, inputs):
    assert_alike(kernel, inputs)


@pytest.mark.parametrize("shape", [(1, 1, 9, 4), (3, 4, 1, 11), (1, 9, 11, 1), (2, 17, 6, 8), (1, 3, 1, 1)])
def test_any_shape(kernel, shape):
    assert_alike(kernel, scene(*shape, reach=0.7))


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0)])
def test_nothing_gives_nothing(splat, shape):
    inputs = scene(*shape)
    result, found = gradients(splat, inputs, inputs[0])
    assert result.image.shape == shape
    assert result.covered.shape == inputs[2].shape
    assert [slope.shape for slope in found] == [tensor.shape for tensor in inputs]
    assert all((slope == 0).all() for slope in found)


def test_not_contiguous(splat):
    image, flow, metric = scene(height=17)
    views = image.transpose(2, 3), flow.flip(1).transpose(2, 3), metric.expand(-1, 3, -1, -1)[:, 1:2].transpose(2, 3)
    for some, whole in zip(splat(*views), splat(*(view.contiguous() for view in views)), strict=True):
        assert torch.equal(some, whole)
    cotangent = torch.randn(17, dtype=F64).expand(views[0].shape)
    ours, theirs = (gradients(splat, each, cotangent)[1] for each in (views, [view.contiguous() for view in views]))
    for some, whole in zip(ours, theirs, strict=True):
        torch.testing.assert_close(some, whole)


def test_the_reference_is_the_papers_formula():
    image, flow, metric = scene(views=2, height=8, width=9)
    inputs = [image, between_pixels(flow), metric]
    result, slopes = gradients(softmax_splat_reference, inputs, image)
    expected, wanted = gradients(by_every_pair, inputs, image)
    for value, want in zip([*result, *slopes], [*expected, *wanted], strict=True):
        torch.testing.assert_close(value, want)


@pytest.mark.parametrize("version", [softmax_splat_reference, softmax_splat])
def test_gradcheck(version):
    image, flow, metric = scene(views=2, channels=2, height=4, width=5, reach=1.0)
    inputs = [tensor.requires_grad_() for tensor in (image, between_pixels(flow), metric)]
    assert torch.autograd.gradcheck(lambda *given: version(*given).image, inputs, fast_mode=True)


def test_whole_pixels_shift_the_picture(splat):
    image = scene(1, 3, 5, 7)[0]
    result = splat(image, shifted(2, -1), scene(1, 3, 5, 7)[2])
    expected, covered = torch.zeros_like(image), torch.zeros(1, 1, 5, 7, dtype=torch.bool)
    expected[..., :4, 2:], covered[..., :4, 2:] = image[..., 1:, :5], True
    torch.testing.assert_close(result.image.double(), expected)
    assert torch.equal(result.covered, covered)
    assert (result.image[~covered.expand_as(image)] == 0).all()


def test_two_that_meet_are_mixed_by_a_sigmoid(splat):
    image, flow, metric = torch.zeros(1, 1, 1, 3), torch.zeros(1, 2, 1, 3), torch.zeros(1, 1, 1, 3)
    image[..., 0], image[..., 2], metric[..., 0], metric[..., 2] = 5.0, -3.0, 0.25, 1.5
    flow[0, 0, 0] = torch.tensor([1.0, 9.0, -1.0])  # both into the middle, whose own pixel leaves
    share = 1 / (1 + math.exp(0.25 - 1.5))
    (value, covered) = splat(image, flow, metric)
    assert value[0, 0, 0].tolist() == pytest.approx([0, 5 * (1 - share) - 3 * share, 0])
    assert covered[0, 0, 0].tolist() == [False, True, False]
    _, (to_image, _, to_metric) = gradients(splat, (image, flow, metric), torch.ones(1, 1, 1, 3))
    assert to_image[0, 0, 0].tolist() == pytest.approx([1 - share, 0, share])
    slope = share * (1 - share) * 8
    assert to_metric[0, 0, 0].tolist() == pytest.approx([slope, 0, -slope])


def test_a_constant_picture_stays_one_where_covered(splat):
    image, flow, metric = scene()
    result, (_, to_flow, to_metric) = gradients(splat, (torch.full_like(image, 7.0), flow, metric), image)
    torch.testing.assert_close(result.image, 7.0 * result.covered.to(result.image).expand_as(image))
    assert to_metric.abs().max() < 1e-4
    assert (to_flow * LANDS).abs().max() < 1e-4


@pytest.mark.parametrize("constant", [-1e4, 1e4])
def test_a_constant_added_to_the_metric_changes_nothing(splat, constant):
    image, flow, metric = scene()
    metric = (64 * metric).round() / 64  # so that adding loses nothing
    for some, moved in zip(
        gradients(splat, (image, flow, metric), image)[1],
        gradients(splat, (image, flow, metric + constant), image)[1],
        strict=True,
    ):
        torch.testing.assert_close(some, moved, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1e4, 1e38])
def test_any_finite_metric(kernel, size):
    image, flow, metric = scene()
    assert_alike(kernel, (image, flow, (size * metric.sign()).float().double()))


def test_the_strip_that_is_left_behind_is_a_hole_without_gradient(splat):
    image, _, metric = scene(1, 3, 5, 7)
    flow = shifted(2.5, 0)
    cotangent = torch.zeros_like(image)
    cotangent[..., :2] = torch.nan  # of a loss that divides by what is not there
    result, slopes = gradients(splat, (image, flow, metric), cotangent)
    assert result.covered[0, 0].sum(dim=0).tolist() == [0, 0, 5, 5, 5, 5, 5]
    assert (result.image[..., :2] == 0).all()
    assert all((slope == 0).all() for slope in slopes)


@pytest.mark.parametrize("far", [(100, 0), (0, -100), (-8.5, 0), (1e30, -1e30), (0, 5)])
def test_what_leaves_the_picture_is_lost(splat, far):
    inputs = [scene(1, 3, 5, 7)[0], shifted(*far), scene(1, 3, 5, 7)[2]]
    result, slopes = gradients(splat, inputs, inputs[0])
    assert not result.covered.any()
    assert (result.image == 0).all()
    assert all((slope == 0).all() for slope in slopes)


def test_half_a_pixel_over_the_edge_keeps_the_half_inside(splat):
    image, flow = torch.tensor([[[[2.0, 4.0]]]]), torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    result = splat(image, flow, torch.zeros(1, 1, 1, 2))
    assert result.image[0, 0, 0].tolist() == pytest.approx([2, 3])
    assert result.covered.all()


def test_all_pixels_in_one_cell(splat):
    image, flow, metric = into_one_cell()
    weight = metric.flatten(2).softmax(dim=2)
    mean = (weight * image.flatten(2)).sum(dim=2)
    result = splat(image, flow, metric)
    assert result.covered.sum() == 8
    seen = result.image[:, :, 6:8, 4:6].double()
    torch.testing.assert_close(seen, mean[..., None, None].expand(seen.shape), rtol=1e-5, atol=1e-5)


def test_no_flow_has_a_slope(splat):
    """Or a flow that begins at zero could never be learned."""
    image, _, metric = inputs = standing()
    result, (_, to_flow, _) = gradients(splat, inputs, image)
    assert torch.equal(result.image.double(), image)
    towards = (metric[0, 0, :, :-1] - metric[0, 0, :, 1:]).clamp(max=0).exp()
    across = towards * (image[0, :, :, 1:] * (image[0, :, :, :-1] - image[0, :, :, 1:])).sum(dim=0)
    torch.testing.assert_close(to_flow[0, 0, :, :-1].double(), across, rtol=1e-4, atol=1e-4)
    assert (to_flow[0, 0, :, -1] == 0).all()


@pytest.mark.parametrize(("fraction", "lands"), [(0.5 * LANDS, False), (2 * LANDS, True)])
def test_a_sliver_neither_covers_nor_takes_over(splat, fraction, lands):
    result = splat(*slivers(fraction))
    assert result.covered[0, 0, 0].tolist() == [True, True, True, lands]
    expected = [1, 1, 3, 3] if lands else [1, 2, 3, 0]
    assert result.image[0, 0, 0].tolist() == pytest.approx(expected, abs=1e-3)


def test_one_alone_is_carried_exactly_however_thin(splat):
    image, flow = torch.randn(1, 8, 1, 2), torch.tensor([[1.0 + 3 * LANDS, 50.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    image = torch.cat([image, torch.zeros(1, 8, 1, 1)], dim=3)
    flow = torch.cat([flow, torch.full((1, 2, 1, 1), 50.0)], dim=3)
    result, (_, to_flow, to_metric) = gradients(
        splat, (image, flow, torch.full((1, 1, 1, 3), 3.0)), torch.ones(1, 8, 1, 3)
    )
    assert torch.equal(result.image[..., 2].float(), image[..., 0])
    assert to_flow.abs().max() < 1e-9
    assert to_metric.abs().max() < 1e-9


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_one_gradient_alone_is_the_same(splat, wanted):
    inputs, cotangent = scene(), scene(seed=4)[0]
    every = gradients(splat, inputs, cotangent)[1]
    given = [tensor.clone().requires_grad_(needed) for tensor, needed in zip(inputs, wanted, strict=True)]
    result = splat(*given)
    result.image.backward(cotangent.to(result.image))
    for tensor, needed, slope in zip(given, wanted, every, strict=True):
        if needed:
            assert torch.equal(tensor.grad, slope)
        else:
            assert tensor.grad is None


@pytest.mark.parametrize("reach", [3.0, 30.0])
def test_the_number_of_threads_changes_no_bit(monkeypatch, reach):
    inputs, cotangent = [tensor.float() for tensor in scene(height=33, reach=reach)], scene(height=33)[0]
    threads, results = numba.get_num_threads(), []
    try:
        for count in [1, 2, 5, 200]:
            numba.set_num_threads(min(count, threads))
            monkeypatch.setattr(module, "_bands", lambda views, bands=count: bands)  # as if there were so many
            results.append(gradients(softmax_splat, inputs, cotangent))
    finally:
        numba.set_num_threads(threads)
    for result, slopes in results:
        first, firsts = results[0]
        assert all(torch.equal(a, b) for a, b in zip([*result, *slopes], [*first, *firsts], strict=True))


def test_the_work_does_not_grow_with_the_threads(monkeypatch):
    """Each band of targets reads the rows that reach it alone, and there are no more bands than threads want."""
    height, width, reach, bands = 160, 9, 3, 16
    y = torch.arange(height)[:, None].expand(height, width)
    line = (y + torch.randint(-reach, reach, (height, width), generator=torch.Generator().manual_seed(2)))[None, :, :]
    line[0, 70, 4] = 0  # one that goes far makes its own row be read once more, and no other
    target = torch.where((line >= 0) & (line < height), line * width, -1).int().view(1, -1, 1).expand(1, -1, 4)
    spans = module._spans(module.Tables(target.numpy(), None, None, None), height)
    ends = [height * width * band // bands for band in range(bands + 1)]
    read = [len(module._rows(spans[0], *pair)) for pair in pairwise(ends)]
    assert height <= sum(read) <= height + bands * 2 * reach + bands
    for threads, views, wanted in [(16, 1, 16), (16, 3, 6), (16, 8, 2), (2, 8, 1), (2, 0, 2)]:
        monkeypatch.setattr(module, "get_num_threads", lambda threads=threads: threads)
        assert module._bands(views) == wanted


def test_what_warp_began_warp_ends(monkeypatch):
    inputs = [tensor.float().requires_grad_() for tensor in scene()]
    with cuda.warp_everywhere():
        image = softmax_splat(*inputs).image
    monkeypatch.setattr(module, "_backward_on_cpu", None)
    image.sum().backward()


def test_values_near_the_end_of_float32(kernel):
    image, flow, metric = scene()
    assert_alike(kernel, ((1e33 * image).float().double(), flow, metric))


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(which, wrong):
    inputs = scene()
    inputs[which][1, 0, 2, 3] = wrong
    with pytest.raises(ValueError, match=f"{('image', 'flow', 'metric')[which]} holds NaN or infinity"):
        softmax_splat(*inputs)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("wrong", [None, 1.0, [[1.0]]])
def test_what_is_no_tensor_is_refused(which, wrong):
    inputs = scene()
    inputs[which] = wrong
    with pytest.raises(ValueError, match=f"{('image', 'flow', 'metric')[which]} must be a"):
        softmax_splat(*inputs)


def test_wrong_shapes_and_types_are_refused():
    image, flow, metric = scene()
    with pytest.raises(ValueError, match="image must have the shape"):
        softmax_splat(image[0], flow, metric)
    with pytest.raises(ValueError, match="flow must have the shape"):
        softmax_splat(image, flow.transpose(2, 3), metric)
    with pytest.raises(ValueError, match="metric must have the shape"):
        softmax_splat(image, flow, metric[:, 0])
    with pytest.raises(ValueError, match=r"flow .* must be of one type"):
        softmax_splat(image, flow.float(), metric)
