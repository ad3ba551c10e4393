# SPDX-License-Identifier: GPL-3.0-or-later

"""The tab in the sidebar, panel by panel. It draws what is known and computes nothing."""

from . import animate, backend, generate, jobs, life

CLASSES = (*backend.CLASSES, *generate.CLASSES, *animate.CLASSES, *jobs.CLASSES, *life.CLASSES)
