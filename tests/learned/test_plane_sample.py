import itertools
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample

from kernels import cuda
from kernels import plane_sample as operation
from kernels.morton import morton_order, morton_order_reference
from kernels.plane_sample import AXES, plane_sample, plane_sample_reference

FUSIONS = ["sum", "product"]
SIDES = {"xy": (5, 7), "xz": (4, 9), "yz": (6, 3), "xt": (3, 8), "yt": (7, 2), "zt": (9, 4)}


@pytest.fixture(params=["numba", "warp"])
def version(request):
    with cuda.warp_everywhere() if request.param == "warp" else nullcontext():
        yield request.param


def random_points(count, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 4, generator=generator, dtype=dtype) * 1.998 - 0.999


def random_levels(*features_of_levels, names=tuple(AXES), dtype=torch.float64, seed=1):
    """Every plane of its own size, about a half to one and a half, so that products do not vanish."""
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            name: torch.rand(SIDES[name][0] + n, SIDES[name][1] + 2 * n, F, generator=generator, dtype=dtype) + 0.5
            for name in names
        }
        for n, F in enumerate(features_of_levels)
    ]


def with_gradients(sample, points, levels, fuse, **named):
    """Features, and the gradients of points and planes for a random gradient of the features."""
    points = points.detach().requires_grad_()
    levels = [{name: plane.detach().requires_grad_() for name, plane in planes.items()} for planes in levels]
    out = sample(points, levels, fuse, **named)
    gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(out.dtype)
    inputs = [points, *(plane for planes in levels for plane in planes.values())]
    return [out.detach(), *torch.autograd.grad(out, inputs, gradient)]


def doubled(points, levels):
    return points.double(), [{name: plane.double() for name, plane in planes.items()} for planes in levels]


def assert_as_reference(points, levels, fuse, **named):
    got = with_gradients(plane_sample, points, levels, fuse, **named)
    # float32 decides the same cell as float64 save within rounding of a sample, which random points keep away from
    want = with_gradients(plane_sample_reference, *doubled(points, levels), fuse)
    tolerance = 1e-12 if points.dtype == torch.float64 else 3e-5
    for a, b in zip(got, want, strict=True):
        assert a.dtype == points.dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


def six_grid_samples(points, levels, fuse):
    """As it is usually written; its pictures have the second letter's axis along a row's pixels."""
    features = []
    for planes in levels:
        sampled = [
            grid_sample(
                plane.permute(2, 0, 1)[None],
                points[None, None][..., [AXES[name][1], AXES[name][0]]],
                align_corners=True,
                padding_mode="border",
            )[0, :, 0].T
            for name, plane in planes.items()
        ]
        features.append(torch.stack(sampled).sum(0) if fuse == "sum" else torch.stack(sampled).prod(0))
    return torch.cat(features, dim=1)


