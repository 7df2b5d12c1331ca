"""The DICOM conformance statement in the order of PS3.2, written from the tables that the server works by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from imagebank.actions import workitems
from imagebank.dicom.part10 import implementation_class_uid, implementation_version
from imagebank.dicom.sop_class import OF_NO_STUDY, RETIRED, STORAGE, name_of
from imagebank.dicom.transcode import TARGETS
from imagebank.dimse import (
    association,
    contexts,
    identifier,
    message,
    negotiation,
    retrieve,
    server,
    status,
    tls,
    worklist,
)
from imagebank.errors import BankError
from imagebank.model.attribute import MAIN, Attribute
from imagebank.model.uid import Uid
from imagebank.settings import Settings

_ROLES: Final = """Of several transfer syntaxes in one context the first one in the order of annex B is accepted. \
SCP/SCU role selection is accepted as proposed for storage SOP classes, so that C-GET can send; for every other class \
the SCP role of the requestor is refused."""
_LEVEL_NAMES: Final = {level: name for name, level in identifier.LEVELS.items()}


def statement() -> str:
    """The whole statement as Markdown."""
    sections = (_overview, _networking, _media, _character_sets, _security, _annexes)
    return "\n\n".join(section() for section in sections) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _named(uids: Iterable[str]) -> list[tuple[str, str]]:
    return [(name_of(uid), f"`{uid}`") for uid in uids]


def _overview() -> str:
    services = [
        ("Verification", "yes", "yes"),
        ("Storage", "yes (C-MOVE, C-GET)", "yes"),
        ("Storage Commitment Push Model", "no", "yes"),
        ("Query/Retrieve: Patient Root and Study Root, FIND, MOVE, GET", "no", "yes"),
        ("Modality Worklist Information Model, FIND", "no", "yes"),
        ("Unified Procedure Step, Pull, Watch and Query", "no", "yes"),
        ("Modality Performed Procedure Step", "no", "yes"),
    ]
    return f"""# DICOM conformance statement

This page is generated from the tables that the server works by; `make docs` writes it again, and a test fails when \
it differs. DICOMweb has [its own](dicomweb.md).

## 1 Overview

Imagebank is an archive. It keeps what it receives byte by byte, preamble included, and gives its data sets out as they were \
kept or in another transfer syntax.

{_table(("Network service", "as SCU", "as SCP"), services)}

## 2 Implementation

