# SPDX-License-Identifier: GPL-3.0-or-later

"""The tab in the sidebar, panel by panel. It draws what is known and computes nothing."""

from . import animate, export, generate, jobs, life, picture, specimen, state, sway, text_to_mesh

CLASSES = (
    *state.CLASSES,
    *generate.CLASSES,
    *specimen.CLASSES,
    *text_to_mesh.CLASSES,
    *animate.CLASSES,
    *sway.CLASSES,
    *picture.CLASSES,
    *life.CLASSES,
    *jobs.CLASSES,
    *export.CLASSES,
)
