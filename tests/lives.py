"""Short lives of small bodies under one process, and what is measured of them."""

import numpy as np
import trimesh

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import PREVIEW
from backend.geometry.rest import Rest
from backend.pipelines.processes import make
from backend.pipelines.processes.process import Circumstances
from backend.pipelines.stages import live
from backend.protocol import Stage
from backend.report import silent
from tests.shapes import body_of


def ball(subdivisions=3, **rest):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    return body_of(mesh.vertices * [1.0, 0.9, 0.95] + [0.0, 0.0, 0.475], mesh.faces, **rest)


def lived(body, settings, taus=(0.0, 0.5, 1.0), amount=1.0, seed=3):
    stages = (Stage(process=settings, amount=amount),)
    return list(live(Anatomy(body), stages, seed, np.array(taus), PREVIEW, silent))


def made(body, settings, amount=1.0, seed=3):
    return make(settings, Circumstances(Anatomy(body), amount, seed, PREVIEW))


def rest_of(body, settings, tau, **rest) -> Rest:
    state = Rest.of(len(body.vertices))
    made(body, settings, **rest).rest(tau, state)
    return state


def area(positions, faces):
    a, b, c = (positions[faces[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()


def volume(positions, faces):
    a, b, c = (positions[faces[:, k]] for k in range(3))
    return np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6.0
