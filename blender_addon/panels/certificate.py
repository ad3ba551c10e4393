# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured about a clip, a row a thing: what was looked at several times stands in one."""

import re
import textwrap
from itertools import groupby

import bpy

WIDTH = 640  # pixels of the popup, at a scale of 1
_NAMES = 0.36  # of the width
_LETTERS = 64  # beside the names, on one line
_WHEN = re.compile(r"(.+) (at|in the) (\w+) (% of the frames|frame)")


def draw(layout: bpy.types.UILayout, title: str, measured: list) -> None:
    column = layout.column(align=True)
    column.label(text=title)
    column.separator()
    for name, said in rows(measured):
        for line in textwrap.wrap(said, _LETTERS):
            row = column.split(factor=_NAMES)
            row.label(text=name)
            row.label(text=line)
            name = ""


def rows(measured: list) -> list[tuple[str, str]]:
    """Name and words of each thing that was measured; `measured` is (name, value, unit) as in a Certificate."""
    found = []
    for (name, unit, looked_at), group in groupby(measured, key=_thing):
        group = list(group)
        said = f"{', '.join(f'{value:.4g}' for _, value, _ in group)} {unit}".strip()
        if looked_at:
            *times, last = (_WHEN.fullmatch(each)[3] for each, _, _ in group)
            said += f", {looked_at.format(' and '.join(filter(None, (', '.join(times), last))))}"
        found.append((name[:1].upper() + name[1:], said))
    return found


def _thing(one: tuple[str, float, str]) -> tuple[str, str, str]:
    """Of ("volume at 25 % of the frames", 0.9, "of it"): "volume", "of it", "at {} % of the frames"."""
    name, _, unit = one
    when = _WHEN.fullmatch(name)
    return (name, unit, "") if when is None else (when[1], unit, f"{when[2]} {{}} {when[4]}")
