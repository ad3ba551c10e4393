# SPDX-License-Identifier: GPL-3.0-or-later

"""Subjects: the choice of what models of views have learnt, and one that is just learnt on its way to be chosen.

A subject is chosen by its model, whose name is what the subject is called: the model is all that is kept of a choice.
"""

from collections.abc import Iterator

import bpy

from .seam import protocol

_items: list[tuple] = []  # Blender keeps no words of a menu that is made anew: somebody has to


def known() -> tuple[str, ...]:
    """What the backend has learnt, as far as it has said so."""
    from . import events  # which draws what asks for this

    engines = events.running().engines
    return engines.subjects if engines else ()


def items(_settings, _context) -> list[tuple]:
    """The menu: none, then those that there are."""
    global _items
    _items = [("NONE", "None", "What the model knows by itself", 0)]
    about = "Let the model that has learnt it make views and meshes. Say its name in the prompt"
    _items += [(called, called, about, number) for number, called in enumerate(known(), start=1)]
    return _items


def chosen(settings) -> int:
    """The number in the menu of the one whose model is set; 0 where it is no subject's."""
    subjects = known()
    return subjects.index(settings.model) + 1 if settings.model in subjects else 0


def choose(settings, number: int) -> None:
    """Take its model. None takes a subject's model back, and leaves any other."""
    subjects = known()
    if 0 < number <= len(subjects):
        settings.model = subjects[number - 1]
    elif settings.model in subjects:
        settings.model = ""


def advice(settings) -> str:
    """What there is to say about the prompt and the subject; "" where they go together."""
    words = " ".join(settings.prompt.casefold().split())
    subjects = known()
    if settings.model in subjects:
        return "" if settings.model.casefold() in words else f'Say "{settings.model}" in the prompt: it is the subject'
    named = next((called for called in subjects if called.casefold() in words), "")
    return f'"{named}" is a subject that was learnt: choose it, or it is read as any words' if named else ""


class Learnt:
    """As scene.viewing.Viewing, of the job that learns a subject: it is chosen when it is learnt."""

    copies: tuple[str, ...] = ()
    vertices = 0

    def __init__(self, called: str):
        self.called = called
        self.object_name = ""  # what it is called, once it is learnt
        self.notes = [f'Say "{called}" in the prompt']

    def apply(self, record, _arrays: dict) -> None:
        """Take the only record, which comes at the end."""
        if isinstance(record, protocol.Certificate):
            self.object_name = self.called
            bpy.context.scene.anthesis.text_to_mesh.model = self.called

    def step(self) -> bool:
        return False

    def finish(self) -> Iterator[None]:
        return iter(())

    def abandon(self) -> None:
        """What it had come to is kept by the backend."""

    def withdraw(self) -> None:
        """It stays: there is nothing of it in the file."""

    def verify(self) -> None:
        """Nothing is written that an edit could tear."""

    def show(self) -> None:
        """There is nothing to see."""

    def take_back(self, obj) -> bool:
        """No object is half written."""
        return False
