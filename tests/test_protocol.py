"""The grammar: what was said is what is heard; what makes no sense is refused, whatever it is, and costs nothing."""

import itertools
import random
import tracemalloc
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import protocol
from backend.protocol import BadMessage
from tests.asking import animate as asked

README = Path(__file__).parents[1] / "README.md"
ID, OTHER = "0123456789abcdef" * 2, "f" * 32
GENERATE = protocol.Generate(prompt="a red rose, ünïcode, blooming", frames=7, seed=3, fps=12.5, reverse=True)
CAMERA = protocol.Camera(
    view=(0.8, 0.6, 0.0, 3.0, -0.6, 0.8, 0.0, 2.0, 0.0, 0.0, 1.0, -9.0, 0.0, 0.0, 0.0, 1.0),
    projection=(2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, -1.1, -0.2, 0.0, 0.0, -1.0, 0.0),
)
LIFE = (protocol.Stage(process=protocol.Grow(), end=0.4), protocol.Stage(process=protocol.Melt(), start=0.4))
MUSHROOM = protocol.TextToMesh(
    prompt="a red mushroom", negative="", views=False, steps=9, scale=4.5, shading=True, faces=700, size=0.2,
    stages=LIFE, first=0.1, last=0.9, as_it_is=True, model="mine",
)  # fmt: skip
FAILURE = protocol.Failure("nan_result", "It is not a number", "detail")
CALLS = [
    protocol.Hello(id=1, client=ID, protocol_min=1, protocol_max=3, software="Anthesis 9, Blender 5"),
    protocol.Ping(id=2),
    protocol.Bye(id=3),
    protocol.Put(id=4, blob=ID, size=100_000, offset=70_000),
    protocol.Submit(id=5, job=ID, request=GENERATE, title="Rose", blob=OTHER),
    protocol.Submit(id=6, job=ID, request=asked("melt", amount=0.5, frames=1024), title=""),
    protocol.Submit(id=16, job=ID, request=protocol.Plane(size=3.0, detail=40, model="mine"), title="", blob=OTHER),
    protocol.Submit(id=17, job=ID, request=protocol.SwayAsSeen(camera=CAMERA, modes=7, steps=20), title="Leaf"),
    protocol.Submit(id=18, job=ID, request=protocol.Sway(storm=0.7, direction=-1.5, frequencies=9), title="Leaf"),
    protocol.Submit(id=22, job=ID, request=protocol.Views(prompt="a red mushroom", count=6, elevation=0.1), title=""),
    protocol.Submit(id=23, job=ID, request=MUSHROOM, title="Mushroom"),
    protocol.Submit(id=24, job=ID, request=protocol.LearnSubject(known_as="zebedee", of="mug", effort=0.5), title=""),
    protocol.Submit(id=19, job=ID, request=protocol.Picture(pull=(0.2, 0.4, -0.1, 0.3), loop=False), title="Film"),
    *(protocol.Submit(id=20, job=ID, request=asked(name, amount=0.3), title="") for name in protocol.PROCESSES),
    *(
        protocol.Submit(id=21, job=ID, request=protocol.Generate(prompt="any", specimen=kind(height=0.2)), title="")
        for kind in protocol.SPECIES.values()
    ),
    protocol.Read(id=15, prompt="three candles, ünïcode"),
    protocol.Cancel(id=7, job=ID, force=True),
    protocol.List(id=8),
    protocol.Subscribe(id=9, stream=4, job=ID, from_seq=17, credit=1 << 20, local=True),
    protocol.Credit(id=10, stream=4, total=1 << 39),
    protocol.Unsubscribe(id=11, stream=4),
    protocol.Remove(id=12, job=ID),
    protocol.Clear(id=13),
    protocol.Shutdown(id=14, force=True),
]
ENGINES = protocol.Engines(
    makes=("rose",),
    processes=("wilt", "melt"),
    device="CPU",
    lacking="No torch",
    no_model="None",
    no_views="Nor any",
    subjects=("zebedee mug", "ü"),
)
ANSWERS = [
    protocol.Welcome(re=1, protocol=1, boot=ID, software="0.1", engines=ENGINES),
    protocol.Pong(re=2, boot=ID, worker="Idle", running=1, queued=2, store_bytes=1 << 36, engines=None),
    protocol.Have(re=3, blob=ID, offset=12, complete=True),
    protocol.Accepted(re=4, job=ID, duplicate=True),
    protocol.JobState(
        re=5, job=ID, state="failed", title="Rose", request=GENERATE, done=0.25, text="Frame 2", records=3, attempt=2,
        created=1.7e9, failure=FAILURE,
    ),
    protocol.Reading(re=9, understood="a rose", passed_over=("ü",), specimen=protocol.SPECIES["rose"](), count=3),
    protocol.Listed(re=6, jobs=4),
    protocol.Removed(re=7, job=ID),
    protocol.Chunk(stream=1, job=ID, seq=5, offset=3, total=40, digest=2**63 - 1),
    protocol.Located(stream=1, job=ID, seq=5, position=1 << 33, total=1 << 28, digest=12345678901234567),
    protocol.Gap(stream=1, first=3, last=9),
    protocol.End(stream=1, job=ID, records=10, state="done"),
    protocol.Refused(re=8, failure=FAILURE, job=ID),
]  # fmt: skip
PAYLOAD = bytes(range(37))