@pytest.mark.parametrize("fuse", FUSIONS)
@pytest.mark.parametrize("sample", [plane_sample, plane_sample_reference])
def test_it_is_six_grid_samples(sample, fuse):
    points, levels = random_points(200) * 1.3, random_levels(3, 3)
    for a, b in zip(
        with_gradients(sample, points, levels, fuse),
        with_gradients(six_grid_samples, points, levels, fuse),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fuse", FUSIONS)
@pytest.mark.parametrize("features", [1, 16, 37])
def test_value_and_gradients_are_the_reference_s(version, features, fuse):
    assert_as_reference(random_points(300).float(), random_levels(features, features, dtype=torch.float32), fuse)


@pytest.mark.parametrize("fuse", FUSIONS)
def test_in_double_precision_they_are_so_to_its_rounding(fuse):
    assert_as_reference(random_points(300), random_levels(20, 20), fuse)


@pytest.mark.parametrize("names", [["xy", "zt"], ["yt"], ["zt", "yt", "xt", "yz", "xz", "xy"]])
def test_any_planes_make_a_level_and_their_sequence_does_not_matter(version, names):
    points, levels = random_points(50).float(), random_levels(4, names=names, dtype=torch.float32)
    assert_as_reference(points, levels, "product")
    sorted_by_name = [dict(sorted(levels[0].items()))]
    assert torch.equal(plane_sample(points, levels, "sum"), plane_sample(points, sorted_by_name, "sum"))


@pytest.mark.parametrize("name", AXES)
def test_a_bright_texel_is_seen_where_it_was_put(version, name):
    levels = [{other: torch.zeros(5, 9, 2) for other in AXES}]
    levels[0][name][1, 6, 1] = 3.0
    u, v = ("xyzt".index(letter) for letter in name)
    samples = torch.cartesian_prod(*[torch.linspace(-1, 1, 17)] * 2)
    points = random_points(len(samples)).float()
    points[:, [u, v]] = samples
    out = plane_sample(points, levels, "sum")
    # four steps a cell along the first letter, two along the second: a tent about sample 1 of 5 and 6 of 9
    steps = torch.arange(17.0)
    tent = torch.outer((1 - (steps / 4 - 1).abs()).clamp(min=0), (1 - (steps / 2 - 6).abs()).clamp(min=0))
    torch.testing.assert_close(out[:, 1], 3 * tent.flatten())
    assert not out[:, 0].any()


def test_planes_of_time_that_are_zero_leave_a_sum_as_it_was(version):
    points, (planes,) = random_points(100).float(), random_levels(32, dtype=torch.float32)
    space = {name: plane for name, plane in planes.items() if "t" not in name}
    still = {name: plane if name in space else torch.zeros_like(plane) for name, plane in planes.items()}
    assert torch.equal(plane_sample(points, [still], "sum"), plane_sample(points, [space], "sum"))


def test_a_product_with_zeros_has_the_gradient_that_no_division_finds(version):
    points, levels = random_points(60).float(), random_levels(17, dtype=torch.float32)
    levels[0]["xz"].zero_()
    levels[0]["yt"][..., ::2] = 0
    assert_as_reference(points, levels, "product")
    gradients = dict(zip(AXES, with_gradients(plane_sample, points, levels, "product")[2:], strict=True))
    assert gradients["xz"][..., 1::2].any() and not gradients["xz"][..., ::2].any() and not gradients["xy"].any()


@pytest.mark.parametrize("fuse", FUSIONS)
def test_points_in_one_cell_add_up(version, fuse):
    points = random_points(700).float() * 0.01 + 0.137
    assert_as_reference(points, random_levels(8, dtype=torch.float32), fuse)


def test_the_ends_are_the_first_and_the_last_sample(version):
    (planes,) = random_levels(3, dtype=torch.float32)
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)))
    for name, plane in planes.items():
        at = (corners[:, AXES[name]] > 0).long() * -1
        assert torch.equal(plane_sample(corners, [{name: plane}], "sum"), plane[at[:, 0], at[:, 1]])
    assert_as_reference(corners, [planes], "product")


def test_outside_is_the_border_and_flat_along_that_coordinate(version):
    levels = random_levels(5, dtype=torch.float32)
    points = random_points(4).float()
    outside = points.clone()
    outside[range(4), range(4)] = torch.tensor([-1.5, 7.0, -1e30, 3e38])
    assert_as_reference(outside, levels, "product")
    slopes = with_gradients(plane_sample, outside, levels, "product")[1]
    assert torch.equal(slopes == 0, torch.eye(4, dtype=torch.bool))
    border = outside.clamp(-1, 1)
    assert torch.equal(plane_sample(outside, levels, "product"), plane_sample(border, levels, "product"))


@pytest.mark.parametrize("sides", [(1, 6), (6, 1), (1, 1)])
def test_one_sample_along_an_axis_is_a_constant(version, sides):
    plane = torch.rand(*sides, 4, generator=torch.Generator().manual_seed(3))
    wide = plane.expand(*(max(side, 2) for side in sides), 4)
    points = random_points(30).float()
    assert_as_reference(points, [{"yt": plane, **random_levels(4, names=["xz"], dtype=torch.float32)[0]}], "product")
    torch.testing.assert_close(
        plane_sample(points, [{"yt": plane}], "sum"), plane_sample(points, [{"yt": wide}], "sum")
    )


