"""Wrinkles of a film on a soft bed: their length, and the compression at which they begin."""

import numpy as np
import pytest

from backend.geometry.elastic.skin import film_on_bed
from backend.geometry.shell import Sheet

EDGE = 0.01


def even_sheet(columns: int, rows: int) -> Sheet:
    """Of equilateral triangles, along x."""
    j, i = np.mgrid[: rows + 1, : columns + 1]
    place = np.stack([EDGE * (i + 0.5 * (j % 2)), np.sqrt(0.75) * EDGE * j, 0.0 * i], axis=2).reshape(-1, 3)
    j, i = np.mgrid[:rows, :columns]
    a = (j * (columns + 1) + i).ravel()
    b, c, odd = a + 1, a + columns + 1, (j % 2).ravel() == 1
    upper = np.where(odd[:, None], np.stack([a, c + 1, c], 1), np.stack([b, c + 1, c], 1))
    lower = np.where(odd[:, None], np.stack([a, b, c + 1], 1), np.stack([a, b, c], 1))
    return Sheet(place, np.concatenate([lower, upper]))


@pytest.mark.parametrize(("wavelength", "buckling"), [(0.15, 0.02), (0.25, 0.005)])
def test_a_film_on_its_bed_gives_way_first_at_the_wavelength_asked_for_and_at_no_less_compression(wavelength, buckling):
    stretch = 7.0
    bending, tether = film_on_bed(wavelength, buckling, stretch)
    sheet = even_sheet(240, 24)
    inside = np.abs(sheet.vertices[:, 0] - 1.2) < 1.0

    def compression(length: float) -> float:
        """At which waves of that length cost no energy: what bends and lifts the film is paid by what it gives way."""
        height = np.sin(2.0 * np.pi / length * sheet.vertices[:, 0])
        fold = np.einsum("hk,hk->h", sheet.stencils, height[sheet.hinges])
        bent = bending * (sheet.hinge_weight * fold**2)[inside[sheet.hinges].all(axis=1)].sum()
        lifted = tether * (sheet.mass * height**2)[inside].sum()
        slope = np.einsum("fi,fij->fj", height[sheet.faces[:, 1:]] - height[sheet.faces[:, :1]], sheet.inverses)
        shortened = (sheet.area * (slope**2).sum(axis=1))[inside[sheet.faces].all(axis=1)].sum()
        return (bent + lifted) / (stretch * shortened)

    lengths = wavelength * np.linspace(0.6, 1.6, 41)
    needed = np.array([compression(length) for length in lengths])
    assert lengths[np.argmin(needed)] == pytest.approx(wavelength, rel=0.06)
    assert needed.min() == pytest.approx(buckling, rel=0.06)
