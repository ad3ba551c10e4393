"""What is known of a body whose vertices have moved."""

from functools import cached_property

import numpy as np
import pytest

from backend.geometry.anatomy import Anatomy
from tests.shapes import body_of, potted

KEPT = {"hollows", "vessel"}  # a pot stays a pot, whatever becomes of it
MEASURED = sorted({name for name, member in vars(Anatomy).items() if isinstance(member, cached_property)} - KEPT)


@pytest.mark.parametrize("name", [name for name in MEASURED if name not in ("planted", "winding")])
def test_what_is_measured_is_measured_anew_where_the_vertices_have_moved(name):
    body = body_of(*potted())
    before = Anatomy(body)
    old = getattr(before, name)
    bent = body.vertices * [1.7, 0.8, 0.6] + 0.3 * body.vertices[:, [2, 0, 1]] ** 2
    moved = before.posed(bent)
    fresh = Anatomy(body_of(bent, body.faces))
    np.testing.assert_array_equal(getattr(moved, name), getattr(fresh, name))
    assert not np.array_equal(getattr(moved, name), old)
    assert getattr(before, name) is old  # the body that stays has kept its own


def test_a_moved_body_keeps_its_parts_and_its_root():
    body = body_of(*potted())
    before = Anatomy(body)
    moved = before.posed(body.vertices[:, [1, 2, 0]])
    for name in ("held", "labels", "bridged", "is_sheet", "vessel"):
        assert getattr(moved, name) is getattr(before, name)