{
        _table(
            ("", ""),
            [
                ("Implementation Class UID", f"`{implementation_class_uid}`"),
                ("Implementation Version Name", f"`{implementation_version}`"),
                ("Application context", f"`{negotiation.APPLICATION_CONTEXT}`"),
            ],
        )
    }"""


def _networking() -> str:
    return "\n\n".join(
        (
            "## 3 Networking",
            _associations(),
            _rejections(),
            "### 3.3 Presentation contexts accepted",
            _table(
                ("Abstract syntax", "UID", "Transfer syntaxes", "Extended negotiation"),
                [
                    (*name_and_uid, "Explicit and Implicit VR Little Endian", _options(uid))
                    for uid, name_and_uid in zip(_services(), _named(_services()), strict=True)
                ]
                + [("every storage SOP class of annex A", "", "those of annex B", "none")],
            ),
            _ROLES,
            _verification_and_storage(),
            _find(),
            _retrieval(),
            _commitment(),
            _worklist(),
            _performed(),
            _workitems(),
        )
    )


def _services() -> list[str]:
    return sorted(contexts.SERVICES)


def _options(uid: str) -> str:
    if uid in contexts.FIND:
        return "relational queries, combined date and time, fuzzy matching of names"
    return "relational retrieval" if uid in contexts.MOVE | contexts.GET else "none"


def _associations() -> str:
    defaults = Settings()
    rows = [
        ("Our AE title", f"`{defaults.ae_title}`", "`ae_title`"),
        ("Associations at a time", defaults.max_associations, "`max_associations`"),
        ("Asynchronous operations", "none: one operation at a time", ""),
        ("Largest PDU that we receive", f"{defaults.max_pdu_bytes} bytes", "`max_pdu_bytes`"),
        ("Excess of a PDU that is forgiven", f"{association.PDU_SLACK} bytes", ""),
        ("Largest PDU that we send", f"{association.OWN_SEND_BYTES} bytes, or what the peer takes", ""),
        ("Time for the request of an association (ARTIM)", f"{server.ARTIM_S:.0f} s", ""),
        ("Silence after which an association is aborted", f"{defaults.dimse_timeout_s:.0f} s", "`dimse_timeout_s`"),
        ("Largest object", f"{defaults.max_instance_bytes} bytes", "`max_instance_bytes`"),
        ("Largest identifier or other message", f"{message.MAX_MESSAGE_BYTES} bytes", ""),
        ("Presentation contexts on associations of ours", f"{negotiation.MAX_CONTEXTS} at most", ""),
    ]
    return "### 3.1 Associations\n\n" + _table(("", "Value", "Setting"), rows)


def _rejections() -> str:
    rows = [
        (negotiation.CALLED_AET_UNKNOWN, "the called AE title is not ours, unless `accept_any_called_aet` is set"),
        (
            negotiation.CALLING_AET_UNKNOWN,
            "the calling AE title is not registered, or calls from another address than registered",
        ),
        (negotiation.LOCAL_LIMIT_EXCEEDED, "too many associations; try again"),
        (negotiation.TEMPORARY_CONGESTION, "the register of devices does not answer; try again"),
        (negotiation.APPLICATION_CONTEXT_UNKNOWN, "the application context is not DICOM's"),
    ]
    text = "### 3.2 Rejections\n\n" + _table(
        ("Result / source / reason", "When"), [("/".join(map(str, rejection)), when) for rejection, when in rows]
    )
    return text + (
        "\n\nEach registered device has rights among store, find, move and get; an operation without its right is "
        f"answered {status.NOT_AUTHORISED:#06x}. On an embedded bank any title that is not registered may call "
        "from the same machine (`open_loopback`)."
    )


def _statuses(table: Mapping[type[BankError], int], *further: int) -> str:
    codes = sorted({*table.values(), *further, status.SUCCESS, status.PROCESSING_FAILURE})
    return _table(("Status", "Meaning"), [(f"`{code:#06x}`", status.MEANINGS[code]) for code in codes])


def _verification_and_storage() -> str:
    return f"""### 3.4 Verification and storage

C-ECHO is answered on every association. A C-STORE is answered with success when the object is durable (with an object \
store: in the store in its mode `object`, which is the default, or on a synced disk of the node in its mode `journal`; see \
[Objects in S3](../object-store.md)) and its rows \
are written: the level of conformance is 2 (full), no attribute is changed, and the same object sent again is a \
success. Other content under a known SOP Instance UID is refused and kept in quarantine (setting `duplicates`). \
Private storage SOP classes are accepted unless `private_sop_classes` is off. An object of another SOP class than that \
of its presentation context is refused with 0x0122. Error Comment says why, in \
64 characters and without patient data.

{_statuses(status.STORE, status.COERCED, status.TOLERATED)}"""


def _keys() -> str:
    def row(attribute: Attribute) -> tuple[object, ...]:
        tags = " > ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in attribute.path)
        kind = (
            "unique" if f"{attribute.tag:08X}" in identifier.UNIQUE_KEYS else "required" if attribute.required else ""
        )
        return (
            _LEVEL_NAMES[attribute.level],
            attribute.keyword,
            tags,
            attribute.vr,
            kind or "optional",
            _match(attribute),
        )

    return _table(("Level", "Key", "Tag", "VR", "Type", "Matching"), [row(attribute) for attribute in MAIN])


def _match(attribute: Attribute) -> str:
    match attribute.vr:
        case "UI":
            return "list of UID"
        case "DA" | "TM":
            return "single value, range"
        case "PN":
            return "single value, wildcard, fuzzy; without case and accents"
        case "IS" | "US":
            return "single value"
        case "CS":
            return "single value, list, wildcard"
        case _:
            return "single value, wildcard" + ("; without case and accents" if attribute.folded else "")


def _find() -> str:
    return f"""### 3.5 C-FIND

