# SPDX-License-Identifier: GPL-3.0-or-later

"""What operators share: the border at which what went wrong becomes a sentence, and what they are on."""

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


class OnActive:
    """An operator on the active object, where that is what it is for, and can be changed."""

    wanted = ""  # what to select, in words

    @classmethod
    def poll(cls, context):
        obj = context.active_object
        if obj is None or not cls.suits(obj):
            cls.poll_message_set(cls.wanted)
            return False
        if context.mode != "OBJECT" or obj.library or obj.data.library:
            cls.poll_message_set("It works in Object Mode, on an object of this file")
            return False
        return cls.fits(obj)

    @staticmethod
    def suits(obj) -> bool:
        """Whether it is what the operator is for."""
        raise NotImplementedError

    @classmethod
    def fits(cls, obj) -> bool:
        """Whether there is anything to do; where there is not, it says so."""
        return True
