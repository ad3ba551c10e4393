# SPDX-License-Identifier: GPL-3.0-or-later

"""Buttons about jobs. Each says what went wrong in a sentence; what they do is done in pump.py.

What asks for a result has UNDO, though it changes nothing yet and the import makes an undo step of its own: that
brings Blender's redo panel. A change there first undoes all since the button was pressed, what has arrived of the
order too, and then asks anew, so the new object takes the place of the former one. Only Generate has something to
change. The others, whose panel stays empty, would leave that of an earlier Generate standing, and a change there would
undo their work.
"""

from functools import partial

import bpy
import msgspec
from bpy.props import BoolProperty, FloatProperty, PointerProperty, StringProperty

from . import backend_operators, events, export_operator, life_operators, properties, stage_operators
from .operation import Operation
from .orders import Wish
from .scene import album, clips, looking, sheet
from .scene.reading import Part
from .seam import protocol
from .specimens import AnthesisSpecimen


class Waits:
    """For scripts, where no timer fires."""

    wait: BoolProperty(
        name="Wait", description="Stay until the result is in the file, for scripts", options={"SKIP_SAVE", "HIDDEN"}
    )
    timeout: FloatProperty(
        name="Timeout", description="Seconds to wait at most", default=600, min=0, options={"SKIP_SAVE", "HIDDEN"}
    )


class Asks(Operation, Waits):
    """An operator that asks for jobs: ask() gives their ids."""

    bl_options = {"REGISTER", "UNDO"}

    def carry_out(self, context) -> None:
        jobs = self.ask(context)
        for job in jobs if self.wait else ():
            events.running().wait(job, self.timeout)


class ANTHESIS_OT_generate(Waits, Operation, bpy.types.Operator):
    bl_idname = "anthesis.generate"
    bl_label = "Generate"
    bl_description = "Make a living object from the prompt. It grows in the scene as its frames arrive"
    bl_options = {"REGISTER", "UNDO"}

    # What the redo panel changes. None of it is remembered for the next time: that has another prompt.
    order: StringProperty(name="Order", options={"SKIP_SAVE", "HIDDEN"})
    specimen: PointerProperty(type=AnthesisSpecimen, options={"SKIP_SAVE"})
    count: properties.count()
    variations: properties.variations()

    @classmethod
    def poll(cls, context):
        return _backend_there(cls)

    def carry_out(self, context) -> None:
        pump, settings = events.running(), context.scene.anthesis.generate
        earlier = pump.orders.find(self.order) if self.options.is_repeat else None
        if earlier is None:
            self.take(settings)
        request = earlier.wish.request if earlier else settings.to_request()
        request = msgspec.structs.replace(request, specimen=self.specimen.to_record(), seed=self.specimen.seed)
        wish = Wish(request, self.count, self.variations)
        order = pump.generate(wish, tuple(context.scene.cursor.location), self.order if earlier else "")
        self.order = order.id
        order.wish.show(self)
        if self.wait:
            pump.wait_for(order, self.timeout)

    def take(self, settings) -> None:
        """What is not set is as in the panel; the specimen is as the words say."""
        if not self.properties.is_property_set("count"):
            self.count = settings.count
        if not self.properties.is_property_set("variations"):
            self.variations = settings.variations
        self.specimen.kind, self.specimen.seed = "", settings.seed

    def draw(self, context):
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        if self.specimen.there:
            self.specimen.draw(layout)
        else:
            layout.label(text="The prompt is being read", icon="SORTTIME")
        column = layout.column(align=True)
        column.prop(self, "count")
        row = column.row()
        row.active = self.count > 1
        row.prop(self, "variations")


class ANTHESIS_OT_regrow(Asks, bpy.types.Operator):
    bl_idname = "anthesis.regrow"
    bl_label = "Regrow"
    bl_description = (
        "Grow the active object anew, as its specimen is now. It keeps its place, its parent, its constraints, "
        "its materials and its Life curve. Its mesh and shape keys are new, and edits of them are lost; vertex groups "
        "and attributes are carried over to the nearest points of the new surface"
    )

    @classmethod
    def poll(cls, context):
        obj = context.active_object
        if obj is None or not obj.anthesis_specimen.there:
            cls.poll_message_set("Select an object that was made from a prompt")
            return False
        return _backend_there(cls)

    def ask(self, context) -> list[str]:
        return [events.running().regrow(context.active_object)]


