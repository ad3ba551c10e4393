"""The panel's values: what it shows is the protocol's, and what is set in it is what is asked for."""

from typing import Annotated

import msgspec
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402

# --- The panel's values


def assert_made_from(group, request_type, leave_out=()):
    for field in msgspec.inspect.type_info(request_type).fields:
        if field.name in leave_out:
            continue
        shown, about = group.bl_rna.properties[field.name], field.type.extra_json_schema
        assert (shown.name, shown.description) == (about["title"], about["description"])
        if field.default is not msgspec.NODEFAULT:
            assert getattr(group, field.name) == pytest.approx(field.default)
        if shown.type in ("INT", "FLOAT"):
            assert (shown.hard_min, shown.hard_max) == pytest.approx((field.type.type.ge, field.type.type.le))
        if shown.type == "ENUM":
            assert {item.identifier for item in shown.enum_items} == set(field.type.type.values)


def test_the_panel_has_the_defaults_limits_and_words_of_the_protocol(addon):
    settings = bpy.context.scene.anthesis
    assert_made_from(settings.generate, protocol.Generate, {"specimen", "count", "age"})
    assert_made_from(settings.animate, protocol.Animate, {"stages"})
    assert_made_from(settings.animate.stage, protocol.Stage, {"process"})
    for name, kind in protocol.PROCESSES.items():
        assert_made_from(getattr(settings.animate.stage, name), kind)
    assert settings.animate.to_request() == protocol.Animate()


def test_the_process_menu_offers_what_there_is_in_the_words_of_the_protocol(addon):
    from blender_addon import pictures

    menu = pictures.items(None, None)
    assert [entry[0] for entry in menu] == list(protocol.PROCESSES)
    icons = {item.identifier for item in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items}
    for name, title, about, icon, _ in menu:
        assert title == name.title() and about == protocol.PROCESSES[name].__doc__.strip().rstrip(".")
        assert isinstance(icon, int) or icon in icons - {"NONE"}


def test_pictures_that_are_there_are_in_the_menu(addon, tmp_path, monkeypatch):
    from blender_addon import pictures

    assert set(pictures.ICONS) == set(protocol.PROCESSES)
    picture = bpy.data.images.new("Picture", 8, 8)
    picture.filepath_raw, picture.file_format = str(tmp_path / "melt.png"), "PNG"
    picture.save()
    pictures.stop()
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    pictures.start()
    assert isinstance(pictures.icon("melt"), int) and pictures.icon("wilt") == pictures.ICONS["wilt"]
    assert not pictures.are_there()


