"""What an MP4 file says of its video, and the transfer syntax that follows."""

import io
import random
import struct
from collections.abc import Sequence

import pytest

from imagebank.dicom.movie import Movie, read_movie, syntaxes
from imagebank.errors import BankError, Invalid, Unsupported
from samples import sample_data
from unit.dicom.mp4_bytes import a_movie, avcc, box, entry, hvcc, large_box, sizes, track

_4 = "1.2.840.10008.1.2.4."


def movie_of(content: bytes) -> Movie:
    file = io.BytesIO(content)

    def read(at: int, length: int) -> bytes:
        file.seek(at)
        return file.read(length)

    return read_movie(read, len(content))


def named(movie: Movie) -> Sequence[str]:
    return [one.removeprefix(_4) for one in syntaxes(movie)]


def test_a_real_film_tells_its_shape_and_length() -> None:
    movie = movie_of((sample_data() / "non-dicom/mp4/echo-cardiac.mp4").read_bytes())

    assert (movie.columns, movie.rows, movie.frames, movie.bits) == (800, 600, 67, 8)
    assert named(movie)[0] == "102"


@pytest.mark.parametrize("moov_last", [False, True])
@pytest.mark.parametrize("brand", [b"avc1", b"mp42"])
def test_the_boxes_are_found_wherever_they_lie(moov_last: bool, brand: bytes) -> None:
    movie = movie_of(a_movie(moov_last=moov_last, brand=brand))

    assert (movie.codec, movie.columns, movie.rows, movie.frames) == ("H.264", 800, 600, 67)


