"""What holds for every specimen and every individual."""

import functools

import numpy as np
import pytest
from msgspec import inspect, structs
from scipy.spatial import cKDTree

from backend.clip import Frame
from backend.geometry.fields import parts
from backend.species import SPECIES, OakLeaf, Species
from backend.specimens import grow
from backend.specimens.core import Specimen, finer
from tests import growth

SEED, OTHERS = 7, (0, 1, 3, 26)
LIFE = np.linspace(0, 1, 9)
EVERY = pytest.mark.parametrize("name", SPECIES)


@functools.cache
def specimen(name: str):
    return grow(SPECIES[name](), SEED)


@functools.cache
def positions(name: str, tau: float) -> np.ndarray:
    return specimen(name).at(tau).positions


@EVERY
def test_mesh_and_frames_are_whole(name):
    mesh = specimen(name).mesh
    assert 5_000 <= len(mesh.vertices) <= 30_000
    assert np.array_equal(np.unique(mesh.corners), np.arange(len(mesh.vertices)))
    assert set(np.unique(mesh.parts)) == set(range(len(mesh.part_names)))
    assert mesh.uv.shape == (len(mesh.corners), 2) and mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    assert np.array_equal(mesh.vertices, positions(name, 0.0))
    for tau in LIFE[::4]:
        frame = specimen(name).at(tau)
        materials = [
            value for value in (frame.albedo, frame.roughness, frame.metallic, frame.opacity, frame.emission)
            if value is not None
        ]  # fmt: skip
        assert len(materials) >= 2
        for array in (frame.positions, *materials):
            assert array.dtype == np.float32 and len(array) == len(mesh.vertices) and np.isfinite(array).all()
        assert all(value.min() >= 0 and value.max() <= 1 for value in materials)


@EVERY
def test_hardly_anything_crosses_or_folds_and_nothing_sinks_into_the_floor(name):
    mesh = specimen(name).mesh
    for tau in LIFE:
        now = positions(name, tau)
        assert growth.crossing_share(mesh, now) <= 0.005, tau
        assert growth.folded_share(mesh, now) <= 0.004, tau
        assert now[:, 2].min() >= -0.005 * growth.size(now), tau


@EVERY
@pytest.mark.parametrize("seed", OTHERS)
def test_hardly_anything_of_other_individuals_crosses(name, seed):
    one = grow(SPECIES[name](), seed)
    for tau in (0.0, 0.4, 0.75, 1.0):
        assert growth.crossing_share(one.mesh, one.at(tau).positions) <= 0.005, tau


@EVERY
def test_closed_pieces_are_never_inside_out(name):
    """What is not there yet, or no longer, has no volume."""
    for tau in LIFE:
        volumes = growth.volumes_of_closed_pieces(specimen(name).mesh, positions(name, tau))
        assert (volumes > -1e-10 * growth.size(positions(name, tau)) ** 3).all(), tau
        assert specimen(name).matter is None or len(volumes)


@EVERY
@pytest.mark.parametrize("seed", [SEED, 1])
def test_nothing_jumps(name, seed):
    one = specimen(name) if seed == SEED else grow(SPECIES[name](), seed)
    assert growth.jump(one, 0.05) < 0.05


@pytest.mark.parametrize("frame", [1, 100, 239])
def test_a_jump_between_any_two_frames_is_found(frame):
    """Of points that are elsewhere from that frame on, and that drift evenly at all times."""
    line, at = np.linspace([0, 0, 0], [0, 0, 1.0], 5), frame / (growth.FRAMES - 1) - 1e-6

    class Jumping:
        def at(self, tau: float) -> Frame:
            return Frame(tau, positions=line + [2 * tau + 0.04 * (tau >= at), 0, 0])

    assert growth.jump(Jumping(), 0.03) == pytest.approx(0.04 + 2 / 239, rel=1e-6)
    assert growth.jump(Jumping(), 0.06) < 0.06