def frames_of(message) -> list[bytes]:
    return [bytes(frame) for frame in protocol.encode(message, PAYLOAD if message.payload_limit else None)]


def mesh_arrays(count: int = 5) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {
        "vertices": generator.normal(size=(count, 3)).astype(np.float32),
        "corners": np.array([0, 1, 2, 2, 3, 4, 0], np.int32),
        "sizes": np.array([3, 4], np.int32),
        "triangles": np.array([[0, 1, 2], [3, 4, 5], [3, 5, 6]], np.int32),
        "uv": generator.random((7, 2)).astype(np.float32),
        "albedo": generator.integers(0, 256, (count, 3), np.uint8),
        "pin": generator.random(count).astype(np.float32),
        "parts": np.arange(count, dtype=np.int32),
        "picture": generator.integers(0, 256, (3, 4, 4), np.uint8),
        "texture": generator.integers(0, 256, (4, 2, 3), np.uint8),
        "texture_roughness": generator.integers(0, 256, (4, 2), np.uint8),
    }


SUBJECT = protocol.Subject(name="Rose", part_names=("petal", "leaf"), frames=3, understood=("red",), loop=True)
FRAME = protocol.FrameRecord(index=2, tau=0.5)
SEEN = protocol.SeenRecord(base=0.2, explained=0.75, pixels=300, advised=0.4, said=("It is grey",))
VIEWS = protocol.ViewsRecord(preview=True, step=3, steps=50, azimuths=(0.0, 1.5, 3.0), passed_over=("ü",))
PICTURES = protocol.PicturesRecord(names=("a.png", "b.jpg", "ü.png"))
CERTIFICATE = protocol.Certificate(measured=(("motion", 0.5, "m"), ("flipped", 0.0, "")))


def packed_records() -> list[bytes]:
    arrays = mesh_arrays()
    frame = {"positions": arrays["vertices"], "roughness": np.arange(5, dtype=np.uint8)}
    amplitudes = {"amplitudes": np.arange(24, dtype=np.float32).reshape(3, 4, 2)}
    packed = (
        protocol.pack(SUBJECT, arrays),
        protocol.pack(FRAME, frame),
        protocol.pack(CERTIFICATE, {}),
        protocol.pack(SEEN, amplitudes),
        protocol.pack(VIEWS, {"pixels": np.arange(90, dtype=np.uint8).reshape(3, 2, 5, 3)}),
        protocol.pack(PICTURES, {f"file_{number}": np.arange(4 + number, dtype=np.uint8) for number in range(3)}),
    )
    return [bytes(record) for record in packed]


@pytest.mark.parametrize("message", CALLS + ANSWERS, ids=lambda message: type(message).__name__)
def test_a_message_is_heard_as_it_was_said(message):
    decode = protocol.decode_call if isinstance(message, protocol.Call) else protocol.decode_answer
    heard, payload = decode(frames_of(message))
    assert heard == message
    assert (payload is None) == (message.payload_limit == 0)
    assert payload is None or bytes(payload) == PAYLOAD


def test_every_message_of_the_protocol_is_tried_here():
    assert {type(message) for message in CALLS} == set(protocol.Calls.__args__)
    assert {type(message) for message in ANSWERS} == set(protocol.Answers.__args__)
    requests = [message.request for message in CALLS if isinstance(message, protocol.Submit)]
    assert {type(request) for request in requests} == set(protocol.Request.__args__)


def test_a_record_is_unpacked_as_it_was_packed():
    arrays = mesh_arrays()
    record, unpacked = protocol.unpack(packed_records()[0])
    assert (record.name, record.part_names, record.frames, record.loop) == ("Rose", ("petal", "leaf"), 3, True)
    assert unpacked.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(unpacked[name], array)
        assert unpacked[name].dtype == array.dtype
    certificate, none = protocol.unpack(packed_records()[2])
    assert certificate.measured == CERTIFICATE.measured
    assert not none