Patient Root has the levels PATIENT, STUDY, SERIES and IMAGE; Study Root those from STUDY. Keys of a level above may \
be asked for and matched, too. Without relational queries a single value is required for the unique key of every level \
above. Sites declare further keys by the setting `attributes`: those of VR DT match by ranges, in universal time where \
the key has an offset and else by the clock; a private one needs its Private Creator Data Element in the identifier. \
Extensions: lists of code strings, as ModalitiesInStudy `CT\\MR`, match any of them; `*` alone, and `-` alone as a range, \
match everything in every VR. Retrieve AE Title and Instance Availability are in every \
answer. Answers are in ISO_IR 192 unless the default repertoire is enough; identifiers may use any character set that \
DICOM defines. C-CANCEL is honoured between matches. Below the level PATIENT, a PatientID that several issuers use is \
refused with 0xA900 unless IssuerOfPatientID or StudyInstanceUID says which is meant.

A peer that calls us by a second title (`priors_ae_title`, `{Settings().priors_ae_title}`) asks at the level STUDY for the relevant priors of one study: it names that by one StudyInstanceUID or one AccessionNumber, and is answered with the priors, best first, as ordinary matches, whose Study Instance UID, Accession Number and Patient ID are their own. An AccessionNumber alone may be that of an order whose study is not here yet. Other keys narrow the priors; without a single study the request is refused with 0xA900. Rights and scope are those of any C-FIND, and everything else under this title is as under the first.

{_keys()}

{_statuses(status.FIND, status.PENDING, status.PENDING_UNSUPPORTED_KEYS, status.CANCELLED)}"""


def _retrieval() -> str:
    fallbacks = " or ".join(name_of(uid) for uid in retrieve.FALLBACKS)
    further = (status.PENDING, status.CANCELLED, status.SOME_FAILED, status.SUB_OPERATIONS_FAILED)
    return f"""### 3.6 C-MOVE and C-GET

C-MOVE sends to registered devices only. For each SOP class it proposes every transfer syntax in which objects are \
kept, in a context each, and one context with {fallbacks}; where this takes more than {negotiation.MAX_CONTEXTS} \
contexts, several associations are made, one after the other. C-GET sends on the contexts for which the requestor took \
the SCP role. An object goes out as it is kept where the peer takes that; otherwise it is converted as annex B says; \
otherwise its sub-operation fails. A pending response follows each sub-operation. C-CANCEL is honoured between \
sub-operations. Failed SOP Instance UID List is in the final response when a sub-operation failed. IssuerOfPatientID \
narrows a retrieval in Patient Root; at the level PATIENT, a PatientID that several issuers use is refused with 0xA900 \
without it.

{_statuses(status.RETRIEVE, *further)}"""


def _commitment() -> str:
    return f"""### 3.7 Storage commitment

An N-ACTION is answered when the request is durable. Then the bytes of every reference are read and compared with the \
digest that was taken on arrival; what is reported as committed was intact at that moment. The N-EVENT-REPORT goes out \
on the same association while it is open, else on a new one to the registered device, in which we propose the SCP role; \
it is tried again for three days, each time after a new look at the bytes. Failure reasons: 0x0110 processing failure, \
0x0112 no such object instance, 0x0119 class-instance conflict.

{_statuses(status.ACTION)}"""


def _worklist() -> str:
    rows = [(keyword, f"({key[:4]},{key[4:]})", vr, matching) for key, (keyword, vr, matching) in worklist.KEYS.items()]
    return f"""### 3.8 Modality worklist

Steps are made from orders that came by [HL7](hl7.md): scheduled ones, of the organizations whose studies the device may \
see. Of a step that names no modality it is `OT`; one that names no station is any station's. Every key of PS3.4 annex K \
is taken; those of which an order says nothing come back empty. Other keys are answered with 0xFF01.

{_table(("Key", "Tag", "VR", "Matching"), rows)}"""


def _performed() -> str:
    return f"""### 3.9 Modality performed procedure step