def test_a_single_sample_has_no_neighbour_in_the_next_plane(version):
    # the difference of the two would be infinite, and not a number when weighted with zero
    levels = [{"yt": torch.full((1, 1, 2), -3e38), "zt": torch.full((2, 2, 2), 3e38)}]
    assert not plane_sample(random_points(5).float(), levels, "sum").any()


def test_without_points_there_is_nothing_and_no_gradient(version):
    out, points_gradient, *planes_gradients = with_gradients(
        plane_sample, torch.zeros(0, 4), random_levels(3, 3, dtype=torch.float32), "product"
    )
    assert out.shape == (0, 6) and points_gradient.shape == (0, 4)
    assert not any(gradient.any() for gradient in planes_gradients)


def test_the_order_changes_nothing(version):
    points, levels = random_points(1000).float(), random_levels(16, dtype=torch.float32)
    plain = with_gradients(plane_sample, points, levels, "product")
    for order in (morton_order(points), torch.arange(999, -1, -1), torch.randperm(1000).int()):
        ordered = with_gradients(plane_sample, points, levels, "product", order=order)
        assert torch.equal(plain[0], ordered[0]) and torch.equal(plain[1], ordered[1])
        for a, b in zip(plain[2:], ordered[2:], strict=True):  # planes: the summands come in another order
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_large_planes_are_sampled_in_an_order_of_its_own(monkeypatch):
    monkeypatch.setattr("kernels.plane_sample.SORT_FROM", 1)
    assert_as_reference(random_points(500).float(), random_levels(16, dtype=torch.float32), "product")


def test_the_morton_curve_halves_every_axis_in_turn():
    places = torch.tensor(list(itertools.product(range(4), repeat=4)))
    points = (places + 0.5) / 2 - 1
    key = [
        sum((place[a] >> bit & 1) << (4 * bit + a) for bit in range(2) for a in range(4)) for place in places.tolist()
    ]
    assert morton_order(points.float()).tolist() == torch.tensor(key).argsort().tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_are_sorted_as_the_reference_sorts_them_ties_and_strays_too(dtype):
    points = random_points(20_000, dtype) * 1.2
    points[::7] = points[3]
    points[:4] = torch.tensor([[-1.0], [1.0], [1e30], [-1e30]], dtype=dtype)
    assert torch.equal(morton_order(points), morton_order_reference(points))
    assert len(morton_order(points[:0])) == 0


@pytest.mark.parametrize("fuse", FUSIONS)
@pytest.mark.parametrize("sample", [plane_sample, plane_sample_reference])
def test_gradients_are_finite_differences(sample, fuse):
    points, levels = random_points(6).requires_grad_(), random_levels(2, 2)
    planes = [plane.requires_grad_() for level in levels for plane in level.values()]

    def flat(points, *planes):
        return sample(points, [dict(zip(AXES, planes[i : i + 6], strict=True)) for i in (0, 6)], fuse)

    assert torch.autograd.gradcheck(flat, (points, *planes), fast_mode=True)


def test_strides_do_not_matter(version):
    points, levels = random_points(80).float(), random_levels(6, dtype=torch.float32)
    strided = [{name: plane.permute(2, 1, 0).contiguous().permute(2, 1, 0) for name, plane in levels[0].items()}]
    assert not strided[0]["xy"].is_contiguous()
    packed = with_gradients(plane_sample, points, levels, "product")
    spread = points.T.contiguous().T
    assert all(map(torch.equal, packed, with_gradients(plane_sample, spread, strided, "product")))


def test_only_what_is_asked_for_has_a_gradient(version):
    points, levels = random_points(70).float(), random_levels(16, dtype=torch.float32)
    wanted = dict(zip(["points", *AXES], with_gradients(plane_sample, points, levels, "product")[1:], strict=True))
    for asked in (["points"], ["yz"], ["xt", "zt"]):
        given = {"points": points.clone(), **{name: plane.clone() for name, plane in levels[0].items()}}
        inputs = [given[name].requires_grad_() for name in asked]
        out = plane_sample(given["points"], [{name: given[name] for name in AXES}], "product")
        gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).float()
        out.backward(gradient)
        for name, tensor in zip(asked, inputs, strict=True):
            torch.testing.assert_close(tensor.grad, wanted[name], rtol=1e-5, atol=1e-6)
        assert all(tensor.grad is None for name, tensor in given.items() if name not in asked)