def test_arrays_of_a_record_are_aligned():
    data = np.frombuffer(packed_records()[0], np.uint8)
    _, arrays = protocol.unpack(data)
    starts = [array.__array_interface__["data"][0] - data.__array_interface__["data"][0] for array in arrays.values()]
    assert all(start % 16 == 0 for start in starts)
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "bad_frame"),
        ([b"GET / HTTP/1.1"], "bad_frame"),
        ([b"ANT1"], "bad_frame"),
        ([b"ANT1", b"", b"", b""], "bad_frame"),
        ([b"ANT2", frames_of(CALLS[1])[1]], "bad_frame"),
        ([b"ANT1", b""], "bad_header"),
        ([b"ANT1", frames_of(CALLS[4])[1][:-1]], "bad_header"),
        ([b"ANT1", b"\x91" * 60_000], "bad_header"),
        ([b"ANT1", b"\x81" * 60_000], "bad_header"),
        ([b"ANT1", bytes(protocol.HEADER_BYTES + 1)], "too_large"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "format_disk"})], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "ping", "id": -1})], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "ping", "id": "1"})], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "ping", "extra": 1})], "bad_header"),
        ([b"ANT1", b"\x82\xa1t\xa4ping\xa2\xff\xfe\x01"], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "remove", "job": "../../etc/passwd"})], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "remove", "job": ID + "\n"})], "bad_header"),
        ([b"ANT1", msgspec.msgpack.encode({"t": "credit", "stream": 0, "total": 2**40 + 1})], "bad_header"),
        ([*frames_of(CALLS[1]), b"x"], "too_large"),
        (frames_of(CALLS[3])[:2], "bad_frame"),
        ([*frames_of(CALLS[3])[:2], b""], "bad_frame"),
        ([*frames_of(CALLS[3])[:2], bytes(protocol.CHUNK_BYTES + 1)], "too_large"),
        ([*frames_of(CALLS[3])[:2], bytes(30_001)], "bad_frame"),
    ],
)
def test_what_is_no_message_is_refused_with_a_code(frames, code):
    with pytest.raises(BadMessage) as refused:
        protocol.decode_call(frames)
    assert refused.value.code == code
    assert len(refused.value.text) <= 400


@pytest.mark.parametrize("prompt", ["", "   \n", "x" * (protocol.PROMPT_BYTES + 1), "ü" * protocol.PROMPT_BYTES])
def test_prompts_that_nothing_can_be_made_of_are_refused_with_words(prompt):
    header = msgspec.msgpack.encode({"t": "submit", "job": ID, "request": {"type": "generate", "prompt": prompt}})
    with pytest.raises(BadMessage, match="The prompt"):
        protocol.decode_call([b"ANT1", header])


@pytest.mark.parametrize("tag", ["views", "text_to_mesh"])
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": " "}, "The prompt is empty"),
        ({"prompt": "x" * 10_000}, "The prompt has 10,000 bytes and 8,192 are allowed"),
        ({"prompt": "a rose", "negative": "ü" * 4097}, "The negative prompt has 8,194 bytes"),
    ],
)
def test_words_for_views_and_a_mesh_are_refused_likewise(tag, fields, sentence):
    header = msgspec.msgpack.encode({"t": "submit", "job": ID, "request": {"type": tag, **fields}})
    with pytest.raises(BadMessage, match=sentence):
        protocol.decode_call([b"ANT1", header])


def test_the_life_of_a_mesh_from_words_must_make_sense():
    with pytest.raises(ValueError, match=r"ends at 0\.5, not after its beginning at 0\.5"):
        protocol.TextToMesh(prompt="a rose", first=0.5, last=0.5)
    with pytest.raises(ValueError, match="Grow ends with your mesh as it is"):
        protocol.TextToMesh(
            prompt="a rose", stages=(protocol.Stage(end=0.4), protocol.Stage(process=protocol.Grow(), start=0.5))
        )


@pytest.mark.parametrize("pixels", [(2, 2, 2, 3), (3, 0, 2, 3)])
def test_there_are_as_many_views_as_cameras(pixels):
    arrays = {"pixels": np.zeros(pixels, np.uint8)}
    protocol.check_views(VIEWS, {"pixels": np.zeros((3, 2, 2, 3), np.uint8)})
    with pytest.raises(BadMessage, match="from 3 azimuths"):
        protocol.check_views(VIEWS, arrays)
    with pytest.raises(BadMessage):
        protocol.check_views(msgspec.structs.replace(VIEWS, azimuths=(0.0, 1.0, float("nan"))), arrays)