class AsksOfSelected(Asks):
    """One job for each selected mesh, or for the part of it that Part of the Mesh says."""

    @classmethod
    def poll(cls, context):
        if not any(obj.type == "MESH" for obj in context.selected_objects):
            cls.poll_message_set("Select a mesh object")
            return False
        return _backend_there(cls)

    def ask(self, context) -> list[str]:
        ask_one, part, jobs = self.asking(context.scene.anthesis), _part(context), []
        meshes = [obj for obj in context.selected_objects if obj.type == "MESH"]
        for obj in meshes:
            try:
                jobs.append(ask_one(obj, part))
            except ValueError as error:
                if len(meshes) == 1:
                    raise
                self.report({"WARNING"}, str(error))  # the others go on
        if not jobs:
            raise ValueError("None of the selected meshes can be used: the warnings say why")
        return jobs


class ANTHESIS_OT_animate_selected(AsksOfSelected, bpy.types.Operator):
    bl_idname = "anthesis.animate_selected"
    bl_label = "Animate Selected"
    bl_description = "Let the process happen to each selected mesh. It gets shape keys for each frame"

    @staticmethod
    def asking(settings):
        return partial(events.running().animate, settings.animate.to_request())


class ANTHESIS_OT_sway_selected(AsksOfSelected, bpy.types.Operator):
    bl_idname = "anthesis.sway_selected"
    bl_label = "Sway Selected"
    bl_description = (
        "Let each selected mesh sway in the wind, in a loop without an end: it gets two shape keys for each frequency, "
        "in place of those of an earlier sway"
    )

    @staticmethod
    def asking(settings):
        return partial(events.running().sway, settings.sway.to_request())


class ANTHESIS_OT_sway_as_seen(Asks, bpy.types.Operator):
    bl_idname = "anthesis.sway_as_seen"
    bl_label = "Sway as Seen"
    bl_description = (
        "Let the active mesh sway as a picture of it is expected to: what the 3D view shows of it, or the one under "
        "As Seen. It gets two shape keys a frequency, in place of those of an earlier sway"
    )

    @classmethod
    def poll(cls, context):
        if context.active_object is None or context.active_object.type != "MESH":
            cls.poll_message_set("Select a mesh object")
            return False
        return _learned_there(cls, events.running().lacking_for(context.scene.anthesis.seen.model))

    def ask(self, context) -> list[str]:
        obj, settings = context.active_object, context.scene.anthesis
        look = looking.look(context, obj, settings.seen.picture)
        request = settings.seen.to_request(settings.sway, look.camera)
        return [events.running().sway_as_seen(request, obj, look, _part(context))]


class ANTHESIS_OT_bring_to_life(Asks, bpy.types.Operator):
    bl_idname = "anthesis.bring_to_life"
    bl_label = "Bring Picture to Life"
    bl_description = (
        "Make a plane at the 3D cursor that shows the picture and sways as what is in it is expected to, in a loop "
        "without an end"
    )

    @classmethod
    def poll(cls, context):
        if context.scene.anthesis.picture.image is None:
            cls.poll_message_set("Open a picture first")
            return False
        return _learned_there(cls, events.running().lacking_for(context.scene.anthesis.picture.model))

    def ask(self, context) -> list[str]:
        settings = context.scene.anthesis.picture
        return [events.running().bring_to_life(settings.to_request(), settings.image)]


class AsksForViews(Asks):
    """One job for what words say, from all around."""

    @classmethod
    def poll(cls, context):
        return _learned_there(cls, events.running().lacking_for_views(context.scene.anthesis.text_to_mesh.model))


