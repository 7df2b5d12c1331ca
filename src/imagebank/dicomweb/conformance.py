"""The DICOMweb conformance statement, printed from the tables that the server answers by."""

from collections.abc import Iterable, Iterator, Sequence

from imagebank.actions.search import COUNTED
from imagebank.dicom.render import MEDIA_TYPES
from imagebank.dicom.sop_class import DOCUMENT_TYPES
from imagebank.dicom.transcode import TARGETS
from imagebank.dicomweb import tables
from imagebank.dicomweb.capabilities import plain_path
from imagebank.dicomweb.qido import key_name
from imagebank.dicomweb.resources import RESOURCES, WADO_URI
from imagebank.dicomweb.tables import DEFAULT_LIMIT, FRAME_TYPES, MAX_LIMIT, NEVER_SENT, ROOT
from imagebank.model.attribute import MAIN, Level


def statement() -> str:
    """The whole document, as Markdown."""
    return "\n".join([*_introduction(), *_resources(), *_storing(), *_searching(), *_retrieving(), ""])


def _introduction() -> Iterator[str]:
    yield "# DICOMweb conformance statement"
    yield ""
    yield "This page is generated from the tables by which the server answers; a test fails when they differ."
    yield ""
    yield f"Services of PS3.18 are offered under `{ROOT}`, WADO-URI under `{WADO_URI.path}`. Every request needs a bearer token"
    yield "or a signed-in session. What lies outside the caller's scope is not found (404). Text is UTF-8. There is no CORS."
    yield ""
    yield "Not offered: `application/dicom+xml` (415 when sent, 406 when asked for), UPS-RS, the `annotation` and `iccprofile`"
    yield "parameters (ignored, with a warning), `anonymize=yes` and presentation states in WADO-URI (501), JPIP."
    yield ""


def _resources() -> Iterator[str]:
    yield "## Resources"
    yield ""
    rows = [
        (
            f"`{name}`",
            f"`{plain_path(resource.path)}`",
            method.summary,
            ", ".join(str(code) for code in method.meanings),
        )
        for resource in (*RESOURCES, WADO_URI)
        for name, method in resource.methods.items()
    ]
    yield from _table(("Method", "Path", "Transaction", "Status codes"), rows)
    yield from _table(("Status", "Meaning when reading"), [(str(k), v) for k, v in tables.READ_STATUS.items()])


def _storing() -> Iterator[str]:
    yield "## Store (STOW-RS)"
    yield ""
    yield "Parts may be DICOM files, or metadata in `application/dicom+json` with one part for each BulkDataURI; addresses are"
    yield "matched with Content-Location and never fetched. Pixel data may come in these media types; where Image Pixel attributes"
    yield "are left out they are read from the codestream. Several parts under one Content-Location are the frames of one object:"
    yield ", ".join(f"`{name}`" for name in FRAME_TYPES if name not in ("image/jxl", "application/x-deflate")) + "."
    yield "Films come as MP4 in one piece, under the transfer syntax of their profile and level: H.264 High up to 4.1 (.102) and 4.2"
    yield "(.104), Stereo High up to 4.2 (.106), HEVC Main (.107) and Main 10 (.108) up to 5.1; .103 and .105 are taken where the"
    yield "part names them. Other profiles and MPEG transport streams fail with C122."
    yield "PNG, GIF, progressive JPEG and JPEG of four components in one part are made into pixel data without loss, and the file"
    yield "itself is kept beside the object. Metadata that name no SOP class are of a file: of whatever kind it is (pictures, films,"
    yield "PDF, CDA, models, electrocardiograms), the object follows from it and from the metadata, which may leave out every UID."
    yield "Numbers of VR DS are written within 16 characters; null is an empty value, and what is no number fails with C000."
    yield ""
    yield "Sending the same instance again is a success. Other content under a known SOP Instance UID goes into quarantine and is"
    yield "reported as a failure; with the setting `duplicates = revise` it becomes a new version."
    yield "Whole parts before the place where a body breaks off are kept, and the answer says so (202)."
    yield f"The private element (0009,1001) of the creator `{tables.PRIVATE_CREATOR}` gives each reason in words."
    yield ""
    yield from _table(("Status", "Meaning"), [(str(code), text) for code, text in tables.STORE_STATUS.items()])
    reasons = [(f"{code:04X}", str(code), text) for code, text in tables.MEANINGS.items()]
    yield from _table(("Failure Reason (0008,1197)", "Decimal", "Meaning"), reasons)
    warnings = (
        (tables.COERCED, "kept, and the site's rules gave attributes other values; the former ones are kept in it"),
        (tables.ODD_BUT_KEPT, "kept as it came, although it departs from the standard"),
    )
    rows = [(f"{code:04X}", str(code), text) for code, text in warnings]
    yield from _table(("Warning Reason (0008,1196)", "Decimal", "Meaning"), rows)