@EVERY
def test_it_lives(name):
    """Every process that it says it has moves it or changes its colour, and all of its life does both."""
    life = SPECIES[name].life
    for process, (start, end) in life.stretches.items():
        one = grow(structs.replace(SPECIES[name](), **SPECIES[name].needs.get(process, {})), SEED)
        first, last = one.at(start), one.at(end)
        moved = np.linalg.norm(last.positions - first.positions, axis=1).max() / growth.size(first.positions)
        assert moved > 0.02 or np.abs(last.albedo - first.albedo).mean() > 0.02, process
    frames = [specimen(name).at(tau) for tau in LIFE]
    size = max(growth.size(frame.positions) for frame in frames)
    moved = max(np.linalg.norm(frame.positions - frames[0].positions, axis=1).max() for frame in frames) / size
    assert moved > 0.1 and max(np.abs(frame.albedo - frames[0].albedo).mean() for frame in frames) > 0.05
    assert 0 <= life.prime <= 1


@EVERY
def test_matter_is_kept_by_its_law(name):
    if specimen(name).matter is None:
        pytest.skip("it says nothing of its volume")
    assert growth.law_broken(specimen(name), LIFE) < 0.01


@EVERY
def test_the_seed_is_the_individual(name):
    again, other = grow(SPECIES[name](), SEED), grow(SPECIES[name](), SEED + 1)
    for tau in (0.0, 0.37, 0.9):
        frame = again.at(tau)
        assert frame.positions.tobytes() == positions(name, tau).tobytes()
        assert frame.albedo.tobytes() == specimen(name).at(tau).albedo.tobytes()
    assert again.mesh.uv.tobytes() == specimen(name).mesh.uv.tobytes()
    if len(other.mesh.vertices) == len(again.mesh.vertices):
        apart = np.linalg.norm(other.at(0.5).positions - again.at(0.5).positions, axis=1)
        assert np.percentile(apart, 90) > 0.005 * growth.size(again.mesh.vertices)


@EVERY
def test_moments_do_not_depend_on_those_before(name):
    one = grow(SPECIES[name](), SEED)
    one.at(1.0)
    assert one.at(0.37).positions.tobytes() == positions(name, 0.37).tobytes()


@EVERY
def test_height_is_a_similarity(name):
    usual = SPECIES[name]()
    large = grow(structs.replace(usual, height=3 * usual.height), SEED)
    for tau in (0.0, 0.5, 1.0):
        small = positions(name, tau)
        assert np.allclose(large.at(tau).positions, 3 * small, atol=3e-5 * growth.size(small))
        assert np.allclose(large.at(tau).albedo, specimen(name).at(tau).albedo, atol=1e-4)


# The parts that the tooltip of `height` speaks of, where these are not all of them; it speaks of the prime.
TALL = {
    "lily": {"pistil"},
    "sunflower": {"receptacle", "florets"},
    "oak_leaf": {"twig", "leaves"},
    "apple": {"fruit"},
    "candle": {"wax"},
    "ice_block": {"ice"},
    "match": {"stick", "head"},
}


@EVERY
@pytest.mark.parametrize("seed", [SEED, 1, 4711])
def test_it_is_as_tall_as_it_says(name, seed):
    record = SPECIES[name](detail=0.5)
    one, tau = grow(record, seed), 0.0 if name == "candle" else record.life.prime  # the new candle
    names = TALL.get(name, set(one.mesh.part_names))
    tops = [height.max() for height in heights_of(one, tau, names, record)]
    assert max(tops) == pytest.approx(record.height, rel=0.035)