class ANTHESIS_OT_make_views(AsksForViews, bpy.types.Operator):
    bl_idname = "anthesis.make_views"
    bl_label = "Make Views"

    another: BoolProperty(name="Another", description="Of the next seed", options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def description(cls, _context, properties):
        if properties.another:
            return "Views of the next seed: another thing of which the prompt is true. Those of this seed stay"
        return (
            "Show what the prompt says from several sides, as a picture. Make Mesh with the same seed begins with "
            "these views, unless they were made with other settings under Views than those that come with it"
        )

    def ask(self, context) -> list[str]:
        settings = context.scene.anthesis
        wanted = settings.text_to_mesh.to_views(settings.views)
        if self.another:
            wanted = msgspec.structs.replace(wanted, seed=(wanted.seed + 1) % 2**31)
        job = events.running().views(wanted)
        settings.text_to_mesh.seed = wanted.seed
        return [job]


class ANTHESIS_OT_use_views(Operation, bpy.types.Operator):
    bl_idname = "anthesis.use_views"
    bl_label = "Use These Views"
    bl_description = "Take the prompt, what it should not be like, the seed and the model from the views that are shown"
    bl_options = {"REGISTER", "UNDO"}

    def carry_out(self, context) -> None:
        settings = context.scene.anthesis.text_to_mesh
        if settings.image is None or not sheet.made(settings.image):
            raise ValueError("There are no views to take them from: press Make Views first")
        settings.take(sheet.made(settings.image))


class ANTHESIS_OT_make_mesh(AsksForViews, bpy.types.Operator):
    bl_idname = "anthesis.make_mesh"
    bl_label = "Make Mesh"
    bl_description = (
        "Make a textured mesh of what the prompt says, at the 3D cursor. What it is coming to is shown in the place of "
        "the views. One that was cancelled goes on where it stopped"
    )

    def ask(self, context) -> list[str]:
        settings = context.scene.anthesis
        return [events.running().text_to_mesh(settings.text_to_mesh.to_request(settings.animate))]


class ANTHESIS_OT_learn_subject(Asks, bpy.types.Operator):
    bl_idname = "anthesis.learn_subject"
    bl_label = "Learn Subject"
    bl_description = (
        "Let the model learn the thing in the pictures, by its name. It is chosen as the subject when it is learnt. "
        "One that was cancelled goes on where it stopped"
    )

    @classmethod
    def poll(cls, context):
        settings = context.scene.anthesis.subject
        if not settings.pictures.strip():
            cls.poll_message_set("Choose the folder of its pictures first")
            return False
        return _learned_there(cls, events.running().lacking_for_views(settings.model))

    def ask(self, context) -> list[str]:
        settings = context.scene.anthesis.subject
        request = settings.to_request()
        return [events.running().learn_subject(request, album.read(settings.pictures))]


class OfJob(Operation):
    """An operator on one job, act(); with none named, on the selected one."""

    job: StringProperty(name="Job", description="Id of the job", options={"SKIP_SAVE", "HIDDEN"})

    def chosen(self, context) -> str:
        """Raises ValueError where there is no such job."""
        window = context.window_manager.anthesis
        job = self.job
        if not job and window.job_index < len(window.jobs):
            job = window.jobs[window.job_index].name
        if job not in events.running().session.jobs:
            raise ValueError("This job is no longer there")
        return job

    def carry_out(self, context) -> None:
        self.act(context, self.chosen(context))


class ANTHESIS_OT_cancel_job(OfJob, bpy.types.Operator):
    bl_idname = "anthesis.cancel_job"
    bl_label = "Cancel Job"
    bl_description = (
        "Stop the job. The frames that have arrived are kept if there are at least two, or the preview if it has more. "
        "Once more, while it is stopping: end it by force"
    )

    def act(self, context, job):
        session = events.running().session
        session.cancel(job, force=session.jobs[job].state == "cancelling")


class ANTHESIS_OT_take_as_it_is(OfJob, Waits, bpy.types.Operator):
    bl_idname = "anthesis.take_as_it_is"
    bl_label = "Take as It Is"
    bl_description = "Make the mesh of what the job had come to when it stopped, at the 3D cursor"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context, job):
        pump = events.running()
        request = pump.session.jobs[job].request
        if not isinstance(request, protocol.TextToMesh):
            raise ValueError("This job makes no mesh from words")
        mesh = pump.text_to_mesh(msgspec.structs.replace(request, as_it_is=True))
        if self.wait:
            pump.wait(mesh, self.timeout)


