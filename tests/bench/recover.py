"""The demo of `build.py bench kernels --demo`: a shape and its colours, found again from eight pictures of them.

The unknown is a sphere with bumps and a dent, painted. Given are its pictures from eight cameras: bare colours, and
silhouettes. The guess starts as a plain grey sphere of other triangles, is rendered, and goes downhill in the
difference of the pictures, by the gradients of `kernels.interpolate` within the outline and `kernels.antialias` at it.
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import igl
import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.sparse import coo_matrix, csr_matrix, diags, identity
from scipy.sparse.linalg import splu
from torch import Tensor

from backend.render.cameras import Cameras, orbit
from backend.render.mesh import Picture, render
from tests.bench.table import Table

OUT = Path("out/kernels")
SIDE, STEPS = 256, 300
SHOWN = 0, 5, 20, STEPS
DISTANCE, FOVY = 4.2, 0.7
FINER = 4  # the given pictures are drawn this many times as large, and then averaged


class Painted(NamedTuple):
    """A triangle mesh with a colour at each vertex."""

    vertices: Tensor  # (V, 3)
    colours: Tensor  # (V, 3) in [0, 1]
    faces: Tensor  # (F, 3) int32


def sphere(subdivisions: int) -> Painted:
    """A plain grey one of radius 1."""
    mesh = trimesh.creation.icosphere(subdivisions)
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32)
    return Painted(vertices, torch.full_like(vertices, 0.5), torch.tensor(mesh.faces, dtype=torch.int32))


# Of the unknown, towards a direction: how high it swells, how narrowly, and its paint.
SPOTS = (
    ((0.9, -0.5, 0.4), 0.38, 9.0, (0.96, 0.62, 0.22)),
    ((-0.7, -0.6, -0.2), 0.30, 12.0, (0.85, 0.25, 0.38)),
    ((-0.3, 0.5, 0.8), 0.42, 8.0, (0.98, 0.87, 0.55)),
    ((0.3, 0.9, -0.5), 0.26, 14.0, (0.22, 0.52, 0.55)),
    ((0.4, -0.5, -0.8), 0.30, 10.0, (0.42, 0.62, 0.28)),
    ((-0.9, 0.4, 0.0), 0.22, 16.0, (0.50, 0.30, 0.62)),
    ((-0.2, -0.9, 0.4), -0.22, 9.0, (0.97, 0.80, 0.78)),
    ((0.8, 0.5, 0.5), 0.0, 1.0, (0.90, 0.42, 0.30)),
)


def unknown(subdivisions: int) -> Painted:
    """A sphere of radius 1 with bumps, a dent and paint, alike from no two sides."""
    ball = sphere(subdivisions)
    directions, heights, narrowness, paint = (torch.tensor(each) for each in zip(*SPOTS, strict=True))
    points, towards = ball.vertices, ball.vertices @ torch.nn.functional.normalize(directions, dim=1).T
    radius = 1 + torch.exp(narrowness * (towards - 1)) @ heights
    colours = torch.softmax(5 * towards, dim=1) @ paint
    stripes = torch.sin(points @ torch.tensor([5.0, -7.0, 9.0]) + 2 * torch.sin(points @ torch.tensor([3.0, 4.0, 2.0])))
    return Painted(points * radius[:, None], colours * (1 - 0.1 * (1 + stripes[:, None])), ball.faces)


def unit(direction: tuple[float, float, float]) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(direction), dim=0)


def cameras() -> Cameras:
    """Eight around it, by turns a little above and below the horizon."""
    azimuth = torch.arange(8) * (math.pi / 4)
    elevation = torch.tensor([0.45, -0.35]).repeat(4)
    return orbit(azimuth, elevation, DISTANCE, FOVY)


def photograph(subject: Painted, views: Cameras, side: int, finer: int = 1) -> Picture:
    """Colours on black, and coverage, with `finer` x `finer` samples a pixel."""
    picture = render(subject.colours, views.project(subject.vertices), subject.faces, side * finer, side * finer)
    return Picture(*(averaged(each, finer) for each in picture))


def averaged(picture: Tensor, by: int) -> Tensor:
    """(B, by H, by W, ...) -> (B, H, W, ...)."""
    views, height, width, *rest = picture.shape
    return picture.reshape(views, height // by, by, width // by, by, *rest).mean(dim=(2, 4))


class Diffused(torch.autograd.Function):
    """u -> x = (I + smoothness L)^-1 u, with L the graph Laplacian of the mesh; `solve` is a factorisation's."""

    @staticmethod
    def forward(ctx, u: Tensor, solve: Callable[[NDArray], NDArray]) -> Tensor:
        ctx.solve = solve
        return torch.from_numpy(solve(u.double().numpy())).to(u)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        # the matrix is symmetric, so it is its own adjoint
        return torch.from_numpy(ctx.solve(gradient.double().numpy())).to(gradient), None