def test_what_is_set_in_the_panel_is_what_is_asked_for(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.amount, settings.stage.melt.spread = "melt", 0.1, 0.9
    settings.frames, settings.fps, settings.seed, settings.reverse = 17, 23.976, 2**31 - 1, True
    settings.first, settings.last, settings.timing, settings.preview = 0.2, 0.7, "slow_both", False
    assert settings.to_request() == protocol.Animate(
        stages=(protocol.Stage(process=protocol.Melt(spread=0.9), amount=0.1),),
        frames=17, fps=23.976, seed=2**31 - 1, reverse=True, first=0.2, last=0.7, timing="slow_both", preview=False,
    )  # fmt: skip


def test_lengths_are_shown_in_the_units_of_the_scene_and_counts_have_none(addon):
    specimen = bpy.data.objects.new("Any", None).anthesis_specimen
    for name, kind in protocol.SPECIES.items():
        shown = getattr(specimen, name).bl_rna.properties
        units = {field: (shown[field].subtype, shown[field].unit) for field in kind.__struct_fields__}
        assert units.pop("height") == ("DISTANCE", "LENGTH")
        units.pop("colour")
        assert {unit for _, unit in units.values()} == {"NONE"}
    assert specimen.rose.bl_rna.properties["petals"].subtype == "NONE"


def measured(least, most, unit=""):
    """The property of a number with these limits and unit, as it is shown."""
    from blender_addon import from_request

    about = msgspec.Meta(ge=least, le=most, title="Any", description="Any", extra={"unit": unit} if unit else None)
    request = msgspec.defstruct("Request", [("any", Annotated[float, about], most)])
    group = type("Group", (bpy.types.PropertyGroup,), {"__annotations__": from_request.made_from(request)})
    bpy.utils.register_class(group)
    try:
        shown = group.bl_rna.properties["any"]
        return shown.subtype, shown.unit, shown.precision
    finally:
        bpy.utils.unregister_class(group)


def test_numbers_are_shown_in_the_units_of_the_scene_and_small_ones_with_all_their_digits():
    usual = measured(0, 5)[2]
    assert measured(-3.14, 3.14, "radian") == ("ANGLE", "ROTATION", usual)
    assert measured(0.001, 0.5, "radian") == ("ANGLE", "ROTATION", usual)
    assert measured(0.001, 2, "metre") == ("DISTANCE", "LENGTH", 4)
    assert measured(-1, 2, "metre") == measured(0.5, 2, "metre") == ("DISTANCE", "LENGTH", usual)
    assert measured(0.005, 0.3) == ("NONE", "NONE", 3)
    assert measured(0.005, 1) == ("FACTOR", "NONE", 3)
    assert measured(-1, 5) == ("NONE", "NONE", usual)


# --- Several processes


def stages_of(settings):
    return [(protocol.name_of(each.process), each.start, each.end) for each in settings.to_request().stages]


def test_then_appends_a_process_and_the_others_make_room(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.bloom.tightness = "bloom", 0.9
    bpy.ops.anthesis.add_process(at_once=False)
    assert stages_of(settings) == [("bloom", 0, 0.5), ("wilt", 0.5, 1)]
    assert settings.chosen == settings.stages[1] and settings.stages[0].bloom.tightness == pytest.approx(0.9)
    bpy.ops.anthesis.add_process(at_once=False)
    assert [start for _, start, _ in stages_of(settings)] == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-5)
    assert protocol.in_words(settings.to_request().stages) == "bloom, wilt, melt"


def test_then_fills_what_the_last_process_leaves_of_life(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].end = 0.8
    bpy.ops.anthesis.add_process(at_once=False)
    assert stages_of(settings) == [("wilt", 0, 0.5), ("melt", 0.5, 0.8), ("shrivel", 0.8, 1)]


def test_at_once_puts_a_process_beside_the_chosen_one(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stage_index = 0
    bpy.ops.anthesis.add_process(at_once=True)
    assert stages_of(settings) == [("wilt", 0, 0.5), ("shrivel", 0, 0.5), ("melt", 0.5, 1)]
    assert protocol.in_words(settings.to_request().stages) == "wilt + shrivel, melt"
    assert settings.chosen.process == "shrivel"


def test_a_life_has_only_so_many_processes(addon):
    for _ in range(protocol.STAGES - 1):
        bpy.ops.anthesis.add_process(at_once=False)
    with pytest.raises(RuntimeError, match="A life has at most 4 processes: take one out first"):
        bpy.ops.anthesis.add_process(at_once=True)


def test_the_last_process_left_has_all_of_life(addon):
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process = "burn"
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].wilt.droop = 0.75
    settings.stage_index = 0
    bpy.ops.anthesis.remove_process()
    assert not settings.stages and stages_of(settings) == [("wilt", 0, 1)]
    assert settings.to_request().stages[0].process.droop == 0.75
    assert not bpy.ops.anthesis.remove_process.poll()


def test_a_process_cannot_end_before_it_starts(addon):
    settings = bpy.context.scene.anthesis.animate
    stage = settings.stage
    stage.start = 1.0
    assert 0 < stage.start < stage.end == 1
    stage.end = 0.0
    assert 0 == stage.start < stage.end
    stage.start, stage.end = 0.6, 0.3
    assert stage.start < stage.end == pytest.approx(0.3)
    stage.start = 0.5
    assert stage.start == 0.5 < stage.end < 0.6
    settings.last = 0.0
    assert settings.first < settings.last
    settings.to_request()


def test_processes_are_asked_for_in_the_order_in_which_they_start(addon):
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[0].end = settings.stages[0].start = 1.0
    assert [name for name, _, _ in stages_of(settings)] == ["melt", "wilt"]


def test_processes_that_cannot_follow_one_another_are_answered_with_the_sentence_and_no_job(addon):
    samples.prism().select_set(True)
    settings = bpy.context.scene.anthesis.animate
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].process = "bloom"
    with pytest.raises(RuntimeError, match="Bloom ends with your mesh as it is, so nothing can come before it"):
        bpy.ops.anthesis.animate_selected()
    assert not addon.running().session.jobs


def test_a_preset_holds_all_processes_and_their_sliders(addon, tmp_path, monkeypatch):
    from blender_addon.panels import animate

    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(tmp_path))
    settings = bpy.context.scene.anthesis.animate
    settings.stage.process, settings.stage.amount, settings.frames = "bloom", 0.5, 12
    bpy.ops.anthesis.add_process(at_once=False)
    settings.stages[1].process, settings.stages[1].rot.mould, settings.timing = "rot", 0.25, "slow_end"
    wanted = settings.to_request()
    bpy.ops.anthesis.animate_preset_add(name="Mine")
    (file,) = tmp_path.glob("*.py")
    bpy.context.scene.anthesis.animate.stages.clear()
    settings.stage.process, settings.frames, settings.timing = "wilt", 48, "even"
    exec(file.read_text(), {})
    assert settings.to_request() == wanted
    assert animate.ANTHESIS_OT_animate_preset_add.preset_subdir == "anthesis/animate"


def test_a_text_datablock_takes_the_place_of_the_prompt(addon):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt = "a tulip"
    settings.text = bpy.data.texts.new("Long")
    settings.text.write("a red rose,\nblooming")
    assert settings.to_request().prompt == "a red rose,\nblooming"


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "The prompt is empty"), ("  ", "The prompt is empty"), ("ü" * 5000, "shorten it")]
)
def test_a_prompt_that_cannot_be_used_is_answered_with_words_and_no_job(addon, prompt, words):
    bpy.context.scene.anthesis.generate.prompt = prompt
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.anthesis.generate()
    assert not addon.running().session.jobs


def test_every_label_and_description_is_written_as_blender_asks(addon):
    from blender_addon import registration

    small = {"a", "an", "and", "of", "the", "in", "on", "to", "as"}
    for cls in registration.CLASSES:
        label, description = getattr(cls, "bl_label", "Fine"), getattr(cls, "bl_description", "")
        assert all(word[0].isupper() or word in small for word in label.split()), label
        assert not description.endswith("."), description
        for shown in cls.bl_rna.properties:
            if shown.identifier in cls.__annotations__:
                assert not shown.description.endswith("."), shown.description