@pytest.mark.parametrize("asked", ["points", "yz"])
def test_no_room_is_made_for_what_is_not_asked_for(version, monkeypatch, asked):
    sizes = []

    def spied(run):
        def spy(*arguments):
            if run is not launch or arguments[0] is operation._backward_warp:
                *_, to_texels, to_points = (each for each in arguments if hasattr(each, "shape"))
                sizes.append((np.prod(to_texels.shape) > 0, np.prod(to_points.shape) > 0))
            return run(*arguments)

        return spy

    launch = cuda.launch
    monkeypatch.setattr(operation, "_backward", spied(operation._backward))
    monkeypatch.setattr(cuda, "launch", spied(launch))
    points, levels = random_points(70).float(), random_levels(16, dtype=torch.float32)
    given = {"points": points, **levels[0]}
    given[asked].requires_grad_()
    out = plane_sample(given["points"], [{name: given[name] for name in AXES}], "sum")
    out.sum().backward()
    assert sizes == [(asked != "points", asked == "points")]


def test_the_copy_of_the_planes_goes_with_the_graph(version, monkeypatch):
    copies, lay_out = [], operation._lay_out

    def spy(*arguments):
        rows, texels = lay_out(*arguments)
        copies.append(weakref.ref(texels))
        return rows, texels

    monkeypatch.setattr(operation, "_lay_out", spy)
    points, levels = random_points(20).float().requires_grad_(), random_levels(16, 16, dtype=torch.float32)
    out = plane_sample(points, levels, "sum")
    assert all(copy() is not None for copy in copies) and len(copies) == 2
    out.sum().backward()
    assert all(copy() is None for copy in copies)


@pytest.mark.parametrize("threads", [1, 5])
def test_more_threads_than_blocks_of_channels_share_the_points(monkeypatch, threads):
    monkeypatch.setattr("numba.get_num_threads", lambda: threads)
    assert_as_reference(random_points(701).float(), random_levels(32, dtype=torch.float32), "product")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": torch.full((3, 4), torch.nan)}, "points holds NaN"),
        ({"points": torch.zeros(3, 3)}, r"points must have the shape \(any, 4\)"),
        ({"points": torch.zeros(3, 4, dtype=torch.int64)}, "points must be float32"),
        ({"levels": [{"xy": torch.full((2, 2, 1), torch.inf)}]}, r"levels\[0\]\['xy'\] holds NaN or infinity"),
        ({"levels": [{"yx": torch.zeros(2, 2, 1)}]}, r"levels\[0\] names a plane 'yx': the planes are xy, xz"),
        ({"levels": [{"xy": torch.zeros(2, 2, 1)}, {"xt": torch.zeros(2, 2, 2)}]}, r"levels\[1\]\['xt'\] must have"),
        ({"levels": [{"xy": torch.zeros(2, 0, 1)}]}, "must have a sample and a feature"),
        ({"levels": [{"xy": torch.zeros(2, 2, 1).double()}]}, "must be of one type and device with points"),
        ({"levels": []}, "at least one level"),
        ({"levels": [{}]}, "at least one plane"),
        ({"fuse": "mean"}, "fuse must be"),
        ({"order": torch.arange(4)}, r"order must have the shape \(3\)"),
        ({"order": torch.arange(1, 4)}, r"order must lie in 0\.\.2"),
        ({"order": torch.tensor([0, 2, 2])}, r"order must hold each of 0\.\.2 once"),
        ({"order": torch.zeros(3)}, "order must be int32 or int64"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(change, sentence):
    arguments = {"points": torch.zeros(3, 4), "levels": [{"xy": torch.zeros(2, 2, 1)}], "fuse": "sum", **change}
    with pytest.raises(ValueError, match=sentence):
        plane_sample(**arguments)
