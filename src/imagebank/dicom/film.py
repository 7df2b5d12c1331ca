"""Films that DICOM has no transfer syntax for, as MP4 files of H.264. Runs in a sandbox child.

A stream that is allowed and lies in another container is taken over as it is; any other is coded anew, upright, at a
constant rate and without its sound. Needs the package `av`, which comes with `imagebank[video]`.
"""

import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any, Final

import numpy as np

from imagebank.errors import Invalid, Unsupported

IS_THERE: Final = importlib.util.find_spec("av") is not None
"""Whether films can be made anew here."""

MAX_FRAMES: Final = 100_000
_MAX_SIDE: Final = 8_192
# PS3.5 8.2.7 and 8.2.8: level 4.1 ends at 1080 lines and 30 frames a second, level 4.2 at 60.
_ROWS, _COLUMNS = 1_080, 1_920
_SLOW, _FAST = 30, 60
_USUAL_RATE: Final = 25
# As good as the original to the eye, and fast enough for a clinic's own machine.
_QUALITY: Final = {"crf": "18", "preset": "veryfast", "profile": "high"}
_CARRIED: Final = {"h264": ("High",), "hevc": ("Main", "Main 10")}


def remake(_header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: the film as MP4, and in words what it was. Raises Invalid for what holds no film."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(BytesIO(bytes(payload)), metadata_errors="ignore") as source:
            if not source.streams.video:
                raise Invalid("there is no video in it; a sound alone is not taken")
            # No thread can be started in here.
            source.streams.video[0].codec_context.thread_count = 1
            was = f"{source.streams.video[0].codec_context.name} in {source.format.name.partition(',')[0]}"
            made, is_carried = _made(source)
    except FFmpegError as error:
        raise Invalid("it is damaged or ends too early; send it anew from the device") from error
    return {"was": was, "is_carried": is_carried}, [made]


def _made(source: Any) -> tuple[bytes, bool]:
    stream = source.streams.video[0]
    context = stream.codec_context
    if not 0 < max(context.width, context.height) <= _MAX_SIDE:
        raise Unsupported(
            "its pictures are {width} x {height}, which is more than is taken",
            width=context.width,
            height=context.height,
        )
    allowed = _CARRIED.get(context.name, ())
    if context.profile in allowed and not _turn(source, stream):
        return _carried(source, stream), True
    source.seek(0)
    return _coded(source, stream), False


def _turn(source: Any, stream: Any) -> int:
    """By how many degrees the first picture has to be turned, as phones write it beside the stream."""
    for frame in source.decode(stream):
        source.seek(0)
        return int(frame.rotation) % 360
    raise Invalid("there is no picture in it")


def _carried(source: Any, stream: Any) -> bytes:
    import av

    packets = [packet for packet in source.demux(stream) if packet.size]
    if not packets or any(packet.pts is None for packet in packets):
        raise Invalid("there is no picture in it, or one of which nobody knows when it is shown")
    _order(packets)
    with BytesIO() as target:
        with av.open(target, "w", format="mp4") as made:
            out = made.add_stream_from_template(stream)
            for packet in packets:
                packet.stream = out
                made.mux(packet)
        return target.getvalue()


def _order(packets: Sequence[Any]) -> None:
    """Say when each is to be decoded, where the container does not: in the order in which they come, none too late."""
    if all(packet.dts is not None for packet in packets):
        return
    shown = sorted(packet.pts for packet in packets)
    ahead = max(at - packet.pts for at, packet in zip(shown, packets, strict=True))
    for at, packet in zip(shown, packets, strict=True):
        packet.dts = at - ahead


def _coded(source: Any, stream: Any) -> bytes:
    """Coded anew: every picture once, at the mean rate."""
    import av

    rate = min(Fraction(stream.average_rate or _USUAL_RATE), Fraction(_FAST))
    with BytesIO() as target:
        with av.open(target, "w", format="mp4") as made:
            out = None
            for number, frame in enumerate(source.decode(stream)):
                if number >= MAX_FRAMES:
                    raise Unsupported("it has more than {most} pictures; cut it into parts", most=MAX_FRAMES)
                picture = _upright(frame)
                if out is None:
                    out = _stream(made, picture, rate)
                shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
                shown = shown.reformat(out.width, out.height, "yuv420p", threads=1)
                shown.pts, shown.time_base = number, 1 / rate
                made.mux(out.encode(shown))
            if out is None:
                raise Invalid("there is no picture in it")
            made.mux(out.encode(None))
        return target.getvalue()


def _upright(frame: Any) -> np.ndarray[Any, Any]:
    turned = np.rot90(frame.reformat(format="rgb24", threads=1).to_ndarray(), int(frame.rotation) % 360 // 90)
    return np.ascontiguousarray(turned)


def _stream(made: Any, picture: np.ndarray[Any, Any], rate: Fraction) -> Any:
    rows, columns = picture.shape[:2]
    smaller = min(1.0, _ROWS / min(rows, columns), _COLUMNS / max(rows, columns))
    out = made.add_stream("libx264", rate=rate, options=_QUALITY | {"level": "4.1" if rate <= _SLOW else "4.2"})
    # Colour is kept for each four pixels, so both sides are even.
    out.width, out.height = (max(2, round(side * smaller / 2) * 2) for side in (columns, rows))
    out.pix_fmt = "yuv420p"
    out.codec_context.thread_count = 1
    return out


def warm() -> None:
    """Make and read one film, so that nothing is loaded after the sandbox has closed itself."""
    import av

    with BytesIO() as target:
        with av.open(target, "w", format="mp4") as made:
            out = _stream(made, np.zeros((64, 64, 3), np.uint8), Fraction(_USUAL_RATE))
            for number in range(2):
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                frame = frame.reformat(64, 64, "yuv420p", threads=1)
                frame.pts, frame.time_base = number, Fraction(1, _USUAL_RATE)
                made.mux(out.encode(frame))
            made.mux(out.encode(None))
        remake({}, memoryview(target.getvalue()))
