"""The resources of the DICOMweb edge, as one table for routes, capabilities, OpenAPI and the conformance statement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from imagebank.dicom.render import MEDIA_TYPES as PICTURES
from imagebank.dicom.sop_class import DOCUMENT_TYPES
from imagebank.dicomweb import rendered, wado_uri
from imagebank.dicomweb.media import TEXT_TYPES
from imagebank.dicomweb.tables import DICOM, FRAME_TYPES, JSON, READ_STATUS, RELATED, STORE_STATUS

_SEARCH_PARAMETERS: Final = ("fuzzymatching", "includefield", "limit", "offset", "{attribute}")
_SHOWN: Final = (*PICTURES, *sorted({*DOCUMENT_TYPES.values(), *TEXT_TYPES, "video/mp4", "video/mpeg"}))
_PARTS: Final = tuple(f'{RELATED}; type="{name}"' for name in PICTURES)
_FRAMES: Final = tuple(f'{RELATED}; type="{name}"' for name in FRAME_TYPES)
_FILES: Final = (f'{RELATED}; type="{DICOM}"', *_FRAMES)
_DOCUMENTS: Final = tuple(sorted({*DOCUMENT_TYPES.values()}))


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does at a resource. `statuses` are those beside 400, 401, 403, 406 and 503."""

    summary: str
    gives: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("accept",)
    takes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200, 404)
    is_store: bool = False
    is_required: bool = True

    @property
    def meanings(self) -> Mapping[int, str]:
        """Status codes and what each means."""
        if self.is_store:
            return {
                code: STORE_STATUS.get(code) or READ_STATUS[code] for code in sorted({401, 403, 406, *STORE_STATUS})
            }
        return {code: READ_STATUS[code] for code in sorted({400, 401, 403, 406, 503, *self.statuses})}


@dataclass(frozen=True, slots=True)
class Resource:
    """One path, relative to the DICOMweb root, and its methods by name."""

    path: str
    methods: Mapping[str, Method] = field(default_factory=dict)


def _search(what: str) -> Method:
    return Method(f"Search for {what}", (JSON,), ("accept", *_SEARCH_PARAMETERS), statuses=(200, 204))


_STORE: Final = Method(
    "Store instances",
    (JSON,),
    takes=(f'{RELATED}; type="{DICOM}"', f'{RELATED}; type="{JSON}"', DICOM),
    is_store=True,
)


def _delete(what: str) -> Method:
    return Method(f"Delete the {what}", parameters=(), statuses=(204, 404))


def _retrieve(what: str) -> Method:
    files = (*_FILES, DICOM) if what == "instance" else _FILES
    by_ranges = (416,) if what == "instance" else ()
    return Method(f"Retrieve the {what}", files, statuses=(200, 206, 304, 404, *by_ranges))


def _below(path: str, what: str) -> tuple[Resource, ...]:
    thumbnail = Method(
        f"Retrieve a thumbnail of the {what}", PICTURES, ("accept", "viewport"), statuses=(200, 304, 404)
    )
    shown = Method(
        f"Retrieve the {what} rendered", (*_SHOWN, *_PARTS), rendered.PARAMETERS, statuses=(200, 206, 304, 404, 416)
    )
    metadata = Method(f"Retrieve the metadata of the {what}", (JSON,), statuses=(200, 304, 404))
    kept = (Resource(f"{path}/metadata", {"GET": metadata}),) if "frames" not in path else ()
    return (
        *kept,
        Resource(f"{path}/rendered", {"GET": shown}),
        Resource(f"{path}/thumbnail", {"GET": thumbnail}),
    )


_STUDY: Final = "/studies/{study}"
_SERIES: Final = f"{_STUDY}/series/{{series}}"
_INSTANCE: Final = f"{_SERIES}/instances/{{instance}}"
_WORKITEM: Final = "/workitems/{workitem}"
_FRAME_LIST: Final = f"{_INSTANCE}/frames/{{frames}}"

RESOURCES: Final[tuple[Resource, ...]] = (
    Resource(
        "/",
        {
            "OPTIONS": Method(
                "Say what this service offers", ("application/vnd.sun.wadl+xml", "application/json"), statuses=(200,)
            )
        },
    ),
    Resource("/studies", {"GET": _search("studies"), "POST": _STORE}),
    Resource(_STUDY, {"GET": _retrieve("study"), "POST": _STORE, "DELETE": _delete("study")}),
    *_below(_STUDY, "study"),
    Resource(f"{_STUDY}/series", {"GET": _search("series of a study")}),
    Resource(f"{_STUDY}/instances", {"GET": _search("instances of a study")}),
    Resource(_SERIES, {"GET": _retrieve("series"), "DELETE": _delete("series")}),
    *_below(_SERIES, "series"),
    Resource(f"{_SERIES}/instances", {"GET": _search("instances of a series")}),
    Resource(_INSTANCE, {"GET": _retrieve("instance"), "DELETE": _delete("instance")}),
    *_below(_INSTANCE, "instance"),
    Resource(_FRAME_LIST, {"GET": Method("Retrieve frames", (*_FRAMES, *FRAME_TYPES), statuses=(200, 304, 404))}),
    *_below(_FRAME_LIST, "frames"),
    Resource(
        f"{_INSTANCE}/bulkdata/{{path:path}}",
        {
            "GET": Method(
                "Retrieve a bulk value",
                (*_FRAMES, *FRAME_TYPES, *_DOCUMENTS),
                statuses=(200, 206, 304, 404, 416),
            )
        },
    ),
    Resource("/workitems", {"GET": _search("workitems")}),
    Resource(
        _WORKITEM,
        {
            "GET": Method("Retrieve a workitem", (JSON,)),
            "POST": Method(
                "Say how far a workitem is", parameters=("transaction-uid",), takes=(JSON,), statuses=(200, 404, 409)
            ),
        },
    ),
    Resource(
        f"{_WORKITEM}/state",
        {"PUT": Method("Begin a workitem, or give it up", parameters=(), takes=(JSON,), statuses=(200, 404, 409))},
    ),
    Resource(
        f"{_WORKITEM}/cancelrequest",
        {
            "POST": Method(
                "Ask to cancel a workitem", parameters=(), takes=(JSON,), statuses=(202, 404, 409), is_required=False
            )
        },
    ),
    Resource("/series", {"GET": _search("series")}),
    Resource("/instances", {"GET": _search("instances")}),
)

WADO_URI: Final = Resource(
    "/wado",
    {
        "GET": Method(
            "Retrieve an object by WADO-URI",
            (*PICTURES, DICOM, *_SHOWN[3:]),
            wado_uri.PARAMETERS,
            statuses=(200, 206, 304, 404, 416, 501),
        )
    },
)
