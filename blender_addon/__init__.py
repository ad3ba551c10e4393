# SPDX-FileCopyrightText: 2026 Anthesis contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Anthesis in Blender: draws state, sends requests, applies frames. It computes nothing and never blocks.

Importing this package needs no Blender: `client/` is plain Python and is tested without one.
"""


def register():
    from . import registration

    registration.register()


def unregister():
    from . import registration

    registration.unregister()