class Descent:
    """Numbers x (V, C) of a mesh's vertices that go downhill in smooth steps, by Adam in u = (I + smoothness L) x.

    So a mesh does not crumple, and no term for smoothness pulls at where it arrives. Of Adam's step lengths the one for
    the steepest number holds for all, because a length for each would undo the diffusion. Nicolet, Jacobson and Jakob,
    "Large steps in inverse rendering of geometry", ACM Transactions on Graphics 40 (6), 2021.
    """

    def __init__(self, x: Tensor, faces: Tensor, smoothness: float, rate: float):
        matrix = identity(len(x)) + smoothness * laplacian(faces.numpy())
        self.solve = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
        self.u = torch.from_numpy(matrix @ x.double().numpy()).to(x).requires_grad_()
        self.rate, self.steps = rate, 0
        self.mean, self.square = torch.zeros_like(x), torch.zeros_like(x)

    def x(self) -> Tensor:
        return Diffused.apply(self.u, self.solve)

    def step(self, share: float) -> None:
        """Down the gradient that u has, by this share of the rate."""
        self.steps += 1
        self.mean.lerp_(self.u.grad, 0.1)
        self.square.lerp_(self.u.grad**2, 0.01)
        steepest = (self.square.max() / (1 - 0.99**self.steps)).sqrt()
        self.u.data -= share * self.rate / (1 - 0.9**self.steps) * self.mean / steepest
        self.u.grad = None


def laplacian(faces: NDArray) -> csr_matrix:
    """(V, V) of the graph that the edges are: at a vertex its number of neighbours, -1 for each."""
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = coo_matrix((np.ones(len(sides)), sides.T)).tocsr()
    graph = ((graph + graph.T) > 0).astype(float)
    return diags(graph.sum(axis=1).A1) - graph


def recover(given: Picture, views: Cameras, start: Painted, steps: int) -> Iterator[Painted]:
    """The guess before each step and after the last: steps + 1 of them."""
    side = given.coverage.shape[1]
    # the graph measures in edges: this is a third of a sphere's radius, whatever its triangles
    smoothness = len(start.vertices) / 85
    shape = Descent(start.vertices, start.faces, smoothness, rate=0.3)
    paint = Descent(start.colours, start.faces, smoothness=1, rate=0.1)
    for step in range(steps):
        vertices, colours = shape.x(), paint.x()
        yield Painted(vertices.detach(), colours.detach(), start.faces)
        image, coverage = render(colours, views.project(vertices), start.faces, side, side)
        # absolute differences: squared ones care little for the last tenth of a pixel
        loss = (image - given.image).abs().sum(dim=3).mean() + (coverage - given.coverage).abs().mean()
        loss.backward()
        share = 0.5 * (1 + math.cos(math.pi * step / steps))
        shape.step(share)
        paint.step(share)
    yield Painted(shape.x().detach(), paint.x().detach(), start.faces)


class Found(NamedTuple):
    """How near a guess is."""

    distance: float  # root mean square over both surfaces, of the radius 1
    colour: float  # root mean square difference to the colour at the nearest point
    overlap: float  # of the silhouettes: intersection over union in all views


def compare(guess: Painted, truth: Painted, views: Cameras) -> Found:
    """By libigl's nearest points, which the renderer has no part in."""
    there, colour = nearest(guess, truth)
    back, _ = nearest(truth, guess)
    seen, wanted = (photograph(each, views, SIDE).coverage > 0.5 for each in (guess, truth))
    return Found(
        distance=math.sqrt((np.mean(there**2) + np.mean(back**2)) / 2),
        colour=math.sqrt(np.mean((colour - guess.colours.numpy()) ** 2)),
        overlap=float((seen & wanted).sum() / (seen | wanted).sum()),
    )


def nearest(guess: Painted, truth: Painted) -> tuple[NDArray, NDArray]:
    """(V,) distance of the vertices of one from the surface of the other, and the colours (V, 3) it has there."""
    vertices, faces = truth.vertices.double().numpy(), truth.faces.numpy()
    square, face, point = igl.point_mesh_squared_distance(guess.vertices.double().numpy(), vertices, faces)
    shares = trimesh.triangles.points_to_barycentric(vertices[faces[face]], point)
    return np.sqrt(square), np.einsum("vk,vkc->vc", shares, truth.colours.numpy()[faces[face]])


# The picture

TILE, GAP, MARGIN, TITLE = 300, 6, 34, 44  # pixels
PAGE, WALL, INK = (250, 249, 246), 0.915, (60, 56, 52)
LIGHTS = ((-0.5, 0.6, 0.6), 0.66), ((0.9, -0.1, 0.1), 0.14)  # towards each, as the camera has it, and how bright
AMBIENT = 0.42
MAP = "distance / radius"  # the title of a column that is not lit
FAR = 0.01  # the distance, of the radius, that is dark in the map
RAMP = torch.tensor([[0.90, 0.93, 0.95], [0.98, 0.80, 0.45], [0.86, 0.33, 0.20], [0.33, 0.05, 0.16]])


