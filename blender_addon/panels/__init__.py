# SPDX-License-Identifier: GPL-3.0-or-later

"""The tab in the sidebar, panel by panel. It draws what is known and computes nothing."""

from . import animate, export, generate, jobs, life, specimen, state

CLASSES = (
    *state.CLASSES,
    *generate.CLASSES,
    *animate.CLASSES,
    *life.CLASSES,
    *specimen.CLASSES,
    *jobs.CLASSES,
    *export.CLASSES,
)
