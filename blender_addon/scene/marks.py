"""Which objects are half arrived: a custom property with the name of who writes them, until they are whole.

It goes into every undo step and file, and a copy that the artist makes inherits it. So it names its object too, and on
any other object, or in a file that was opened again, it says nothing.
"""

import bpy

PROPERTY = "anthesis_half_arrived"


def put(obj, owner: str) -> None:
    """`owner` writes this object."""
    obj[PROPERTY] = f"{owner} {obj.session_uid}"


def owner_of(obj) -> str:
    """Who writes it; "" where nobody does."""
    owner, _, uid = str(obj.get(PROPERTY, "")).rpartition(" ")
    return owner if uid == str(obj.session_uid) else ""


def remove(obj) -> None:
    """It is whole, or the artist's."""
    obj.pop(PROPERTY, None)


def marked() -> list:
    """The objects of the open file that have the property, whatever it says."""
    return [obj for obj in bpy.data.objects if PROPERTY in obj and obj.library is None]