class ANTHESIS_OT_import_again(OfJob, Waits, bpy.types.Operator):
    bl_idname = "anthesis.import_again"
    bl_label = "Import Again"
    bl_description = "Read the result of the job from the cache into this file"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context, job):
        pump = events.running()
        pump.arrivals.again(job)
        if self.wait:
            pump.wait(job, self.timeout)


class ANTHESIS_OT_remove_job(OfJob, bpy.types.Operator):
    bl_idname = "anthesis.remove_job"
    bl_label = "Remove Job"
    bl_description = "Forget the job and delete its result from the cache. Imported objects stay"

    def act(self, context, job):
        events.running().session.remove(job)


class ANTHESIS_OT_show_details(OfJob, bpy.types.Operator):
    bl_idname = "anthesis.show_details"
    bl_label = "Show Details"
    bl_description = "Load what a developer needs to know about the failure into a text datablock"

    def act(self, context, job):
        found = events.running().session.jobs[job]
        if found.failure is None or not found.failure.detail:
            raise ValueError("There is nothing more to say about this job")
        about = f"{found.title}\n{found.failure.text}"
        name = backend_operators.show_text(context, "Anthesis Details", about, found.failure.detail)
        self.report({"INFO"}, f'The details are in the text "{name}"')


class ANTHESIS_OT_clear_jobs(bpy.types.Operator):
    bl_idname = "anthesis.clear_jobs"
    bl_label = "Clear Finished Jobs"
    bl_description = (
        "Forget all finished jobs and delete their results from the cache. Imported objects stay, "
        "and so does what is being imported"
    )
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        pump = events.running()
        if not any(job.final and job.id not in pump.arrivals.open for job in pump.session.jobs.values()):
            cls.poll_message_set("No job is finished")
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        pump = events.running()
        pump.session.clear(keep=pump.arrivals.open)
        events.wake()
        return {"FINISHED"}


class ANTHESIS_OT_play(bpy.types.Operator):
    bl_idname = "anthesis.play"
    bl_label = "Play"
    bl_description = "Play what lives or sways, from its first frame"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if context.active_object is None or not clips.plays(context.active_object):
            cls.poll_message_set("Select an object that Anthesis animated")
            return False
        return True

    def execute(self, context):
        if not context.screen.is_animation_playing:
            context.scene.frame_set(clips.frame_range(context.active_object)[0])
        bpy.ops.screen.animation_play()
        return {"FINISHED"}


def _part(context) -> Part:
    chosen = context.scene.anthesis.animate
    return Part(chosen.pin_group, chosen.weight_group, chosen.only_selected)


def _learned_there(cls, lacking: str) -> bool:
    """Whether the backend has a learned engine: nothing is `lacking`, as far as it has said so."""
    if lacking:
        cls.poll_message_set(lacking)
        return False
    return _backend_there(cls)


def _backend_there(cls) -> bool:
    pump = events.running()
    if pump.packages.installed or pump.session.state == "ready":
        return True
    cls.poll_message_set("Install the backend first, in the panel Backend")
    return False


CLASSES = (
    ANTHESIS_OT_generate,
    ANTHESIS_OT_regrow,
    ANTHESIS_OT_animate_selected,
    ANTHESIS_OT_sway_selected,
    ANTHESIS_OT_sway_as_seen,
    ANTHESIS_OT_bring_to_life,
    ANTHESIS_OT_make_views,
    ANTHESIS_OT_use_views,
    ANTHESIS_OT_make_mesh,
    ANTHESIS_OT_learn_subject,
    ANTHESIS_OT_cancel_job,
    ANTHESIS_OT_take_as_it_is,
    ANTHESIS_OT_import_again,
    ANTHESIS_OT_remove_job,
    ANTHESIS_OT_show_details,
    ANTHESIS_OT_clear_jobs,
    ANTHESIS_OT_play,
    *backend_operators.CLASSES,
    *stage_operators.CLASSES,
    *life_operators.CLASSES,
    *export_operator.CLASSES,
)
