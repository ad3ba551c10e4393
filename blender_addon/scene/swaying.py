"""One sway on its way into the open file: its records are kept until all are there, and put on the object at once.

Between two calls the artist may do anything, so what is held are names, numbers and arrays; the object is looked up
when the time has come, and where it is no longer what was sent, the sway goes to a new one.
"""

from collections.abc import Iterator

import bpy
import numpy as np

from ..seam import protocol
from . import finishing, photos, place, sway
from .bouquet import Site
from .gusts import Gusts
from .photos import Photo
from .reading import Target
from .ringing import Modes
from .seating import Seating
from .strip import Looks, look_of
from .sway import Mix, Sway
from .taken import BadResult


class Arriving:
    """Feed it the records of one job in order, then run finish(). Never holds a bpy reference between calls."""

    copies: tuple[str, ...] = ()

    def __init__(
        self,
        title: str,
        made_by: dict[str, str],
        target: Target | None,
        site: Site | None = None,
        photo: Photo | None = None,
    ):
        """`made_by` is protocol.provenance(request). Without a target the object is a new one at `site`; where there is
        a `photo`, it shows that."""
        self.title, self.object_name = title, ""
        self.notes: list[str] = list(target.notes) if target else []
        self._made_by, self._target, self._photo = dict(made_by), target, photo
        self._seating = Seating(site or Site())
        self._subject: dict[str, np.ndarray] = {}
        self._name = title
        self._modes: list[tuple[protocol.ModeRecord, np.ndarray]] = []
        self._answer: tuple[protocol.SwayRecord | protocol.SeenRecord, np.ndarray] | None = None

    @property
    def vertices(self) -> int:
        """How many the subject has; 0 before it came."""
        return len(self._subject.get("vertices", ()))

    def apply(self, record, arrays: dict[str, np.ndarray]) -> None:
        """Take one record: Subject, ModeRecords, SwayRecord or SeenRecord, Certificate. Raises BadResult."""
        match record:
            case protocol.Subject():
                protocol.check_subject(arrays)
                self._subject, self._name = arrays, record.name or self.title
                if record.version:
                    self._made_by["version"] = record.version
                self.object_name = self._target.object_name if self._target else self._name
            case protocol.ModeRecord():
                self._take_mode(record, arrays["shape"])
            case protocol.SwayRecord():
                self._take_answer(record, np.stack([arrays["along_x"], arrays["along_y"]]))
                self.notes += record.said
            case protocol.SeenRecord():
                self._take_answer(record, arrays["amplitudes"][None])
                self.notes += [sentence.rstrip(".") for sentence in record.said]
                if record.explained is not None:
                    share = f"{record.explained:.0%}"
                    self.notes.append(f"Its vibration modes take up {share} of the motion that the picture shows")

    def finish(self) -> Iterator[None]:
        """It sways, in one step: half of its keys would be no use to anyone."""
        self.abandon()
        if self._answer is not None:
            obj, back = self._object()
            if obj.data.users - obj.data.use_fake_user > 1:
                obj.data = obj.data.copy()
                self.notes.append(f'"{obj.name}" shared its mesh with other objects and now has its own')
            self.object_name = obj.name
            sway.put(obj, self._sway(back), made_by=self._made_by)
            self._hold_together(obj)
            self._fit_scene(obj)
        yield from ()  # no pause at the end: nothing may come between it and its undo step

    def abandon(self) -> None:
        """The job ended early: where its last records did not come there is nothing to keep."""
        if self._answer is None:
            self.withdraw()

    def withdraw(self) -> None:
        """Nothing of it is in the file before it is whole."""
        self.object_name = ""

    def verify(self) -> None:
        """Nothing is written that an edit could tear."""

    def show(self) -> None:
        """There is nothing to see before it is whole."""

    def step(self) -> bool:
        """There is never anything to do between two records."""
        return False

    def take_back(self, obj) -> bool:
        """No object is half written."""
        return False

    def _take_mode(self, record: protocol.ModeRecord, shape: np.ndarray) -> None:
        if record.index != len(self._modes):
            raise BadResult(f"Mode {record.index + 1} came where mode {len(self._modes) + 1} should")
        if len(shape) != self.vertices or not np.isfinite(shape).all():
            raise BadResult(f"Mode {record.index + 1} does not fit its subject")
        self._modes.append((record, shape))

    def _take_answer(self, record: protocol.SwayRecord | protocol.SeenRecord, pairs: np.ndarray) -> None:
        """`pairs` (W, K, M, 2), as Mix has them."""
        if pairs.shape[2] != len(self._modes) or not len(self._modes) or not np.isfinite(pairs).all():
            raise BadResult("The sway does not fit its modes")
        self._answer = record, pairs

    def _object(self):
        """The object that sways, and (3, 3) from the axes that were sent to its own."""
        obj, reason = place.of_target(self._target) if self._target else (None, "")
        if obj is not None and not reason:
            return obj, place.back_to_object(self._target)
        location = self._target.location if self._target else self._seating.site.location
        site = Site(tuple(obj.matrix_world.translation) if obj is not None else location)
        made = self._seating.make(self._name, self._subject, site)
        if self._photo is not None:
            self.notes += photos.dress(made, self._photo)
        elif "albedo" in self._subject:
            finishing.dress_new(made, self._subject["corners"], Looks(look_of(self._subject), 1))
        if reason:
            self.notes.append(f'{reason}: the result is a new object, "{made.name}"')
        return made, None

    def _hold_together(self, obj) -> None:
        """The motion is all there, and the slider where a picture is not torn."""
        record, _ = self._answer
        if isinstance(record, protocol.SeenRecord) and record.advised < 1:
            obj[sway.of(obj).amplitude] = record.advised
            self.notes.append(f"Amplitude is set to {record.advised:.2g} for that: raise it to see all of the motion")

    def _fit_scene(self, obj) -> None:
        """Play shows one loop, over and over, where nobody has set anything up."""
        scene = bpy.context.scene
        untouched = (scene.frame_start, scene.frame_end) == finishing.DEFAULT_RANGE
        if untouched and len(bpy.data.actions) == 1:
            scene.frame_end = scene.frame_start + sway.loop(obj)[1] - 1
            self.notes.append(f"The scene now plays one loop, frames {scene.frame_start} to {scene.frame_end}")

    def _sway(self, back: np.ndarray | None) -> Sway:
        record, pairs = self._answer
        shapes = np.stack([place.turned(shape, back) for _, shape in self._modes])
        about = [each for each, _ in self._modes]
        modes = Modes(shapes, np.array([each.frequency for each in about]), np.array([each.damping for each in about]))
        mix = Mix(modes, pairs[..., 0] + 1j * pairs[..., 1])
        if isinstance(record, protocol.SeenRecord):
            return Sway(None, record.base, mix)
        gusts = Gusts(record.speed, record.strongest, record.base, record.length, record.strain)
        return Sway(None, record.base, mix, gusts, record.direction)
