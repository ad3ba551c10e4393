"""Pictures of one thing and a name, to a model of views that knows it."""

from typing import Annotated

from msgspec import Meta, Struct

from .fields import Seed, check_size
from .views import ViewModel

PICTURES = (3, 10)  # of which a subject is learnt
NAME_LETTERS = 40  # of its name, and of its kind

Effort = Annotated[
    float,
    Meta(ge=0.1, le=10.0, title="Effort", description="How long it learns, times what suits the model"),
]


class LearnSubject(Struct, frozen=True, kw_only=True, tag="learn_subject", forbid_unknown_fields=True):
    """One thing, of which the client brings pictures, learnt by a model of views: a model that knows it by its name.

    After DreamBooth3D, as "MVDream" (arXiv:2308.16512) has it.
    """

    known_as: Annotated[
        str, Meta(title="Name", description="What it shall be called in prompts: best a word that means nothing else")
    ]
    of: Annotated[
        str, Meta(title="Kind", description="What kind of thing it is, behind its name: mug; may be left empty")
    ] = ""
    model: ViewModel = ""
    effort: Effort = 1.0
    seed: Seed = 0

    def __post_init__(self):
        for what, text in (("name", self.known_as), ("kind", self.of)):
            check_size(text, what)
            if len(text) > NAME_LETTERS:
                raise ValueError(f"The {what} has {len(text)} letters and {NAME_LETTERS} are allowed: shorten it")
        if not any(letter.isalnum() for letter in self.known_as):
            raise ValueError("The subject has no name: type one, best a word that means nothing else")

    @property
    def called(self) -> str:
        """In prompts, and among the subjects."""
        return " ".join(f"{self.known_as} {self.of}".split())
