"""What a certificate says, against closed forms."""

import numpy as np
import pytest

from backend.certificate import Measure, is_closed
from backend.clip import Frame, Mesh

# A tetrahedron of volume 1/6, faces outwards.
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)


def measured(mesh, *positions):
    measure = Measure(mesh)
    for k, moved in enumerate(positions):
        measure.add(Frame(k / len(positions), moved.astype(np.float32)))
    return {name: value for name, value, _ in measure.certificate().measured}


def test_a_stretched_tetrahedron():
    found = measured(Mesh.from_triangles(CORNERS, FACES), CORNERS, CORNERS * [1, 1, 1.5], CORNERS * [1, 1, 1.2])
    assert found["largest change of volume"] == pytest.approx(0.5, abs=1e-6)
    assert found["largest displacement"] == pytest.approx(0.5, abs=1e-6)
    assert found["largest step between frames"] == pytest.approx(0.5, abs=1e-6)
    assert found["faces turned over within one frame"] == 0
    assert found["frames"] == 3


def test_a_mirrored_tetrahedron_has_turned_faces():
    found = measured(Mesh.from_triangles(CORNERS, FACES), CORNERS, CORNERS * [1, 1, -1])
    assert found["faces turned over within one frame"] >= 1
    assert found["largest change of volume"] == pytest.approx(2.0)


def test_only_a_closed_surface_has_a_volume():
    assert is_closed(FACES)
    assert not is_closed(FACES[:3])
    assert not is_closed(FACES[[0, 1, 2, 2]])
    flipped = FACES.copy()
    flipped[1] = flipped[1, ::-1]
    assert not is_closed(flipped)
    assert "largest change of volume" not in measured(Mesh.from_triangles(CORNERS, FACES[:3]), CORNERS)
