"""Images of the file as bytes: whatever Blender keeps them as, the record has the colours that one sees."""

from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from blender_addon.scene import photos  # noqa: E402
from blender_addon.seam import protocol  # noqa: E402

RED, GREEN, BLUE, ORANGE = (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (1, 0.5, 0.25, 1)


def image(corners, width=4, height=2, name="Corners", is_float=False, space=None):
    """Black, with four colours in its corners: upper left, upper right, lower left, lower right."""
    made = bpy.data.images.new(name, width, height, alpha=True, float_buffer=is_float)
    made.colorspace_settings.name = space or made.colorspace_settings.name
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[..., 3] = 1
    pixels[-1, 0], pixels[-1, -1], pixels[0, 0], pixels[0, -1] = corners
    made.pixels.foreach_set(pixels.ravel())
    return made


def saved(made, path, kind="PNG"):
    """The image as a file that was opened."""
    made.filepath_raw, made.file_format = str(path), kind
    made.save()
    bpy.data.images.remove(made)
    return bpy.data.images.load(str(path))


def corners_of(picture):
    return [tuple(picture[y, x].tolist()) for y in (0, -1) for x in (0, -1)]


def test_rows_go_from_the_top_and_columns_to_the_right(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 128, 64)]
    made = image([RED, GREEN, BLUE, ORANGE])
    picture, photo = photos.read(made)
    assert picture.shape == (2, 4, 3) and corners_of(picture) == colours and not photo.transparent
    assert (photo.name, photo.uid) == ("Corners", made.session_uid)
    picture, photo = photos.read(saved(made, tmp_path / "a photo.png"))
    assert corners_of(picture) == colours
    assert (photo.name, photo.title) == ("a photo.png", "a photo")
    protocol.pack(protocol.PictureRecord(), {"pixels": picture})


def test_opacity_comes_along_where_there_is_any_and_colours_are_not_multiplied_with_it(tmp_path):
    half = (1, 0.5, 0.25, 128 / 255)
    for made in (image([half, GREEN, BLUE, RED]), saved(image([half, GREEN, BLUE, RED]), tmp_path / "a.png")):
        picture, photo = photos.read(made)
        assert corners_of(picture) == [(255, 128, 64, 128), (0, 255, 0, 255), (0, 0, 255, 255), (255, 0, 0, 255)]
        assert photo.transparent


@pytest.mark.parametrize("mode", ["CHANNEL_PACKED", "NONE"])
def test_a_fourth_channel_that_is_no_opacity_is_left_out(mode):
    made = image([(1, 0.5, 0.25, 0.5), GREEN, BLUE, RED])
    made.alpha_mode = mode
    picture, photo = photos.read(made)
    assert picture.shape[2] == 3 and not photo.transparent


def exr_of(made, path):
    """A file that was opened, with the pixels of an image. Blender's first save of one is sRGB, its second is not."""
    pixels = np.array(made.pixels, np.float32)
    made.filepath_raw, made.file_format = str(path), "OPEN_EXR"
    made.save()
    made.colorspace_settings.name = "Linear Rec.709"
    made.pixels.foreach_set(pixels)
    opened = saved(made, path, "OPEN_EXR")
    assert opened.is_float
    return opened


def encoded(linear):
    return tuple(protocol.to_bytes(protocol.linear_to_srgb(np.array(linear))).tolist())


def test_linear_light_becomes_srgb_and_what_is_too_bright_or_no_number_stays_in_range(tmp_path):
    bright = (7.0, 0.18, 0.5, 1)
    made = image([bright, (0.01, 0.2, 0.04, 1), BLUE, RED], is_float=True)
    expected = [encoded((1, 0.18, 0.5)), encoded((0.01, 0.2, 0.04)), (0, 0, 255), (255, 0, 0)]
    assert expected[0] == (255, 118, 188)
    assert corners_of(photos.read(made)[0]) == expected
    colours = [bright, (0.01, 0.2, 0.04, 1), BLUE, RED]  # as of a file of 16 bits a channel: linear once it is read
    assert corners_of(photos.read(image(colours, is_float=True, space="sRGB"))[0]) == expected
    found = np.array(corners_of(photos.read(exr_of(made, tmp_path / "a.exr"))[0]))
    assert np.abs(found - np.array(expected)).max() <= 1  # half floats
    wrong = image([(np.nan, np.inf, 0.5, 1), GREEN, BLUE, RED], is_float=True)
    assert corners_of(photos.read(wrong)[0])[0] == (0, 255, 188)


