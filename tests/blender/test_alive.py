"""Pictures that come to life, and meshes that sway as they are seen: what is asked for, and what becomes of it."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from blender_addon.scene import looking, photos, poking, sway, sway_bake  # noqa: E402
from tests.blender import samples  # noqa: E402
from tests.blender.swaying import LOOP, assert_shows, at, bends, edit  # noqa: E402

BASE, BINS = 0.4, 4
CAMERA = protocol.Camera(
    view=(1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, -5, 0, 0, 0, 1),
    projection=(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -0.2, 0, 0, -1, 0),
)
UNTRAINED = "No trained model comes with this version: train one"
SENTENCE = "Nothing learned is installed here: install the learned engine"


def records_of(record, arrays, count=3, said=(), explained=0.75, seed=2):
    """What the backend sends, and the (K, V, 3) spectral volume in its axes."""
    random = np.random.default_rng(seed)
    shapes = random.normal(0, 0.3, (count, len(arrays["vertices"]), 3)).astype(np.float32)
    pairs = random.normal(0, 0.1, (BINS, count, 2)).astype(np.float32)
    pairs[0, :, 1] = 0
    records = [(record, arrays)]
    for number, shape in enumerate(shapes):
        records.append((protocol.ModeRecord(index=number, frequency=0.6 + number, damping=0.05), {"shape": shape}))
    seen = protocol.SeenRecord(base=BASE, explained=explained, pixels=900, said=said)
    records += [(seen, {"amplitudes": pairs}), (protocol.Certificate(), {})]
    coefficients = np.einsum("km,mvc->kvc", pairs[..., 0] + 1j * pairs[..., 1], shapes)
    return [protocol.pack(*each) for each in records], coefficients


def a_plane(columns=6, rows=4, width=2.0):
    """A Subject as of Plane: a grid in XZ that faces -Y and stands on z = 0."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, columns), np.linspace(0, 1, rows))
    uv = np.column_stack([x.ravel() + 0.5, z.ravel()]).astype(np.float32)
    vertices = np.column_stack([width * x.ravel(), 0 * x.ravel(), width * z.ravel() * (rows - 1) / (columns - 1)])
    index = np.arange(columns * rows).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1)
    corner = np.arange(len(quads)).reshape(-1, 4)
    arrays = {
        "vertices": vertices.astype(np.float32),
        "corners": quads.astype(np.int32),
        "sizes": np.full(len(quads) // 4, 4, np.int32),
        "triangles": corner[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32),
        "uv": uv[quads],
    }
    return protocol.Subject(loop=True), arrays


def an_image(name="rose.png", size=(48, 32), opacity=1.0):
    made = bpy.data.images.new(name, *size, alpha=True)
    pixels = np.random.default_rng(0).random((size[1], size[0], 4)).astype(np.float32)
    pixels[..., 3] = opacity
    made.pixels.foreach_set(pixels.ravel())
    return made


# --- A mesh that sways as it is seen


def seen(script, obj, given=None, **about):
    """The job, when its records have come, and its spectral volume."""
    record, arrays, target = samples.subject_of(obj)
    packed, coefficients = records_of(record, arrays, **about)
    job = script.job(protocol.SwayAsSeen(camera=CAMERA), packed, target)
    script.give(job, given)
    return job, arrays["vertices"], coefficients


def test_a_mesh_sways_by_the_amplitudes_that_were_seen_in_its_own_axes(script):
    obj = samples.grid()
    samples.place(obj, scale=(1, 3, 1), rotation=(0.2, 0, 0.5), location=(3, 0, -1))
    job, world, coefficients = seen(script, obj, said=("It was dark.", "And cold"))
    for frame in (1, 23, 1 + 3 * LOOP + 7):
        at(frame)
        assert_shows(obj, bends(coefficients, world, (frame - 1) / LOOP))
    assert script.pump.arrivals.notes[job.id] == [
        'Imported as "Grid"',
        "It was dark",
        "And cold",
        "Its vibration modes take up 75% of the motion that the picture shows",
        "The scene now plays one loop, frames 1 to 60",
    ]


def test_it_has_no_wind_and_all_else_that_a_sway_has(script):
    obj = samples.grid()
    _, world, coefficients = seen(script, obj)
    assert [name for name, _ in sway.properties(obj)] == ["Sway", "Amplitude"]
    assert not sway.in_wind(obj) and sway.direction(obj) is None and obj.anthesis_sway.direction == 0
    with pytest.raises(ValueError, match='"Grid" sways as a picture of it does: there is no wind to turn'):
        sway.turn(obj, 1.0)
    obj.anthesis_sway.direction = 1.0  # as a script may
    edit(obj, Amplitude=0.5)
    obj.anthesis_sway.speed = 0.5
    at(31)
    half = bends(coefficients / 2, world, 30 / (2 * LOOP))
    assert_shows(obj, half)
    poking.require(obj)
    poke = poking.Poke(obj)
    poke.hand.take(7)
    poke.hand.move(np.array([0.0, 0.0, 0.1]))
    poke.tick(obj, 0.02)
    bpy.context.view_layer.update()
    assert np.abs(samples.shown(obj) - half).max() > 0.01
    poke.end(keep=False)
    sway_bake.bake(obj)
    at(31)
    assert_shows(obj, half)
    sway.remove(obj)
    assert obj.data.shape_keys is None and not [*obj.data.keys()]


def test_a_seen_sway_takes_the_place_of_one_in_the_wind_and_back(script):
    from tests.blender.swaying import breeze, windy

    obj = samples.grid()
    sway.put(obj, windy(obj, gusts=breeze()))
    at_rest = sway.rest(obj.data)
    _, _, coefficients = seen(script, obj)
    assert "Calm to Storm" not in obj
    at(9)
    assert_shows(obj, bends(coefficients, at_rest, 8 / LOOP))
    sway.put(obj, windy(obj, gusts=breeze()))
    assert sway.direction(obj) == 0 and sway.in_wind(obj)


@pytest.mark.parametrize("wrong", ["modes", "nan"])
def test_amplitudes_that_do_not_fit_are_refused(script, wrong):
    obj = samples.grid()
    record, arrays, target = samples.subject_of(obj)
    packed, _ = records_of(record, arrays)
    if wrong == "modes":
        del packed[3]
    else:
        seen, values = protocol.unpack(packed[4])
        packed[4] = protocol.pack(seen, {"amplitudes": np.full_like(values["amplitudes"], np.nan)})
    job = script.job(protocol.SwayAsSeen(camera=CAMERA), packed, target)
    script.give(job)
    assert script.pump.arrivals.notes[job.id] == ["The sway does not fit its modes"] and obj.data.shape_keys is None


# --- A plane


def a_plane_of(script, image, **about):
    """The plane's job, whose records have come, its object, and its spectral volume."""
    _, photo = photos.read(image)
    packed, coefficients = records_of(*a_plane(), **{"explained": None, **about})
    job = script.job(protocol.Plane(), packed, title=photo.title)
    script.pump.arrivals.expect(job.id, None, asked=True, photo=photo)
    return job, packed, coefficients


def textures(obj):
    return [node for node in obj.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]


def feeding(obj, socket):
    shader = next(node for node in obj.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    return [(link.from_node.type, link.from_socket.name) for link in shader.inputs[socket].links]


def test_a_picture_is_a_plane_at_the_cursor_that_shows_it_unshaded_and_sways(script):
    bpy.context.scene.cursor.location = (1, 2, 3)
    bpy.context.scene.cursor.rotation_euler = (0.5, 0.6, 0.7)
    bpy.context.scene.view_settings.view_transform = "AgX"
    image = an_image()
    job, _, coefficients = a_plane_of(script, image, said=("A third of it is transparent",))
    script.give(job)
    obj = bpy.context.object
    assert obj.name == "rose" and obj.select_get() and tuple(obj.location) == (1, 2, 3)
    assert tuple(obj.rotation_euler) == (0, 0, 0) and tuple(obj.scale) == (1, 1, 1)
    vertices = a_plane()[1]["vertices"]
    at(9)
    assert_shows(obj, bends(coefficients, vertices, 8 / LOOP))
    assert obj.data.polygons[0].normal.y < 0
    (texture,) = textures(obj)
    assert texture.image == image and list(bpy.data.images) == [image]
    assert feeding(obj, "Emission Color") == [("TEX_IMAGE", "Color")] and not feeding(obj, "Base Color")
    assert not feeding(obj, "Alpha")
    uv = {vertex: tuple(obj.data.uv_layers.active.uv[n].vector) for n, vertex in enumerate(a_plane()[1]["corners"])}
    assert uv[0] == (0, 0) and uv[5] == (1, 0) and uv[23] == (1, 1)
    assert script.pump.arrivals.notes[job.id] == [
        'Imported as "rose"',
        "A third of it is transparent",
        "The picture is unshaded, and the view transform of the scene, AgX, still applies to its colours",
        "The scene now plays one loop, frames 1 to 60",
    ]
    assert sway.has_modes(obj) and not sway.in_wind(obj)


def test_a_view_transform_that_leaves_colours_as_they_are_needs_no_words(script):
    bpy.context.scene.view_settings.view_transform = "Standard"
    job, _, _ = a_plane_of(script, an_image())
    script.give(job)
    assert not any("unshaded" in note for note in script.pump.arrivals.notes[job.id])


def test_how_much_of_the_motion_is_taken_up_is_told_where_the_backend_tells_it(script):
    for explained, told in ((0.4, True), (None, False)):  # whatever shows the picture
        job, _, _ = a_plane_of(script, an_image(), explained=explained)
        script.give(job)
        assert any("take up 40%" in note for note in script.pump.arrivals.notes[job.id]) == told


def test_what_is_transparent_in_the_picture_is_so_on_the_plane(script):
    job, _, _ = a_plane_of(script, an_image(opacity=0.5))
    script.give(job)
    assert feeding(bpy.context.object, "Alpha") == [("TEX_IMAGE", "Alpha")]
    assert bpy.context.object.active_material.surface_render_method == "BLENDED"


def test_an_image_that_was_renamed_is_found_and_one_that_is_gone_is_missed_in_words(script):
    image = an_image()
    job, packed, _ = a_plane_of(script, image)
    image.name = "another"
    an_image("rose.png")
    script.give(job)
    assert textures(bpy.data.objects["rose"])[0].image == image
    script.given[job.id] = 0
    bpy.data.images.remove(image)
    bpy.data.images.remove(bpy.data.images["rose.png"])
    script.pump.arrivals.again(job.id)
    script.give(job)
    assert textures(bpy.data.objects["rose.001"])[0].image is None
    gone = 'The picture "rose.png" is no longer in this file: choose one in the material of "rose.001"'
    assert gone in script.pump.arrivals.notes[job.id]
    earlier = script.job(protocol.Plane(), packed, title="rose")  # of an earlier Blender
    script.give(earlier)
    words = 'Its picture is not known: choose one in the material of "rose.002"'
    assert words in script.pump.arrivals.notes[earlier.id]


# --- What is asked for


@pytest.fixture
def asked(script, monkeypatch):
    """What is submitted: (request, title, subject)."""
    found = []

    def submit(request, title, subject=None, fetch=True, **_):
        found.append((request, title, protocol.unpack(subject)))
        return f"{len(found):032x}"

    monkeypatch.setattr(script.pump, "_require_backend", lambda: None)
    monkeypatch.setattr(script.session, "submit", submit)
    monkeypatch.setattr(script.pump, "installed", True)
    return found


def test_a_picture_is_asked_for_with_its_bytes(asked, addon, tmp_path):
    settings = bpy.context.scene.anthesis.picture
    settings.image = an_image(size=(60, 40))
    settings.size, settings.detail, settings.damping, settings.seed, settings.steps = 1.1, 33, 0.1, 7, 20
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = bpy.context.scene.anthesis.picture
    settings.model = "//weights"
    assert bpy.ops.anthesis.bring_to_life() == {"FINISHED"}
    ((request, title, (record, arrays)),) = asked
    wanted = protocol.Plane(size=1.1, detail=33, damping=0.1, seed=7, steps=20, model=str(tmp_path / "weights"))
    assert request == wanted and title == "rose" and isinstance(record, protocol.PictureRecord)
    np.testing.assert_array_equal(arrays["pixels"], photos.read(settings.image)[0])
    (arrival,) = addon.running().arrivals.open.values()
    assert arrival.target is None and arrival.photo.uid == settings.image.session_uid


def test_a_folder_on_another_computer_stays_as_it_was_typed(asked, addon, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    settings, entry = bpy.context.scene.anthesis, bpy.context.preferences.addons["blender_addon"].preferences
    settings.picture.model = settings.seen.model = "//weights"
    entry.place, entry.endpoint = "REMOTE", "127.0.0.1:1"
    assert settings.picture.to_request().model == "//weights"
    assert settings.seen.to_request(settings.sway, CAMERA).model == "//weights"
    entry.place = "LOCAL"
    assert settings.seen.to_request(settings.sway, CAMERA).model == str(tmp_path / "weights")


def test_the_mesh_its_picture_and_its_camera_are_asked_for(asked):
    obj = samples.grid()
    samples.place(obj, location=(0, 0, 1), rotation=(0, 0, 1))
    bpy.context.view_layer.objects.active = obj
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.matrix_world.translation = (0, 0, 9)
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    settings = scene.anthesis
    settings.seen.picture, settings.seen.steps = an_image(), 50
    settings.sway.bend, settings.sway.modes, settings.sway.frequencies = 0.3, 12, 5
    settings.sway.seed = 4
    assert bpy.ops.anthesis.sway_as_seen() == {"FINISHED"}
    ((request, title, (record, arrays)),) = asked
    look = looking.look(bpy.context, obj, settings.seen.picture)
    assert request == protocol.SwayAsSeen(camera=look.camera, steps=50, bend=0.3, modes=12, seed=4)
    assert title == "Sway Grid as Seen" and isinstance(record, protocol.Subject)
    np.testing.assert_array_equal(arrays["picture"], look.picture)
    np.testing.assert_array_equal(arrays["vertices"], samples.subject_of(obj)[1]["vertices"])


def test_what_cannot_be_sent_is_answered_with_its_sentence_and_no_job(asked):
    with pytest.raises(RuntimeError, match="Open a picture first"):
        bpy.ops.anthesis.bring_to_life()
    image = an_image()
    image.source = "MOVIE"
    bpy.context.scene.anthesis.picture.image = image
    with pytest.raises(RuntimeError, match=r'"rose\.png" is a film'):
        bpy.ops.anthesis.bring_to_life()
    assert not bpy.ops.anthesis.sway_as_seen.poll()
    bpy.context.view_layer.objects.active = samples.grid()
    with pytest.raises(RuntimeError, match="There is no 3D view to look from"):
        bpy.ops.anthesis.sway_as_seen()
    assert not asked


def test_a_backend_that_lacks_what_it_takes_says_so_and_the_buttons_are_grey(asked, addon, monkeypatch):
    bpy.context.scene.anthesis.picture.image = an_image()
    bpy.context.view_layer.objects.active = samples.grid()
    buttons = bpy.ops.anthesis.bring_to_life, bpy.ops.anthesis.sway_as_seen
    session = addon.running().session
    monkeypatch.setattr(type(session), "state", "ready")
    for lacking in ("", f"{SENTENCE}."):
        monkeypatch.setattr(session, "engines", protocol.Engines(lacking=lacking))
        assert addon.running().lacking == lacking.rstrip(".")
        assert all(button.poll() != bool(lacking) for button in buttons)
    with pytest.raises(RuntimeError, match=SENTENCE):
        bpy.ops.anthesis.bring_to_life()
    monkeypatch.setattr(session, "engines", protocol.Engines(lacking=f"{SENTENCE}.", no_model=f"{UNTRAINED}."))
    settings = bpy.context.scene.anthesis
    settings.picture.model = settings.seen.model = "/weights"  # which helps nobody who lacks libraries
    assert not any(button.poll() for button in buttons)
    monkeypatch.setattr(type(session), "state", "off")  # another one may be started
    assert addon.running().lacking == addon.running().lacking_for("") == ""


def test_where_no_model_comes_with_the_backend_one_that_is_named_is_asked(asked, addon, monkeypatch):
    settings = bpy.context.scene.anthesis
    settings.picture.image = an_image()
    bpy.context.view_layer.objects.active = samples.grid()
    buttons = bpy.ops.anthesis.bring_to_life, bpy.ops.anthesis.sway_as_seen
    session = addon.running().session
    monkeypatch.setattr(type(session), "state", "ready")
    monkeypatch.setattr(session, "engines", protocol.Engines(no_model=f"{UNTRAINED}."))
    assert not any(button.poll() for button in buttons)
    with pytest.raises(RuntimeError, match=UNTRAINED):
        bpy.ops.anthesis.bring_to_life()
    settings.picture.model = "/weights"
    assert [button.poll() for button in buttons] == [True, False]
    assert bpy.ops.anthesis.bring_to_life() == {"FINISHED"} and asked[0][0].model == "/weights"
    settings.seen.model = "/weights"
    assert buttons[1].poll()
    monkeypatch.setattr(type(session), "state", "off")


def test_buttons_about_a_sway_or_a_life_are_grey_on_what_has_none(addon):
    names = ("bake_sway", "make_sway_live", "remove_sway", "bake", "make_live")
    bpy.context.view_layer.objects.active = samples.grid()
    assert not any(getattr(bpy.ops.anthesis, name).poll() for name in names)
    sway.put(bpy.context.object, sway.Sway(np.zeros((2, 36, 3), complex), BASE))
    assert bpy.ops.anthesis.remove_sway.poll() and not bpy.ops.anthesis.bake.poll()


# --- Panels


class Layout:
    """Takes down what is drawn."""

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


def drawn(panel):
    """What a panel draws now. Its width makes one line of every sentence."""
    context = SimpleNamespace(
        scene=bpy.context.scene,
        active_object=bpy.context.object,
        region=SimpleNamespace(width=100_000),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
    )
    here = SimpleNamespace(layout=Layout(), draw_wanted=getattr(panel, "draw_wanted", None))
    for name in ("draw_live", "draw_lacking"):
        setattr(here, name, lambda *words, name=name: getattr(panel, name)(here, *words))
    panel.draw(here, context)
    return here.layout


def test_the_panels_show_what_there_is_and_what_is_lacking(script, addon, monkeypatch):
    from blender_addon.panels import picture
    from blender_addon.panels import sway as sway_panel

    addon.running().has_learned = True
    shown = drawn(picture.ANTHESIS_PT_picture)
    assert shown.named("template_ID") == ["image"] and shown.named("prop") == ["size", "detail"]
    assert shown.named("operator") == ["anthesis.bring_to_life"] and shown.text == ""
    session = addon.running().session
    monkeypatch.setattr(type(session), "state", "ready")
    monkeypatch.setattr(session, "engines", protocol.Engines(lacking=f"{SENTENCE}."))
    assert SENTENCE in drawn(picture.ANTHESIS_PT_picture).text
    monkeypatch.setattr(session, "engines", protocol.Engines(no_model=f"{UNTRAINED}."))
    panels = picture.ANTHESIS_PT_picture, sway_panel.ANTHESIS_PT_sway_seen
    bpy.context.view_layer.objects.active = samples.grid()
    assert all(UNTRAINED in drawn(panel).text for panel in panels)
    of_scene = bpy.context.scene.anthesis
    of_scene.picture.model = of_scene.seen.model = "/weights"
    assert not any(UNTRAINED in drawn(panel).text for panel in panels)
    monkeypatch.setattr(session, "engines", protocol.Engines(lacking=f"{SENTENCE}."))
    settings = drawn(picture.ANTHESIS_PT_picture_settings).named("prop")
    assert settings == ["damping", "steps", "model", "seed"]
    obj = samples.grid()
    bpy.context.view_layer.objects.active = obj
    wanted = drawn(sway_panel.ANTHESIS_PT_sway)
    assert wanted.named("operator") == ["anthesis.sway_selected", "anthesis.sway_as_seen"]
    as_seen = drawn(sway_panel.ANTHESIS_PT_sway_seen)
    assert SENTENCE in as_seen.text and as_seen.named("prop") == ["steps", "model"]  # and no wind
    seen(script, obj)
    assert drawn(sway_panel.ANTHESIS_PT_sway).named("prop") == ['["Sway"]', '["Amplitude"]', "speed"]
    assert "anthesis.sway_as_seen" in drawn(sway_panel.ANTHESIS_PT_sway_seen).named("operator")
    from tests.blender.swaying import windy

    sway.put(obj, windy(obj))
    assert drawn(sway_panel.ANTHESIS_PT_sway).named("prop")[-1] == "direction"
    monkeypatch.setattr(type(session), "state", "off")  # no backend is to be stopped


def test_the_picture_panel_offers_the_learned_engine_and_says_each_thing_once(addon, monkeypatch):
    from blender_addon.panels import picture

    pump, entry = addon.running(), bpy.context.preferences.addons["blender_addon"].preferences
    session = pump.session
    monkeypatch.setattr("sys.platform", "linux")

    def said():
        found = drawn(picture.ANTHESIS_PT_picture)
        return found.text, "anthesis.install_learned" in found.named("operator")

    assert said() == ("", False)  # a Python of one's own may well have it
    entry.python = ""
    offer = "The learned engine brings pictures to life. To fetch: about 0.5 GB, or 3 GB for an NVIDIA GPU"
    monkeypatch.setattr(type(session), "state", "off")
    assert said() == (offer, True)
    monkeypatch.setattr(type(session), "state", "ready")
    monkeypatch.setattr(session, "engines", protocol.Engines())
    assert said() == ("", False)
    monkeypatch.setattr(session, "engines", protocol.Engines(lacking=f"{SENTENCE}.", no_model=UNTRAINED))
    assert said() == (offer, True)
    pump.has_learned = True  # the backend is to be restarted
    assert said() == (SENTENCE, False)
    pump.has_learned = False
    pump.installation = SimpleNamespace(state="running", cancel=lambda: None)
    assert said() == (SENTENCE, False)
    pump.installation = None
    monkeypatch.setattr(pump, "settings", replace(pump.settings, remote=True))
    assert said() == ("The backend is on another computer: install the learned engine there", False)
    monkeypatch.setattr(type(session), "state", "off")
    assert said() == ("", False)


def test_the_settings_are_those_of_the_requests(addon):
    from tests.blender.test_panel import assert_made_from

    settings = bpy.context.scene.anthesis
    assert_made_from(settings.picture, protocol.Plane)
    assert settings.picture.to_request() == protocol.Plane()
    own = {"steps", "model"}
    assert_made_from(settings.seen, protocol.SwayAsSeen, set(protocol.SwayAsSeen.__struct_fields__) - own)
    assert settings.seen.to_request(settings.sway, CAMERA) == protocol.SwayAsSeen(camera=CAMERA)
    changed = msgspec.structs.replace(protocol.SwayAsSeen(camera=CAMERA), pitch=2.0)
    settings.sway.direction, settings.sway.pitch = 0.5, 2.0
    assert settings.seen.to_request(settings.sway, CAMERA) == changed  # it is in no one wind
    assert settings.picture.bl_rna.properties["model"].subtype == "DIR_PATH"
