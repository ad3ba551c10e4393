# SPDX-License-Identifier: GPL-3.0-or-later

"""The tab in the sidebar, panel by panel. It draws what is known and computes nothing."""

from . import animate, export, generate, jobs, life, state

CLASSES = (*state.CLASSES, *generate.CLASSES, *animate.CLASSES, *life.CLASSES, *jobs.CLASSES, *export.CLASSES)