@pytest.mark.parametrize("missing", ["uv", "texture"])
def test_a_texture_wants_a_place_and_a_roughness_its_colours(missing):
    arrays = {name: array for name, array in mesh_arrays().items() if name != missing}
    protocol.check_subject(mesh_arrays())
    with pytest.raises(BadMessage, match="A texture lies on a surface by its uv"):
        protocol.check_subject(arrays)


@pytest.mark.parametrize("count", [0, -1, protocol.INDIVIDUALS + 1])
def test_a_number_of_individuals_is_refused_with_what_it_may_be(count):
    with pytest.raises(ValueError, match=f"{count} were asked for, and 1 to {protocol.INDIVIDUALS} .* number within"):
        protocol.Generate(prompt="a rose", count=count)


def test_a_prompt_that_is_typed_reaches_the_gateway_however_long_and_is_refused_there():
    call = protocol.Read(prompt="x" * (protocol.PROMPT_BYTES + 1))
    assert protocol.decode_call(protocol.encode(call))[0] == call
    with pytest.raises(ValueError, match="8,193 bytes and 8,192 are allowed"):
        protocol.check_size(call.prompt)


def test_a_prompt_that_is_not_utf8_is_refused():
    header = msgspec.msgpack.encode({"t": "submit", "job": ID, "request": {"type": "generate", "prompt": "abc"}})
    with pytest.raises(BadMessage):
        protocol.decode_call([b"ANT1", header.replace(b"abc", b"\xff\xfe\x00")])


def declared(record: protocol.Record, **shapes: tuple) -> bytes:
    """A record that declares arrays of these shapes, and 64 bytes in their place."""
    specs = tuple(protocol.Array(name, record.layout[name][0], shape) for name, shape in shapes.items())
    header = msgspec.msgpack.encode(msgspec.structs.replace(record, arrays=specs))
    return b"ANR1" + len(header).to_bytes(4, "little") + header + bytes(64)


@pytest.mark.parametrize(
    "data",
    [
        declared(FRAME, positions=(2**24, 3)),
        declared(FRAME, positions=(2**62, 3)),
        declared(FRAME, positions=(2**26, 2**26, 2**26)),
        declared(FRAME, positions=(-1, 3)),
        declared(FRAME, positions=(6, 3)),
        declared(FRAME, positions=(0, 3), roughness=(2**26,)),
        declared(FRAME, roughness=(64,)),
        declared(SEEN, amplitudes=(3, 4, 3)),
        declared(SEEN, amplitudes=(2**40, 2**40, 2)),
        declared(SUBJECT, vertices=(1, 3), corners=(0,), sizes=(0,), triangles=(0, 3), picture=(2**13, 1, 3)),
        declared(SUBJECT, vertices=(1, 3), corners=(0,), sizes=(0,), triangles=(0, 3), texture=(1, 2**13, 3)),
        declared(VIEWS, pixels=(3, 2**13, 1, 3)),
        declared(VIEWS, pixels=(3, 2, 2, 4)),
        declared(PICTURES, file_0=(2**26 + 1,)),
        declared(protocol.Certificate()).replace(b"certificate", b"certificatf"),
        b"ANR1" + (2**32 - 1).to_bytes(4, "little"),
        b"ANR1",
        b"",
    ],
)
def test_a_record_that_lies_about_its_size_is_refused_before_anything_is_allocated(data):
    tracemalloc.start()
    try:
        with pytest.raises(BadMessage):
            protocol.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 256 * 1024
    finally:
        tracemalloc.stop()


def mutated(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """`data` with one to four things wrong."""
    wrong = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(wrong) + 1)
        match chance.randrange(7):
            case 0 if wrong:
                wrong[at % len(wrong)] ^= 1 << chance.randrange(8)
            case 1 if wrong:
                wrong[at % len(wrong)] = chance.randrange(256)
            case 2:
                del wrong[at:]
            case 3:
                del wrong[at : at + chance.randint(1, 8)]
            case 4:
                wrong[at:at] = chance.randbytes(chance.randint(1, 8))
            case 5:  # msgpack's own words for large things: str32, bin32, array32, map32, uint64
                wrong[at:at] = bytes([chance.choice(b"\xdb\xc6\xdd\xdf\xcf")]) + b"\xff\xff\xff\xff"
            case _:
                other = chance.choice(others)
                cut = chance.randrange(len(other) + 1)
                wrong[at:] = other[cut : cut + 200]
    return bytes(wrong)