def _searching() -> Iterator[str]:
    yield "## Search (QIDO-RS)"
    yield ""
    yield f"A page has {DEFAULT_LIMIT} matches unless `limit` says less; {MAX_LIMIT} is the most. `X-Total-Count` gives their number."
    yield f"A page that ends before the {COUNTED}th of more than {COUNTED} matches has no such header, and its Warning says that there are"
    yield "more: it is not to wait until all of a large archive are counted. The pages behind it have the number, and so has every page"
    yield "of what a UID, a PatientID or an AccessionNumber names."
    yield ""
    yield "Whoever pages through studies in order, with the same question and `offset` where the page before ended, gets every"
    yield "page in the same time: from the thousandth study on it begins behind the last study of the page before (for five"
    yield "minutes, in one process), and `X-Total-Count` may be a minute old. Studies that come or go meanwhile make none be left"
    yield "out or told twice. Any other `offset` is counted off, which takes seconds in the middle of a million."
    yield ""
    yield "Matching follows PS3.4 C.2.2.2: single value, `*` and `?`, ranges of dates and times (combined when both are given),"
    yield "lists of UIDs, `fuzzymatching` of names by the beginnings of words. Names and marked texts are compared without case and"
    yield "accents. Keys that are not in this table, or lie below the level of the search, are not used, and a Warning says so."
    yield "Attributes of VR DT that a site declares match by ranges and by what a key leaves out; a key with an offset is compared in"
    yield "universal time, one without with what the clock showed. A private attribute needs the element that names its creator, in"
    yield "whatever block, and is returned in that block."
    yield "Extensions: code strings take lists with commas or backslashes, and ModalitiesInStudy may be repeated, so that"
    yield "`ModalitiesInStudy=CT,MR` finds studies with either; `*` alone, and `-` alone as a range, match everything in every VR."
    yield "A bare PatientID that several issuers use finds nothing; IssuerOfPatientID says which is meant."
    yield "`includefield` returns attributes of this table and those that the site declares (`all`: all of them); a Warning names the"
    yield "others. ModalitiesInStudy is left out when no instance states a modality."
    yield ""
    rows = [
        (
            Level(one.level).name.lower(),
            f"`{key_name(one.path)}`",
            f"`{one.key}`",
            one.vr,
            "yes" if one.required else "when known" if one.when_known else "on request",
            "without case and accents" if one.folded else "exact",
        )
        for one in MAIN
    ]
    yield from _table(("Level", "Key", "Tag", "VR", "Returned", "Comparison"), rows)


def _retrieving() -> Iterator[str]:
    yield "## Retrieve (WADO-RS, WADO-URI)"
    yield ""
    yield f"Never sent: {', '.join(f'`{one}`' for one in sorted(NEVER_SENT))}; such objects leave as Explicit VR Little Endian,"
    yield "or as stored where a sequence in them is so broken that they cannot be written again."
    yield "Without a transfer syntax an object is given as Explicit VR Little Endian, or as stored where it cannot be decoded."
    yield "`transfer-syntax=*` gives what is stored. Old media type names are understood: "
    yield ", ".join(f"`{old}`" for old in tables.OLD_NAMES) + "."
    yield ""
    types = [(f"`{name}`", ", ".join(f"`{one}`" for one in syntaxes)) for name, syntaxes in FRAME_TYPES.items()]
    yield from _table(("Media type of frames", "Transfer syntaxes, the default first"), types)
    made = [
        (f"`{stored}`", ", ".join(f"`{one}`" for one in targets if one not in NEVER_SENT and one != stored))
        for stored, targets in TARGETS.items()
    ]
    yield from _table(("Stored", "Can be given as, beside itself"), made)
    yield "Pixels that turn out not to be decodable leave as they are stored where the request names no transfer syntax, and in the"
    yield "middle of a longer answer; else the answer is 406. A selection of which only a part can be given is answered with 206."
    yield "Pixel data as bulk data is `application/octet-stream` when it is uncompressed, all frames as one value; who takes its"
    yield "media type, or `transfer-syntax=*`, gets a part for each frame, and a video as one. A single frame may also come alone."
    yield "BulkDataURIs are absolute, but begin at the server's root in the metadata that browsers get (`Sec-Fetch-Mode`)."
    yield ""
    yield "Reports, key object selections and presentation states are rendered as `text/html` or `text/plain`, videos as they are."
    yield f"Pictures: {', '.join(f'`{one}`' for one in MEDIA_TYPES)}; a GIF of a multi-frame object shows its loop."
    yield "A thumbnail or single picture of a study or series is that of the middle image of its first series."
    yield ""
    yield from _table(("Document SOP class", "Rendered as"), [(f"`{k}`", f"`{v}`") for k, v in DOCUMENT_TYPES.items()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