An N-CREATE has to be IN PROGRESS; the orders that its Scheduled Step Attributes Sequence names, by Study Instance UID or else \
accession number and by Scheduled Procedure Step ID, are in progress from then on and leave the worklist. An N-SET with \
COMPLETED or DISCONTINUED ends them. Of Performed Series Sequence the series and the objects that they name are kept and held \
against what comes, and the attributes of the Radiation Dose module; a sequence in an N-SET takes the place of the one \
before. Other attributes are taken and not kept. Only the organization that has begun a step \
changes it, and nobody one that has ended (0x0110). A device needs the right to store. N-GET is not offered.

{_statuses(status.STEP, status.DUPLICATE_INSTANCE)}"""


def _workitems() -> str:
    return f"""### 3.10 Unified Procedure Step

Tasks of the reconciliation queue about studies are workitems: `SCHEDULED` while they wait, `IN PROGRESS` for two hours after \
an N-ACTION has begun them, `COMPLETED` when it was said whose the study is, or what the pictures are, `CANCELED` when they \
were laid aside. UPS Pull offers C-FIND, N-GET, N-SET (progress, and what was performed) and N-ACTION (change of state); UPS \
Watch C-FIND and N-GET; UPS Query C-FIND. UPS Push and Event are not offered: steps are made by the bank alone, and there are \
no subscriptions. A step is completed by its answer in the queue, at the address in its Comments on the Scheduled Procedure \
Step; an N-ACTION to `COMPLETED` before is refused with 0xC304. A device needs the right `reconcile`. At most \
{workitems.MOST} steps of a state are found, what has waited longest first.

{_statuses(status.WORKITEM, *status.WORKITEM_STATES.values())}"""


def _media() -> str:
    return """## 4 Media interchange

Media are read by `imagebank import` and by the page `/upload`, with or without a DICOMDIR; what it names and did not come is told by name.

Media are made by [exports](../export.md), as File-set Creator: a ZIP archive, and an image of ISO 9660 level 1 with Joliet and UDF. Objects in Implicit VR, Big Endian and Deflated are written anew as Explicit VR Little Endian, and all others as they are held. So the application profile is STD-GEN-CD where nothing is compressed, and else, by what is held, STD-GEN-DVD-JPEG, STD-GEN-USB-JPEG, STD-GEN-DVD-J2K, STD-GEN-USB-J2K or one of those for video; the choice is not asked for. Classes that the standard has no record for are entered as IMAGE. No icons are made."""


def _character_sets() -> str:
    return """## 5 Character sets

Every repertoire of PS3.3 C.12.1.1.2 is read, with and without code extensions, and kept as sent. Names and texts are \
found in their own script, and folded: without case, accents and width variants."""


def _security() -> str:
    return f"""## 6 Security

The TLS listener follows the BCP 195 RFC 8996, 9325 TLS profile (PS3.15 annex B): TLS 1.2 and 1.3, suites \
`{tls.CIPHERS}`, client certificates required when `tls_ca` is set. Devices registered with TLS are called in the same \
way, with the bank's certificate, and rejected as unknown (calling AE title not recognised) when they call without. So \
are those that are registered with a certificate when they call without it, or with another."""


def _by_name(uids: Iterable[str]) -> list[str]:
    return sorted(uids, key=lambda uid: (name_of(uid), uid))


def _annexes() -> str:
    converted = [
        (
            *name_and_uid,
            ", ".join(name_of(target) for target in targets if target != uid) or "no",
        )
        for uid, name_and_uid in zip(contexts.STORAGE_SYNTAXES, _named(contexts.STORAGE_SYNTAXES), strict=True)
        for targets in [TARGETS.get(Uid(uid), ())]
    ]
    return f"""## Annex A: storage SOP classes

{_table(("SOP class", "UID"), _named(_by_name(STORAGE)))}

Retired and trial ones, accepted as well:

{_table(("SOP class", "UID"), _named(_by_name(RETIRED)))}

Objects of these belong to no study and are refused, by whatever way they come:

{_table(("SOP class", "UID"), _named(_by_name(OF_NO_STUDY)))}

## Annex B: transfer syntaxes

In our order of preference; the last column says what an object can be given as, beside itself.

{_table(("Transfer syntax", "UID", "Converted to"), converted)}"""