def heights_of(one: Specimen, tau: float, names: set[str], record: Species) -> list[np.ndarray]:
    """Of each part, metres; of an oak's leaves, which are grids, the midribs alone."""
    heights = {name: of_parts(one, tau, {name})[:, 2] for name in names}
    if isinstance(record, OakLeaf):
        rows, columns = finer(32 + 8 * record.lobes, record.detail), finer(17, record.detail) | 1
        blades = heights["leaves"][-record.leaves * rows * columns :]  # after the stalks
        heights["leaves"] = blades.reshape(-1, columns)[:, columns // 2]
    return list(heights.values())


@EVERY
def test_detail_is_another_mesh_of_the_same_individual(name):
    usual, coarse = specimen(name), grow(SPECIES[name](detail=0.5), SEED)
    assert len(coarse.mesh.vertices) < 0.6 * len(usual.mesh.vertices)
    assert coarse.mesh.part_names == usual.mesh.part_names
    assert growth.islands(coarse.mesh) == growth.islands(usual.mesh)
    for tau in (0.0, 0.6, 1.0):
        fine, rough = positions(name, tau), coarse.at(tau).positions
        size = growth.size(fine)
        assert np.allclose(fine.min(axis=0), rough.min(axis=0), atol=0.06 * size)
        assert np.allclose(fine.max(axis=0), rough.max(axis=0), atol=0.06 * size)
    assert np.isfinite(grow(SPECIES[name](detail=0.3), SEED).at(0.7).positions).all()


# Of each parameter that counts: the parts whose vertices it may move, and whether those of one fewer stay as they are.
COUNTED = {
    ("rose", "petals"): (("petals",), False),
    ("rose", "leaves"): (("leaves",), True),
    ("rose", "thorns"): (("thorns",), True),
    ("rose", "fallen"): (("petals",), False),
    ("lily", "petals"): (("tepals",), False),
    ("lily", "leaves"): (("leaves",), True),
    ("lily", "fallen"): (("tepals",), False),
    ("sunflower", "petals"): (("rays",), False),
    ("sunflower", "leaves"): (("leaves", "leaf stalks"), True),
    ("sunflower", "florets"): (("florets",), False),
    ("sprout", "leaves"): (("leaves",), True),  # by a pair more the shoot has a node more
    ("mushroom", "spots"): (("warts",), False),
    ("oak_leaf", "leaves"): (("leaves",), False),  # another falls in its place
    ("oak_leaf", "lobes"): (("leaves",), False),
    ("oak_leaf", "fallen"): (("leaves",), False),
    ("apple", "leaf"): (("leaf",), True),
    ("bread", "cuts"): (("loaf",), False),
    ("candle", "wicks"): (("wick", "flame"), False),
    ("candle", "drips"): (("wax", "wick", "flame"), False),  # what has run over is missing in the pool, which sinks
    ("ice_cream", "scoops"): (("scoops", "pool"), False),
    ("ice_cream", "drips"): (("drips", "scoops", "pool"), False),  # what runs down is missing above
}
AMONG = {("apple", "leaf"): {"leaf": 2}, ("candle", "wicks"): {"wicks": 4, "girth": 0.5}}  # the others that are there


def of_parts(one: Specimen, tau: float, names: set[str]) -> np.ndarray:
    """(n, 3) vertices of the parts that are called so, part after part."""
    chosen = [one.mesh.parts == one.mesh.part_names.index(name) for name in sorted(names)]
    return np.concatenate([np.zeros((0, 3)), *(one.at(tau).positions[part] for part in chosen)])


@pytest.mark.parametrize(("name", "field"), COUNTED)
def test_one_fewer_of_a_kind_changes_nothing_else(name, field):
    counted, stays = COUNTED[name, field]
    record = SPECIES[name](detail=0.5, **AMONG.get((name, field), {}))
    usual, fewer = (grow(structs.replace(record, **{field: getattr(record, field) - k}), SEED) for k in (0, 1))
    for tau in (0.0, 0.45, 0.8):
        atol = 1e-6 * growth.size(usual.at(tau).positions)
        others = [of_parts(one, tau, set(one.mesh.part_names) - set(counted)) for one in (usual, fewer)]
        assert others[0].shape == others[1].shape and np.allclose(*others, rtol=0, atol=atol), tau
        if stays:
            left, all_ = (of_parts(one, tau, set(counted)) for one in (fewer, usual))
            assert len(left) < len(all_) and cKDTree(all_).query(left)[0].max() <= atol, tau


def test_all_that_counts_is_told():
    counts = {(name, field) for name in SPECIES for field, end in ends(name) if isinstance(end, int)}
    assert counts == set(COUNTED)


@EVERY
def test_colour_is_no_other_individual(name):
    blue = grow(SPECIES[name](colour=(0.02, 0.02, 0.5)), SEED)
    for tau in (0.0, 0.5, 0.9):
        assert np.array_equal(blue.at(tau).positions, positions(name, tau))


@EVERY
def test_detail_moves_no_piece(name):
    """Each island of a coarse mesh is about where that of the usual one is."""
    usual, coarse = specimen(name), grow(SPECIES[name](detail=0.5), SEED)
    for tau in (0.0, 0.45, 0.8):
        middles = []
        for one in (usual, coarse):
            now = one.at(tau).positions
            pieces = parts(len(now), one.mesh.faces)
            boxes = [
                np.stack([now[pieces == k].min(axis=0), now[pieces == k].max(axis=0)]) for k in range(pieces.max() + 1)
            ]
            middles.append(np.array(boxes).mean(axis=1))
        assert np.abs(middles[0] - middles[1]).max() <= 0.03 * growth.size(positions(name, tau)), tau


def ends(name: str) -> list[tuple[str, int | float]]:
    """Each parameter that is a number with its least and with its largest value."""
    found = []
    for field in inspect.type_info(SPECIES[name]).fields:
        kind = getattr(field.type, "type", field.type)  # a title wraps the type
        if isinstance(kind, inspect.IntType | inspect.FloatType):
            number = int if isinstance(kind, inspect.IntType) else float
            found += [(field.name, number(kind.ge)), (field.name, number(kind.le))]
    return found


def test_ends_are_found():
    assert ("petals", 12) in ends("rose") and ("petals", 60) in ends("rose") and ("damp", 0.0) in ends("apple")
    assert all(len(ends(name)) == 2 * (len(SPECIES[name].__struct_fields__) - 1) for name in SPECIES)  # not the colour


def at_its_end(name: str, field: str, end: float, **others: float) -> None:
    """Finite, above the floor, hardly crossing; a coarse mesh, whose chords cut corners, may cross a little more."""
    record = SPECIES[name](**{field: end}, **others)
    bound = 0.005 if record.detail >= 1 else 0.01 if record.detail >= 0.4 else 0.02
    one = grow(record, SEED)
    for tau in (0.0, 0.55, 1.0):
        now = one.at(tau).positions
        assert np.isfinite(now).all(), (record, tau)
        assert now[:, 2].min() >= -0.01 * growth.size(now), (record, tau)
        assert growth.crossing_share(one.mesh, now) <= bound, (record, tau)


@EVERY
def test_parameters_hold_at_their_ends(name):
    """But for the height, which is a similarity (tested above)."""
    for field, end in ends(name):
        if field != "height":
            at_its_end(name, field, end)
        if field not in ("detail", "height"):
            at_its_end(name, field, end, detail=0.4)


@EVERY
def test_colour_is_seen_where_it_is_said(name):
    """Blue in place of the usual colour: there is more blue at the time at which it is itself."""
    life = SPECIES[name].life
    tau = max([life.prime, *(end for _, end in life.stretches.values() if end < 0.95)])
    seen = [
        grow(SPECIES[name](colour=colour), SEED).at(tau).albedo for colour in ((0.5, 0.02, 0.02), (0.02, 0.02, 0.5))
    ]
    red, blue = (albedo.mean(axis=0) for albedo in seen)
    assert blue[2] > red[2] + 0.01 and blue[0] < red[0] - 0.01


@EVERY
def test_no_texel_belongs_to_two_islands(name):
    mesh = grow(SPECIES[name](detail=0.5), SEED).mesh
    corners = mesh.uv[mesh.triangles]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert area.sum() < 1.0 and (area > 0).mean() > 0.98
    middles, side = corners.mean(axis=1), 512
    texel = np.floor(middles * side).astype(int)
    found: dict[tuple[int, int], int] = {}
    island = growth.islands_of_uv(mesh)
    clashes = sum(found.setdefault(tuple(t), k) != k for t, k in zip(texel.tolist(), island.tolist(), strict=True))
    assert clashes <= 0.01 * len(texel)
