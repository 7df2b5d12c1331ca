"""Every frame can be cut from the stored bytes, and numbers that lie do no harm."""

import struct
import warnings

import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length

from imagebank.dicom.frames import pack, pixels_of, spans
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.scan import More, scan
from imagebank.errors import Invalid, NotFound
from imagebank.model.imaging import Pixels
from unit.dicom.dicom_bytes import a_file, by_pydicom, encapsulated, every_file, image, value

JPEG = "1.2.840.10008.1.2.4.50"
J2K = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"


def found(data: bytes) -> tuple[Pixels, list[bytes], list[str]]:
    """The pixels of a file, its frames, and what was told about it."""
    told: dict[str, None] = {}
    pixels = pixels_of(data, scan(data), told)
    assert pixels is not None
    frames = (
        [b"".join(data[o : o + n] for o, n in spans(pixels, i)) for i in range(pixels.frames)] if pixels.direct else []
    )
    return pixels, frames, list(told)


def expected(data: bytes, pixels: Pixels) -> list[bytes]:
    """The frames as pydicom cuts them."""
    read = by_pydicom(data)
    count = int(read.get("NumberOfFrames") or 1)
    if pixels.encapsulated:
        table = read.get("ExtendedOffsetTable")
        return list(
            generate_frames(
                read.PixelData,
                number_of_frames=count,
                extended_offsets=(table, read.ExtendedOffsetTableLengths) if table else None,
            )
        )
    whole = next(read[word].value for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if word in read)
    size = get_expected_length(read) // count
    return [whole[size * number : size * (number + 1)] for number in range(count)]


def test_the_frames_of_every_file_equal_pydicoms() -> None:
    wrong = []
    compared = 0
    for path, data in every_file():
        try:
            opened = open_header(data)
        except Invalid:
            continue
        if isinstance(opened, Converted):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told: dict[str, None] = {}
            pixels = pixels_of(data, opened, told)
            if pixels is None or not pixels.direct or told:
                continue
            compared += 1
            if found(data)[1] != expected(data, pixels):
                wrong.append(str(path))

    assert wrong == []
    assert compared > 10


def test_native_frames_are_found_by_arithmetic() -> None:
    pixels, frames, told = found(a_file(*image(frames=3), value(0x7FE00010, "OB", bytes(range(12)))))

    assert frames == [bytes(range(4)), bytes(range(4, 8)), bytes(range(8, 12))]
    assert (pixels.frame_table, pixels.encapsulated, told) == (b"", False, [])


def test_subsampled_native_frames_have_two_bytes_a_pixel() -> None:
    shape = [*image(samples=3, frames=2), value(0x00280004, "CS", "YBR_FULL_422")]

    _, frames, told = found(a_file(*shape, value(0x7FE00010, "OB", bytes(range(16)))))

    assert (frames, told) == ([bytes(range(8)), bytes(range(8, 16))], [])


def test_floating_point_pixel_data_has_frames_too() -> None:
    data = struct.pack("<8f", *range(8))

    _, frames, _ = found(a_file(*image(bits=32, frames=2), value(0x7FE00008, "OF", data)))

    assert frames == [data[:16], data[16:]]


def test_frames_that_begin_within_a_byte_cannot_be_cut() -> None:
    pixels, _, told = found(a_file(*image(rows=3, columns=3, bits=1, frames=4), value(0x7FE00010, "OB", bytes(6))))

    assert (pixels.direct, pixels.frames, told) == (False, 4, [])


def test_frames_of_bits_that_end_on_a_byte_can_be_cut() -> None:
    _, frames, _ = found(a_file(*image(rows=4, columns=4, bits=1, frames=2), value(0x7FE00010, "OB", b"abcd")))

    assert frames == [b"ab", b"cd"]


@pytest.mark.parametrize(
    ("shape", "left"),
    [
        (image(rows=60000, columns=60000), 1),
        (image(frames=1000), 3),
        (image(rows=0), 1),
        (image(frames=10**12), 1),
        ([*image(), value(0x00280008, "IS", "many")], 1),
        ([], 1),
    ],
)
def test_numbers_that_lie_are_told_and_nothing_is_cut(shape: list[bytes], left: int) -> None:
    pixels, _, told = found(a_file(*shape, value(0x7FE00010, "OB", bytes(12))))

    assert pixels.frames == left
    assert told


def test_a_basic_offset_table_is_used_when_it_is_true() -> None:
    parts = [b"a1", b"a2", b"b1", b"c1", b"c2"]
    table = struct.pack("<3I", 0, 20, 30)

    _, frames, told = found(a_file(*image(frames=3), encapsulated(*parts, table=table), syntax=JPEG))

    assert (frames, told) == ([b"a1a2", b"b1", b"c1c2"], [])


