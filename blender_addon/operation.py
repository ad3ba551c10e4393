# SPDX-License-Identifier: GPL-3.0-or-later

"""The border at which what went wrong in an operator becomes a sentence."""

from . import events
from .pump import JobFailed

EXPECTED = (ValueError, OSError, JobFailed)  # TimeoutError and ConnectionError are OSErrors


class Operation:
    """An operator that does one thing, carry_out(), and reports its sentence where that fails."""

    bl_options = {"INTERNAL"}

    def execute(self, context):
        try:
            self.carry_out(context)
        except EXPECTED as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            events.wake()
        return {"FINISHED"}
