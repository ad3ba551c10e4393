"""What LifeBench asks of a system: four tasks, each with what is given and what is expected back.

    video   a film of a life from one fixed camera -> the life as a mesh in motion
    mesh    a mesh and words -> that mesh, living
    words   words alone -> a living mesh
    loop    words of a motion without an end ("a rose, swaying") -> a mesh whose last frame leads into its first

An answer may be any file that `readers` reads. It may have as many frames as it likes: it is read at the truth's times,
as shares of its whole length.
"""

from dataclasses import dataclass
from enum import Enum

from backend import protocol
from backend.clip import Clip
from backend.report import silent
from backend.species import SPECIES, Species
from tests.benchmarks.lifebench.metrics import Freedom
from tests.benchmarks.lifebench.nouns import Truth

SEEDS = (20261, 20262, 20263, 20264, 20265)  # held out: nothing is made or tested with them
FRAMES = 32
FPS = 24.0


class Task(Enum):
    """How freely an answer is put in the truth's place goes with what is given."""

    VIDEO = "video"
    MESH = "mesh"
    WORDS = "words"
    LOOP = "loop"

    @property
    def freedom(self) -> Freedom:
        return Freedom.NONE if self is Task.MESH else Freedom.UPRIGHT

    @property
    def life(self) -> str:
        """What of an individual is looked for: tasks that have the same one have one truth."""
        return {Task.MESH: "stretch", Task.LOOP: "swaying"}.get(self, "whole")


@dataclass(frozen=True)
class Happening:
    """What happens to a specimen in the task `mesh`: the stretch of its life, and what an animator would ask for."""

    stretch: str  # a process of the specimen's
    process: str  # the life-cycle process that comes nearest, by its word in protocol.PROCESSES
    born: bool = False  # the mesh that is given is the last frame: it shows how that came to be


HAPPENINGS = {
    "rose": Happening("wilt", "wilt"),
    "lily": Happening("bloom", "bloom", born=True),
    "sunflower": Happening("wilt", "wilt"),
    "sprout": Happening("grow", "grow", born=True),
    "mushroom": Happening("rot", "rot"),
    "oak_leaf": Happening("dry", "shrivel"),
    "apple": Happening("rot", "rot"),
    "bread": Happening("rise", "swell"),
    "candle": Happening("burn", "melt"),
    "ice_cream": Happening("melt", "melt"),
    "ice_block": Happening("melt", "melt"),
    "match": Happening("burn", "burn"),
}
SWAYING = ("rose", "lily", "sunflower", "sprout", "mushroom", "oak_leaf")  # those that the wind moves


@dataclass(frozen=True)
class Case:
    """One individual in one task."""

    task: Task
    specimen: str
    seed: int
    detail: float = 1.0  # of its mesh: less is quicker, and not what is published

    @property
    def name(self) -> str:
        """As in the names of files: "rose-7"."""
        return f"{self.specimen}-{self.seed}"

    @property
    def words(self) -> str:
        """What is said: the object and, with a mesh or of a loop, what happens to it."""
        noun = self.specimen.replace("_", " ")
        article = "an" if noun[0] in "aeiou" else "a"
        said = {Task.MESH: f", {SAID[self.happening.stretch]}", Task.LOOP: ", swaying"}
        return f"{article} {noun}" + said.get(self.task, "")

    @property
    def individual(self) -> str:
        """The folder of all that is known of it; one that sways is another life of the same individual."""
        return f"{self.specimen}/{self.seed}" + ("-swaying" if self.task is Task.LOOP else "")

    @property
    def happening(self) -> Happening:
        return HAPPENINGS[self.specimen]

    @property
    def record(self) -> Species:
        return SPECIES[self.specimen](detail=self.detail)

    def truth(self, frames: int = FRAMES) -> Truth:
        """The life that is looked for: with a mesh the stretch of what happens, of a loop its prime in the wind, else
        all of it."""
        if self.task is Task.LOOP:
            return self._swaying(frames)
        if self.task is not Task.MESH:
            return Truth.grown(self.record, self.seed, frames, FPS)
        stretch = self.record.life.stretches[self.happening.stretch]
        given = frames - 1 if self.happening.born else 0
        return Truth.grown(self.record, self.seed, frames, FPS, tuple(stretch), given)

    def _swaying(self, frames: int) -> Truth:
        """As the words ask for it: the wind is a matter of the pipeline, not of the specimen."""
        from backend.pipelines import living  # its prompts need more than the other tasks do

        asked = protocol.Generate(prompt=self.words, frames=frames, fps=FPS, seed=self.seed, specimen=self.record)
        life = living(asked, None, silent)
        made = protocol.provenance(asked)
        return Truth(
            Clip.from_frames(life.mesh, list(life.frames), FPS, loop=life.loop, provenance=made),
            self.record, self.seed, None,
        )  # fmt: skip


SAID = {
    "wilt": "wilting", "bloom": "blooming", "grow": "growing", "rot": "rotting", "dry": "drying", "rise": "rising",
    "burn": "burning down", "melt": "melting",
}  # fmt: skip


def cases(task: Task, specimens: list[str], seeds: list[int], detail: float = 1.0) -> list[Case]:
    """Every individual of some specimens in a task; in a loop of those that sway."""
    able = [specimen for specimen in specimens if task is not Task.LOOP or specimen in SWAYING]
    return [Case(task, specimen, seed, detail) for specimen in able for seed in seeds]