def portrait(subject: Painted, camera: Cameras, light: bool) -> NDArray:
    """(TILE, TILE, 3) bytes: the subject in a studio, or its bare colours."""
    colours = subject.colours
    if light:
        mesh = trimesh.Trimesh(subject.vertices, subject.faces, process=False)
        normals = torch.tensor(mesh.vertex_normals, dtype=torch.float32) @ camera.view[0, :3, :3].T
        brightness = sum(bright * (0.5 + 0.5 * normals @ unit(toward)) ** 1.5 for toward, bright in LIGHTS)
        colours = colours * (AMBIENT + brightness[:, None])
    image, coverage = photograph(subject._replace(colours=colours), camera, TILE, finer=3)
    return ((image + (1 - coverage[..., None]) * WALL)[0].clamp(0, 1) * 255).round().byte().numpy()


def coloured(distance: NDArray) -> Tensor:
    """(V, 3) colours of distances, those of RAMP from 0 to FAR."""
    place = torch.from_numpy(distance).float().div(FAR).clamp(0, 1) * (len(RAMP) - 1)
    below = place.long().clamp(max=len(RAMP) - 2)
    return torch.lerp(RAMP[below], RAMP[below + 1], (place - below)[:, None])


def draw(columns: dict[str, Painted], notes: dict[str, str], rows: dict[str, Cameras], path: Path) -> None:
    """Write the subjects between their titles and the notes to them, in the views of the rows."""
    width = MARGIN + len(columns) * (TILE + GAP)
    height = TITLE + len(rows) * (TILE + GAP) + TITLE
    page = Image.new("RGB", (width, height), PAGE)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(19)
    for j, (title, subject) in enumerate(columns.items()):
        left = MARGIN + j * (TILE + GAP)
        pen.text((left + TILE / 2, TITLE / 2), title, INK, font, anchor="mm")
        pen.text((left + TILE / 2, height - TITLE / 2), notes.get(title, ""), INK, font, anchor="mm")
        for i, camera in enumerate(rows.values()):
            tile = portrait(subject, camera, light=title != MAP)
            page.paste(Image.fromarray(tile), (left, TITLE + i * (TILE + GAP)))
    for i, title in enumerate(rows):
        label = Image.new("RGB", (TILE, MARGIN), PAGE)
        ImageDraw.Draw(label).text((TILE / 2, MARGIN / 2), title, INK, font, anchor="mm")
        page.paste(label.rotate(90, expand=True), (0, TITLE + i * (TILE + GAP)))
    left, top = width - GAP - TILE, height - TITLE + 4
    scale = coloured(np.linspace(0, FAR, 160)).expand(12, 160, 3).mul(255).byte().numpy()
    page.paste(Image.fromarray(scale), (left + 70, top + 10))
    pen.text((left + 60, top + 16), "0", INK, font, anchor="rm")
    pen.text((left + 240, top + 16), f"{FAR:.0%}", INK, font, anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def main() -> None:
    views = cameras()
    truth, start = unknown(5), sphere(4)
    given = photograph(truth, views, SIDE, FINER)
    columns, began = {}, time.perf_counter()
    for step, guess in enumerate(recover(given, views, start, STEPS)):
        if step in SHOWN:
            columns[f"step {step}" if step else "start"] = guess
    seconds = time.perf_counter() - began
    found = {title: compare(each, truth, views) for title, each in columns.items()}
    before, *_, after = found.values()
    table = Table(
        f"A sphere of {len(start.faces):,} triangles becomes the unknown of {len(truth.faces):,}, "
        f"from 8 pictures of {SIDE} x {SIDE}, in {STEPS} steps"
    )
    table.add("distance before, root mean square", 100 * before.distance, "% of the radius")
    table.add("distance after", 100 * after.distance, "% of the radius", 1)
    table.add("silhouettes before, intersection / union", before.overlap, "")
    table.add("silhouettes after", after.overlap, "", least=0.99)
    table.add("colour before, root mean square difference", before.colour, "of 1")
    table.add("colour after", after.colour, "of 1", 0.03)
    table.add("time", seconds, "s", 120)
    table.show()
    notes = {title: f"off by {each.distance:.1%}, colour {each.colour:.1%}" for title, each in found.items()}
    distance, _ = nearest(guess, truth)
    columns |= {"the unknown": truth, MAP: guess._replace(colours=coloured(distance))}
    one, another = (Cameras(views.view[k, None], views.projection[k, None]) for k in (0, 3))
    unseen = orbit(torch.tensor([3.5]), 0.75, DISTANCE, FOVY)
    path = OUT / "recovered.png"
    draw(columns, notes, {"a given view": one, "another": another, "a view not given": unseen}, path)
    print(f"\n{path}")