def test_lengths_of_64_bits_and_to_the_end_of_the_file_are_followed() -> None:
    film = a_movie(moov_last=True)
    moov = film[film.rindex(b"moov") - 4 :]
    long = large_box(b"mdat", bytes(5000)) + moov
    open_end = large_box(b"mdat", bytes(9)) + b"\0\0\0\0" + moov[4:]

    assert movie_of(long) == movie_of(open_end) == movie_of(film)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (entry(b"avc1", avcc(100, 41)), ["102", "104", "105"]),
        (entry(b"avc1", avcc(100, 31), rows=720, columns=1280), ["102", "103", "104", "105"]),
        (entry(b"avc1", avcc(100, 40), rows=1080, columns=1920), ["102", "103", "104", "105"]),
        (entry(b"avc3", avcc(100, 10)), ["102", "104", "105"]),
        (entry(b"avc1", avcc(100, 42), rows=1080, columns=1920), ["104", "105"]),
        (entry(b"avc1", avcc(128, 42)), ["106"]),
        (entry(b"hvc1", hvcc(1, 153)), ["107"]),
        (entry(b"hev1", hvcc(1, 93)), ["107"]),
        (entry(b"hvc1", hvcc(2, 153, 10)), ["108"]),
    ],
)
def test_the_transfer_syntax_follows_profile_and_level(made: bytes, expected: list[str]) -> None:
    movie = movie_of(a_movie(track(made)))

    assert named(movie) == expected
    assert movie.bits == (10 if expected == ["108"] else 8)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (entry(b"avc1", avcc(66, 30)), "H.264 Baseline Profile at level 3.0"),
        (entry(b"avc1", avcc(77, 41)), "H.264 Main Profile at level 4.1"),
        (entry(b"avc1", avcc(110, 41)), "H.264 High 10 Profile"),
        (entry(b"avc1", avcc(100, 51)), "H.264 High Profile at level 5.1"),
        (entry(b"avc1", avcc(128, 51)), "H.264 Stereo High Profile at level 5.1"),
        (entry(b"avc1", avcc(9, 41)), "H.264 profile 9"),
        (entry(b"hvc1", hvcc(1, 156)), "HEVC Main Profile at level 5.2"),
        (entry(b"hvc1", hvcc(4, 120)), "HEVC profile 4"),
        (entry(b"hvc1", hvcc(2, 120, 12)), "12 bits"),
    ],
)
def test_a_profile_that_no_transfer_syntax_allows_is_refused_by_its_name(made: bytes, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        syntaxes(movie_of(a_movie(track(made))))


@pytest.mark.parametrize("codec", [b"mp4v", b"av01", b"encv", b"\xff\0\n'"])
def test_another_codec_is_refused(codec: bytes) -> None:
    with pytest.raises(Unsupported, match=r"H\.264 and HEVC"):
        movie_of(a_movie(track(entry(codec, avcc()))))


def test_sound_and_time_codes_may_stand_beside_the_pictures() -> None:
    sound = track(box(b"mp4a", bytes(28)), handler=b"soun")
    film = a_movie(sound, track(entry(b"avc1", avcc())), track(box(b"tmcd"), handler=b"tmcd"))

    assert movie_of(film).frames == 67


def test_frames_of_one_length_are_counted_too() -> None:
    assert movie_of(a_movie(track(entry(b"avc1", avcc()), frames=9, sizes=sizes(9, each=100)))).frames == 9


H264 = entry(b"avc1", avcc())


@pytest.mark.parametrize(
    ("film", "reason"),
    [
        (b"", "no MP4"),
        (b"no film", "no MP4"),
        (bytes(4096), "no MP4"),
        (b"G" + bytes(187) + b"G" + bytes(187), "MPEG transport stream"),
        (box(b"ftyp", b"isom" + bytes(4)), "no moov"),
        (box(b"ftyp", b"avc1" * 4) + struct.pack(">I4s", 99, b"moov"), "breaks off"),
        (a_movie(track(H264, handler=b"soun")), "no video track"),
        (a_movie(track(H264), track(H264)), "2 video tracks"),
        (a_movie(track(H264, H264)), "2 descriptions"),
        (a_movie(track()), "0 descriptions"),
        (a_movie(track(entry(b"avc1"))), "no avcC"),
        (a_movie(track(entry(b"hvc1", avcc()))), "no hvcC"),
        (a_movie(track(entry(b"avc1", box(b"avcC", b"\1d")))), "avcC"),
        (a_movie(track(entry(b"avc1", avcc(), rows=0))), "neither"),
        (a_movie(track(H264, frames=0)), "frames"),
        (a_movie(track(H264, sizes=sizes(3, said=4_000_000_000))), "frames"),
        (a_movie(track(H264, sizes=sizes(0, each=9, said=4_000_000_000))), "frames"),
        (a_movie(track(H264, sizes=b"")), "no stsz"),
        (box(b"ftyp", bytes(8)) + box(b"moof") + box(b"mdat"), "fragments"),
        (box(b"ftyp", bytes(8)) + box(b"moov", box(b"mvex"), track(H264, sizes=sizes(0))), "fragments"),
        (box(b"ftyp", bytes(8)) + b"\0\0\0\4moov", "breaks off"),
        (box(b"ftyp", bytes(8)) + box(b"free") * 20_000, "more boxes"),
        (box(b"ftyp", bytes(8)) + box(b"moov", box(b"free") * 20_000), "more boxes"),
        (a_movie(*[track(H264, handler=b"soun")] * 65), "65 tracks"),
    ],
)
def test_what_is_no_film_is_refused_in_words(film: bytes, reason: str) -> None:
    with pytest.raises((Invalid, Unsupported), match=reason):
        movie_of(film)


def test_no_broken_film_breaks_the_reader() -> None:
    film, chance = a_movie(), random.Random(7)
    for _ in range(3000):
        broken = bytearray(film[: chance.randrange(len(film))] if chance.random() < 0.3 else film)
        for _ in range(chance.randrange(1, 6)):
            if broken:
                broken[chance.randrange(min(len(broken), 700))] = chance.choice((0, 1, 8, 255, chance.randrange(256)))
        try:
            syntaxes(movie_of(bytes(broken)))
        except BankError:
            continue