@pytest.mark.parametrize(
    "table", [struct.pack("<2I", 0, 13), struct.pack("<2I", 0, 0), struct.pack("<2I", 10, 0), b"abc"]
)
def test_a_basic_offset_table_that_lies_is_not_used(table: bytes) -> None:
    parts = [b"\xff\xd8a1", b"a2", b"\xff\xd8b1"]

    _, frames, _ = found(a_file(*image(frames=2), encapsulated(*parts, table=table), syntax=JPEG))

    assert frames == [b"\xff\xd8a1a2", b"\xff\xd8b1"]


def test_an_extended_offset_table_leaves_padding_out() -> None:
    tables = [value(0x7FE00001, "OV", struct.pack("<2Q", 0, 12)), value(0x7FE00002, "OV", struct.pack("<2Q", 3, 5))]

    _, frames, _ = found(a_file(*image(frames=2), *tables, encapsulated(b"one\0", b"three\0"), syntax=JPEG))

    assert frames == [b"one", b"three"]


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a\0\0"])
def test_codestreams_tell_where_frames_begin(start: bytes) -> None:
    parts = [start + b"1", b"more", b"more", start + b"2", start + b"3", b"more"]

    _, frames, told = found(
        a_file(*image(frames=3), encapsulated(*(p + b"x" * (len(p) % 2) for p in parts)), syntax=J2K)
    )

    assert [frame[: len(start)] for frame in frames] == [start] * 3
    assert told == []


def test_codestreams_tell_where_frames_end() -> None:
    parts = [b"aaaa", b"a\xff\xd9\0", b"bb\xff\xd9"]

    _, frames, told = found(a_file(*image(frames=2), encapsulated(*parts), syntax=JPEG))

    assert (frames, told) == ([b"aaaaa\xff\xd9\0", b"bb\xff\xd9"], [])


def test_a_single_frame_is_all_fragments() -> None:
    _, frames, _ = found(a_file(*image(), encapsulated(b"ab", b"cd", b"ef"), syntax=JPEG))

    assert frames == [b"abcdef"]


def test_a_video_is_one_stream() -> None:
    pixels, frames, told = found(a_file(*image(frames=250), encapsulated(b"ab", b"cd"), syntax=MPEG4))

    assert (pixels.frames, frames, told) == (1, [b"abcd"], [])


@pytest.mark.parametrize("parts", [(b"ab", b"cd"), (b"ab", b"cd", b"ef", b"gh"), ()])
def test_fragments_that_do_not_make_up_the_frames_are_told(parts: tuple[bytes, ...]) -> None:
    pixels, _, told = found(a_file(*image(frames=3), encapsulated(*parts), syntax=RLE))

    assert not pixels.direct
    assert len(told) == 1


def test_pixel_data_without_its_delimiter_is_read() -> None:
    _, frames, told = found(a_file(*image(), encapsulated(b"ab", b"cd"), syntax=JPEG)[:-8])

    assert frames == [b"abcd"]
    assert "not closed" in told[0]


def test_pixel_data_that_is_not_encapsulated_although_its_syntax_asks_is_told() -> None:
    pixels, _, told = found(a_file(*image(), value(0x7FE00010, "OB", bytes(4)), syntax=JPEG))

    assert not pixels.direct
    assert "not encapsulated" in told[0]


def test_the_length_of_encapsulated_pixel_data_leaves_the_delimiter_out() -> None:
    data = a_file(*image(), encapsulated(b"ab"), syntax=JPEG)
    pixels, _, _ = found(data)

    assert pixels.offset + pixels.length == len(data) - 8


def test_a_leading_part_does_not_tell_the_frames_of_encapsulated_pixel_data() -> None:
    data = a_file(*image(), encapsulated(bytes(1000)), syntax=JPEG)

    with pytest.raises(More):
        pixels_of(data[:-500], scan(data[:-500], size=len(data)))


def test_a_frame_out_of_range_is_not_found() -> None:
    pixels, _, _ = found(a_file(*image(frames=3), value(0x7FE00010, "OB", bytes(12))))
    for frame in (-1, 3):
        with pytest.raises(NotFound):
            spans(pixels, frame)


def test_a_frame_table_gives_back_what_was_packed() -> None:
    for frames in ([[(1, 2)], [(1 << 40, 3)]], [[(1, 2), (5, 6)], [(9, 1)], [(10, 4), (20, 4), (30, 4)]]):
        pixels = Pixels(0, 0, encapsulated=True, frames=len(frames), frame_table=pack(frames))

        assert [spans(pixels, number) for number in range(len(frames))] == frames


def test_an_object_without_pixel_data_has_no_pixels() -> None:
    data = a_file()

    assert pixels_of(data, scan(data)) is None