def test_floats_are_divided_by_their_opacity():
    made = image([(0.09, 0.25, 0.1, 0.5), (0, 0, 0, 0), BLUE, RED], is_float=True)
    picture = photos.read(made)[0]
    assert corners_of(picture)[:2] == [(*encoded((0.18, 0.5, 0.2)), 128), (0, 0, 0, 0)]


def test_bytes_that_are_read_as_linear_are_sent_as_they_are_seen():
    corners = [(0.5, 0.5, 0.5, 1), GREEN, BLUE, RED]
    for space, seen in (("sRGB", 128), ("Non-Color", 188), ("Linear Rec.709", 188)):
        assert corners_of(photos.read(image(corners, space=space))[0])[0] == (seen,) * 3
    assert encoded([128 / 255] * 3) == (188, 188, 188)


def quarters(width, height):
    """Red, green, blue and orange, a quarter each."""
    made = bpy.data.images.new("Quarters", width, height)
    pixels = np.ones((height, width, 4), np.float32)
    half = height // 2, width // 2
    pixels[half[0] :, : half[1]], pixels[half[0] :, half[1] :] = RED, GREEN
    pixels[: half[0], : half[1]], pixels[: half[0], half[1] :] = BLUE, ORANGE
    made.pixels.foreach_set(pixels.ravel())
    return made


@pytest.mark.parametrize("painted", [False, True])
def test_a_large_image_is_made_smaller_and_stays_as_it_is(painted, tmp_path):
    made = quarters(3000, 1500)
    if painted:  # and not saved: a copy of it would be black
        assert made.is_dirty
    else:
        made = saved(made, tmp_path / "large.png")
    before = len(bpy.data.images)
    picture, _ = photos.read(made)
    assert picture.shape == (512, 1024, 3) and corners_of(picture) == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 128, 64),
    ]  # fmt: skip
    assert len(bpy.data.images) == before and tuple(made.size) == (3000, 1500)
    assert tuple(picture[255, 500]) == (255, 0, 0) and tuple(picture[256, 523]) == (255, 128, 64)


def test_smaller_pixels_are_the_mean_of_what_they_show():
    made = bpy.data.images.new("Stripes", 2048, 64)
    made.pixels.foreach_set(np.tile(np.repeat([0.0, 1.0], 4), 1024 * 64).astype(np.float32))
    made.alpha_mode = "NONE"
    assert (photos.read(made)[0] == 128).all()


@pytest.mark.parametrize(("size", "sent"), [((6000, 90), (2133, 32)), ((6000, 20), (4096, 14)), ((300, 20), (300, 20))])
def test_a_narrow_picture_keeps_what_the_backend_needs_of_it(size, sent):
    assert photos.read(bpy.data.images.new("Narrow", *size))[0].shape[1::-1] == sent


def test_a_packed_image_is_read_without_its_file(tmp_path):
    made = saved(image([RED, GREEN, BLUE, ORANGE]), tmp_path / "a.png")
    made.pack()
    (tmp_path / "a.png").unlink()
    assert corners_of(photos.read(made)[0])[0] == (255, 0, 0)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("MOVIE", '"Any" is a film: save one of its frames'),
        ("SEQUENCE", '"Any" is a sequence of images: open one of them'),
        ("TILED", '"Any" is spread over UDIM tiles'),
        ("FILE", '"Any" has no pixels, its file is missing or no image'),
    ],
)
def test_what_is_no_still_picture_is_refused_in_words(source, words):
    made = bpy.data.images.new("Any", 4, 4)
    made.source = source
    with pytest.raises(photos.Unreadable, match=words):
        photos.read(made)


def test_a_missing_file_no_choice_and_a_render_are_refused_in_words(tmp_path):
    made = saved(image([RED] * 4), tmp_path / "gone.png")
    (tmp_path / "gone.png").unlink()
    made.reload()
    with pytest.raises(photos.Unreadable, match=r"its file .*gone.png is missing"):
        photos.read(made)
    with pytest.raises(photos.Unreadable, match="No picture is chosen"):
        photos.read(None)
    render = SimpleNamespace(name="Render Result", type="RENDER_RESULT", source="VIEWER")
    with pytest.raises(photos.Unreadable, match='"Render Result" cannot be read by add-ons: save it'):
        photos.read(render)


def test_names_without_an_ending_of_a_picture_are_kept_whole():
    for name in ("version 1.2", ".png", "rose.jpg.001", "Untitled"):
        assert photos.Photo(name).title == name
    assert photos.Photo("a.b.png").title == "a.b" and photos.Photo("rose.JPG").title == "rose"
