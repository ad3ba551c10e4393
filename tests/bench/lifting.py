"""Picture to mesh: how far the lifted motion of a mesh is from the true one, where the picture shows it and where not.

The truth is a wind that the prior has not seen, and the picture its exact projection, or spoilt. "as learned" is
what a network makes of it: edges that bleed, and errors that go together; how far, is known or not. Errors are root
mean squares over time and vertices, of that of the true motion; 1 is that of no motion at all.

ENVIRONMENT: learned
"""

import backend.threads  # noqa: F401  # isort: skip

import sys
import time
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from backend import protocol, spectral, wind
from backend.lifting import SHARP, Blur
from backend.pipelines.expected import WEIGHTS
from backend.pipelines.seen import LEARNED, sway_as_seen
from backend.pipelines.sway import Swaying, sway
from backend.priors.dynamics import Dynamics
from backend.report import silent
from backend.spectral import SpectralVolume
from backend.training.dynamics import corpus
from tests import filmed
from tests.bench.motion import ablations
from tests.bench.motion.softness import softness
from tests.bench.subjects import subjects
from tests.bench.table import Table

KINDS = ("oak_leaf", "rose", "sunflower", "sprout", "mushroom")
FOUND = ("spot", "teapot")
DETAIL = 0.3
SIZE = (64, 64)
FROM = np.array([0.7, 1.0, -0.3])
SOFT, GRAIN = LEARNED.soft, LEARNED.grain  # of a learned picture
PICTURES = 32


def spoilt(shown: SpectralVolume, noise: float, soft: float, grain: float) -> SpectralVolume:
    """With noise that is `noise` times what is seen on the mesh, in each bin."""
    coefficients = shown.coefficients
    there = (coefficients != 0).any(axis=(0, 3))
    rng = np.random.default_rng(0)
    parts = []
    for part in (coefficients.real, coefficients.imag):
        errors = rng.normal(size=part.shape)
        if grain > 1:
            errors = gaussian_filter(errors, (0, grain**0.5 / 2, grain**0.5 / 2, 0))
            errors /= errors.std()
        size = np.sqrt((np.abs(coefficients[:, there]) ** 2).mean(axis=(1, 2)) / 2)
        soft_part = gaussian_filter(part, (0, soft, soft, 0)) if soft else part
        parts.append(soft_part + noise * size[:, None, None, None] * errors * there[..., None])
    return replace(shown, coefficients=(parts[0] + 1j * parts[1]).astype(np.complex64))


def blown(swaying: Swaying) -> SpectralVolume:
    other = replace(swaying.answer.wind, seed=77)
    answer = wind.sway_both_ways(swaying.limber, other, spectral.Loop())
    return spectral.lifted(answer.towards(0.6), swaying.modes.shapes)


def rows(table: Table, name: str, swaying: Swaying) -> None:
    points, faces = swaying.mesh.vertices, swaying.mesh.faces
    camera = filmed.portrait(points, FROM, SIZE)
    truth, shown = filmed.filmed(camera, points, faces, blown(swaying), SIZE)
    seen = filmed.seen_vertices(camera, points, faces, SIZE)
    title = f"{name}, {len(points)} vertices, {seen.mean():.0%} seen"
    nearest = filmed.nearest(points, seen)
    baselines = {
        "zero motion": np.zeros_like(truth.coefficients),
        "the nearest seen vertex, as the picture shows it": filmed.in_the_picture(camera, points, truth).coefficients,
        "the nearest seen vertex, its depth known": truth.coefficients,
    }
    for way, coefficients in baselines.items():
        copied = replace(truth, coefficients=coefficients[:, nearest])
        table.add(f"{title}: hidden, {way}", filmed.apart(copied, truth, ~seen), "")
    learned, told = spoilt(shown, 0.3, SOFT, GRAIN), Blur(SOFT, GRAIN)
    for way, picture, blur in (
        ("exact", shown, SHARP),
        ("10 % noise", spoilt(shown, 0.1, 0, 1), SHARP),
        ("as learned, taken for sharp", learned, SHARP),
        ("as learned", learned, told),
    ):
        began = time.perf_counter()
        found = sway_as_seen(swaying, camera, picture, silent, blur)
        took = time.perf_counter() - began
        bound = None if way.endswith("sharp") else 0.5
        table.add(f"{title}: {way}, seen", filmed.apart(found.volume, truth, seen), "")
        table.add(f"{title}: {way}, hidden", filmed.apart(found.volume, truth, ~seen), "", bound)
    table.add(f"{title}: time", took, "s", bound=5.0)


def of_model() -> None:
    """How soft what a model says is, where there is one, beside what is taken for granted."""
    try:
        model = Dynamics.load(WEIGHTS)
    except FileNotFoundError:
        print(f"No weights lie in {WEIGHTS}: how soft what a model says is, is not measured", file=sys.stderr)
        return
    sizes = model.sizes
    recipe = corpus.Recipe(sizes.height, sizes.width, sizes.bins)
    folder = ablations.folder(recipe)
    corpus.make(folder, recipe, {"kinds": PICTURES})
    found = softness(model, corpus.opened(folder, "kinds").batch(range(PICTURES)))
    table = Table(f"How soft the motion is that comes back from the autoencoder, {PICTURES} held-out pictures")
    table.add(f"soft, taken to be {LEARNED.soft:g}", found.soft, "pixels", LEARNED.soft + 0.25, LEARNED.soft - 0.25)
    table.add(f"grain, taken to be {LEARNED.grain:g}", found.grain, "pixels")
    table.show()


def main() -> None:
    of_model()
    table = Table(f"The motion of a picture of {SIZE[0]} x {SIZE[1]} lifted to the mesh, error of the motion")
    made = subjects()
    meshes = {kind: filmed.specimen(kind, DETAIL) for kind in KINDS}
    for name, mesh in (meshes | {name: made[name]() for name in FOUND if name in made}).items():
        rows(table, name, sway(mesh, protocol.Sway(), silent))
    table.show()


if __name__ == "__main__":
    main()
