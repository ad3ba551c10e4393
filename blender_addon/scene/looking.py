"""A picture of an object, and the camera that it was taken through, in the axes in which its mesh is sent.

Either what a 3D view shows of it from where one looks: the mesh alone, as its life has it at this frame, before a mid
grey and filling the picture as far as a model was trained for. Or an image of the file, taken through the scene's
camera. Nothing of the artist's is touched but the settings of the view, and those only while it is drawn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from ..seam import protocol
from . import photos, reading

SIDE = 512  # pixels, of the longer side of a picture that is drawn
LARGEST = 1024  # pixels, of a view that a part is cut out of
FILLS = 0.85  # of that part, by what it shows
ALIKE = 0.02  # of one: how far the sides of a picture and of a render may be in another proportion


class NothingToSee(ValueError):
    """There is no picture of the object; the message says what to do."""


@dataclass(frozen=True)
class Look:
    """What is seen of an object."""

    picture: np.ndarray  # (H, W, 3 or 4) bytes, sRGB, rows from the top
    camera: protocol.Camera


@dataclass(frozen=True)
class View:
    """A 3D view, while one looks through it."""

    space: bpy.types.SpaceView3D
    region: bpy.types.Region
    view: Matrix  # world -> camera
    projection: Matrix  # camera -> clip space, of the region's aspect


def look(context, obj, image=None) -> Look:
    """An `image` through the scene's camera, or what the 3D view shows. Raises ValueError: NothingToSee, Unusable,
    Unreadable, or what Camera says."""
    if image is not None:
        return through_camera(context.scene, obj, image)
    view = view_of(context)
    if view is None:
        raise NothingToSee(
            "There is no 3D view to look from: choose a Picture of the object, taken through the scene's camera"
        )
    return from_view(view, obj)


# --- The scene's camera


def through_camera(scene, obj, image) -> Look:
    """An image of the file that shows an object as the scene's camera does. Raises as look() does."""
    reading.sent_shape(obj)
    camera, render = scene.camera, scene.render
    if camera is None or camera.type != "CAMERA":
        raise NothingToSee(
            f'The scene has no camera, and "{image.name}" was taken through one: add a camera where it stood, or clear '
            "Picture to look from the 3D view"
        )
    if camera.data.type == "PANO":
        raise NothingToSee(f'The camera "{camera.name}" is panoramic: make it Perspective or Orthographic')
    picture, _ = photos.read(image)
    (width, height), wide, high = image.size, render.resolution_x, render.resolution_y
    if abs(width * high / (height * wide) - 1) > ALIKE:
        raise NothingToSee(
            f'"{image.name}" is {width} x {height} pixels, and the scene renders {wide} x {high}: set the resolution '
            "in the Output properties to that of the picture, so that the camera shows what the picture does"
        )
    depsgraph = bpy.context.evaluated_depsgraph_get()
    projection = camera.calc_matrix_camera(
        depsgraph, x=wide, y=high, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    view = camera.matrix_world.normalized().inverted_safe()  # a camera's scale is not seen
    return Look(picture, _camera(view @ _place(obj), projection))


def _camera(view: Matrix, projection: Matrix) -> protocol.Camera:
    """Raises ValueError with a sentence."""
    rows = [tuple(value for row in matrix for value in row) for matrix in (view, projection)]
    return protocol.Camera(view=rows[0], projection=rows[1])


def _place(obj) -> Matrix:
    """From the axes in which a mesh is sent to the world."""
    return Matrix.Translation(obj.matrix_world.translation)


# --- A 3D view


def view_of(context) -> View | None:
    """The 3D view that an operator was called in, or the largest one of its window; None where there is none."""
    if bpy.app.background or context.window is None:
        return None
    areas = [area for area in context.window.screen.areas if area.type == "VIEW_3D"]
    areas.sort(key=lambda area: (area == context.area, area.width * area.height))
    if not areas:
        return None
    space = areas[-1].spaces.active
    region = next(region for region in areas[-1].regions if region.type == "WINDOW")
    views = space.region_quadviews
    through = views[0] if len(views) else space.region_3d
    return View(space, region, through.view_matrix.copy(), through.window_matrix.copy())


def from_view(view: View, obj) -> Look:
    """What a view shows of an object. Raises Unusable, NothingToSee."""
    vertices, matrix = reading.sent_shape(obj, as_shown=True)
    eye = view.view @ _place(obj)
    frame = framed(view, eye, vertices)
    if min(frame.width, frame.height) < protocol.PICTURE_SHORTEST:
        raise NothingToSee(f'The 3D view shows too little of "{obj.name}": turn it there with View > Frame Selected')
    with _model(obj, vertices, np.linalg.det(matrix) < 0) as scene, _plainly(view.space):
        pixels = frame.cut(_drawn(scene, view, eye, frame.size))
    # Blender draws colours that are multiplied with their opacity.
    behind = protocol.PICTURE_GREY * (1 - pixels[..., 3:] / np.float32(255))
    picture = np.rint(np.clip(pixels[..., :3] + behind, 0, 255)).astype(np.uint8)
    return Look(picture, _camera(eye, frame.crop @ view.projection))


@dataclass(frozen=True)
class Frame:
    """A part of what a view shows, drawn at some size: in pixels, x to the right and y up."""

    size: tuple[int, int]  # of all of it
    low: tuple[int, int]
    high: tuple[int, int]

    @property
    def width(self) -> int:
        return self.high[0] - self.low[0]

    @property
    def height(self) -> int:
        return self.high[1] - self.low[1]

    @property
    def crop(self) -> Matrix:
        """From the clip space of all to that of the part."""
        matrix = Matrix.Identity(4)
        for axis, (low, high, size) in enumerate(zip(self.low, self.high, self.size, strict=True)):
            matrix[axis][axis], matrix[axis][3] = size / (high - low), (size - low - high) / (high - low)
        return matrix

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part of pixels (H, W, C), rows from the top."""
        top, bottom = self.size[1] - self.high[1], self.size[1] - self.low[1]
        return pixels[top:bottom, self.low[0] : self.high[0]]


def framed(view: View, eye: Matrix, vertices: np.ndarray) -> Frame:
    """A square that vertices (V, 3) fill, as far as the view shows it; all of the view where some are behind the eye.

    All of the view is drawn and then cut: Material Preview knows no projection but the view's own.
    """
    region = np.array([view.region.width, view.region.height])
    low, high = np.zeros(2), region.astype(float)
    matrix = np.array(view.projection @ eye)
    clip = np.einsum("ij,vj->vi", matrix, np.column_stack([vertices, np.ones(len(vertices))]))
    if clip[:, 3].min() > 0:
        flat = (clip[:, :2] / clip[:, 3:] + 1) / 2 * region
        centre, half = (flat.min(axis=0) + flat.max(axis=0)) / 2, np.ptp(flat, axis=0).max() / 2 / FILLS
        low, high = np.clip([centre - half, centre + half], 0, region)
    elif clip[:, 3].max() <= 0:
        high = low
    zoom = min(SIDE / max((high - low).max(), 1.0), LARGEST / region.max())
    size = np.maximum(np.rint(zoom * region), 1)
    low, high = np.floor(low / region * size).astype(int), np.ceil(high / region * size).astype(int)
    return Frame(tuple(size.astype(int).tolist()), tuple(low.tolist()), tuple(high.tolist()))


@contextmanager
def _model(obj, vertices: np.ndarray, mirrored: bool) -> Iterator[bpy.types.Scene]:
    """A scene in which nothing but the mesh stands, as it is sent, with the object's materials."""
    mesh = bpy.data.meshes.new_from_object(obj, preserve_all_data_layers=True)  # without its shape keys
    model, scene = bpy.data.objects.new(obj.name, mesh), bpy.data.scenes.new("Anthesis")
    try:
        mesh.attributes["position"].data.foreach_set("vector", vertices.ravel())
        if mirrored:
            mesh.flip_normals()
        mesh.update()
        for ours, theirs in zip(model.material_slots, obj.material_slots, strict=True):
            ours.link, ours.material = "OBJECT", theirs.material
        model.color = obj.color
        scene.collection.objects.link(model)
        _take_colours(scene, bpy.context.scene)
        yield scene
    finally:
        bpy.data.objects.remove(model)
        bpy.data.meshes.remove(mesh)
        bpy.data.scenes.remove(scene)


def _take_colours(scene, theirs) -> None:
    """Show what is in a scene as another one does. Raises NothingToSee."""
    display, view = theirs.display_settings, theirs.view_settings
    try:
        scene.display_settings.display_device = display.display_device  # which says what the others may be
        for name in ("view_transform", "look", "exposure", "gamma"):
            setattr(scene.view_settings, name, getattr(view, name))
    except TypeError as error:  # of a file that was made with other colour management
        raise NothingToSee(
            f'This Blender does not know the display "{display.display_device}" with the view transform '
            f'"{view.view_transform}" and the look "{view.look}": choose others under Color Management in the Render '
            "properties"
        ) from error


@contextmanager
def _plainly(space) -> Iterator[None]:
    """The view without what is drawn over objects or clips them, in a light of Blender's own, which shows them at once:
    a new scene has none. Local View hides nothing that is new."""
    shading, overlay = space.shading, space.overlay
    plain = [
        (overlay, "show_overlays", False),
        (shading, "show_xray", False),
        (shading, "use_scene_lights", False),
        (shading, "use_scene_world", False),
        *((each, "use_clip_planes", False) for each in (*space.region_quadviews, space.region_3d)),
        (space, "show_object_viewport_mesh", True),
        (space, "use_local_collections", False),
        (shading, "type", {"WIREFRAME": "SOLID", "RENDERED": "MATERIAL"}.get(shading.type, shading.type)),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in plain]
    try:
        for owner, name, value in plain:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _drawn(scene, view: View, eye: Matrix, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 4) bytes, rows from the top."""
    layer = scene.view_layers[0]
    layer.update()
    offscreen = gpu.types.GPUOffScreen(*size)
    try:
        offscreen.draw_view3d(
            scene,
            layer,
            view.space,
            view.region,
            eye,
            view.projection,
            do_color_management=True,
            draw_background=False,
        )
        with offscreen.bind():
            read = gpu.state.active_framebuffer_get().read_color(0, 0, *size, 4, 0, "UBYTE")
    finally:
        offscreen.free()
    # As it lies in memory, whatever the strides say: those of 4.3 are of the transposed array.
    return np.array(read).ravel(order="K").reshape(size[1], size[0], 4)[::-1]
