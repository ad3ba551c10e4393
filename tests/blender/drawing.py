"""What panels draw, taken down."""

from types import SimpleNamespace

import bpy


class Layout:
    """Takes down what is drawn, in the layouts within it too."""

    def __init__(self):
        self.drawn = []

    def __getattr__(self, name):
        def draw(*words, **more):
            self.drawn.append((name, words, more))
            return self

        return draw

    def named(self, kind):
        return [
            str(words[1] if len(words) > 1 else words[0]) for name, words, _ in self.drawn if name == kind and words
        ]

    @property
    def text(self):
        return " ".join(more.get("text", "") for name, _, more in self.drawn if name == "label")


def drawing_context():
    """Its width makes one line of every sentence."""
    return SimpleNamespace(
        scene=bpy.context.scene,
        active_object=bpy.context.object,
        region=SimpleNamespace(width=100_000),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
    )


def drawn(panel):
    """What a panel draws now."""
    here = SimpleNamespace(layout=Layout(), draw_wanted=getattr(panel, "draw_wanted", None))
    here.draw_live = lambda *words: panel.draw_live(here, *words)
    panel.draw(here, drawing_context())
    return here.layout