def outcome(decode, *arguments) -> str:
    """ "good" or the code; anything but BadMessage comes through."""
    try:
        decode(*arguments)
    except BadMessage as error:
        return error.code
    return "good"


def within(limit: int, run) -> None:
    """Run something that may allocate `limit` bytes at once."""
    run()  # what is imported and cached on the way is not counted
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run()
        assert tracemalloc.get_traced_memory()[1] - before < limit
    finally:
        tracemalloc.stop()


MUTANTS = 125  # of one example, and as many again for its memory


@pytest.mark.parametrize(("kind", "examples"), [("call", 200), ("answer", 120), ("record", 120)])
def test_mutated_bytes_are_refused_and_nothing_else_happens(kind, examples):
    """110,000 messages in all; hypothesis draws what goes wrong with them, and finds the smallest seed that fails."""
    if kind == "record":
        seeds, decode = packed_records(), protocol.unpack
    else:
        messages = CALLS if kind == "call" else ANSWERS
        seeds = [frames_of(message)[1] for message in messages]
        decode = protocol.decode_call if kind == "call" else protocol.decode_answer
    seen, count = set(), itertools.count()

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 2**64))
    def fuzz(seed):
        chance = random.Random(seed)

        def run():
            for _ in range(MUTANTS):
                number = next(count)
                data = mutated(seeds[number % len(seeds)], chance, seeds)
                if kind == "record":
                    seen.add(outcome(decode, data))
                else:
                    tail = [PAYLOAD] if number % 3 == 0 else []
                    seen.add(outcome(decode, [b"ANT1", data, *tail]))

        within(2 * 1024 * 1024, run)

    fuzz()
    assert next(count) >= examples * 2 * MUTANTS
    assert {"good", "bad_header", "bad_frame"} <= seen, "the mutations do not reach deep enough"
    assert seen <= {"good", *get_args(protocol.Code)}


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_are_refused(frames):
    assert outcome(protocol.decode_call, frames) != "good"
    assert outcome(protocol.decode_answer, [b"ANT1", *frames]) != "good"
    assert all(outcome(protocol.unpack, frame) != "good" for frame in frames)


things = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.data())
def test_a_field_that_is_something_else_is_refused_or_within_its_limits(data):
    message = data.draw(st.sampled_from(CALLS + ANSWERS))
    header = msgspec.msgpack.decode(frames_of(message)[1])
    header[data.draw(st.sampled_from(sorted(header)))] = data.draw(things)
    decode = protocol.decode_call if isinstance(message, protocol.Call) else protocol.decode_answer
    frames = [b"ANT1", msgspec.msgpack.encode(header), *frames_of(message)[2:]]
    if outcome(decode, frames) == "good":
        heard, _ = decode(frames)
        again, _ = decode([b"ANT1", protocol.encode(heard)[1], *frames[2:]])
        assert repr(again) == repr(heard)  # by their words, for NaN is not itself


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.data())
def test_an_array_that_is_declared_otherwise_is_refused_or_fits(data):
    packed = data.draw(st.sampled_from(packed_records()[:2]))
    length = int.from_bytes(packed[4:8], "little")
    header = msgspec.msgpack.decode(packed[8 : 8 + length])
    spec = data.draw(st.sampled_from(header["arrays"]))
    numbers = st.integers(-3, 10) | st.integers(0, 2**64 - 1)
    spec[data.draw(st.sampled_from(sorted(spec)))] = data.draw(st.lists(numbers, max_size=4) | things)
    wrong = msgspec.msgpack.encode(header)
    packed = b"ANR1" + len(wrong).to_bytes(4, "little") + wrong + packed[8 + length :]
    if outcome(protocol.unpack, packed) == "good":
        record, arrays = protocol.unpack(packed)
        assert sum(array.nbytes for array in arrays.values()) <= len(packed)
        assert {spec.name: spec.shape for spec in record.arrays} == {
            name: array.shape for name, array in arrays.items()
        }


def test_the_readme_names_every_process_and_its_sliders():
    rows = [line.strip("| \n").split(" | ") for line in README.read_text().splitlines() if line.startswith("| ")]
    told = {row[0]: tuple(row[-1].split(", ")) for row in rows if row[0] in protocol.PROCESSES}
    assert told == {name: kind.__struct_fields__ for name, kind in protocol.PROCESSES.items()}
