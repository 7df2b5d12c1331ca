"""What two sides agree on when an association begins (PS3.8 9.3, PS3.7 annex D): values, and PDUs made of them.

The PDUs by which we call are pynetdicom's; nothing here reads or writes a socket.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pynetdicom import pdu_primitives
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import SCP_SCU_RoleSelectionSubItem
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from imagebank.dicom.part10 import implementation_class_uid, implementation_version
from imagebank.dimse import associate
from imagebank.errors import Invalid

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
MAX_CONTEXTS: Final = 128

CALLED_AET_UNKNOWN: Final = (1, 1, 7)
CALLING_AET_UNKNOWN: Final = (1, 1, 3)
LOCAL_LIMIT_EXCEEDED: Final = (2, 3, 2)
TEMPORARY_CONGESTION: Final = (2, 3, 1)
APPLICATION_CONTEXT_UNKNOWN: Final = (1, 1, 2)
_Items = list[Any]
Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

# Results of a presentation context (PS3.8 table 9-18).
ACCEPTED: Final = 0
NO_ABSTRACT_SYNTAX: Final = 3
NO_TRANSFER_SYNTAX: Final = 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """One presentation context as proposed: an odd number, the abstract syntax, and transfer syntaxes to choose from."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """One presentation context as agreed. The roles are those of the association's acceptor and requestor."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """An A-ASSOCIATE-RQ. `roles` has (SCU, SCP) as proposed for the requestor; `extended` the bytes of PS3.7 D.3.3.5."""

    called_aet: str
    calling_aet: str
    proposals: tuple[Proposal, ...]
    max_pdu_bytes: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    application_context: str = APPLICATION_CONTEXT


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an association stands on. `max_pdu_bytes` is the most that the peer takes; 0 is no limit."""

    request: Request
    contexts: Mapping[int, Context]
    max_pdu_bytes: int
    extended: Mapping[str, bytes] = field(default_factory=dict)
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    refusals: Mapping[int, int] = field(default_factory=dict)


Choice = Callable[[Proposal], str | int]
"""The transfer syntax to accept for a proposal, or the result code that refuses the context."""


def read_request(pdu: bytes) -> Request:
    """Read an A-ASSOCIATE-RQ. Raises Invalid."""
    asked = associate.read(pdu)
    return Request(
        asked.called_aet,
        asked.calling_aet,
        tuple(Proposal(*context) for context in asked.contexts),
        asked.max_pdu_bytes,
        asked.roles,
        asked.extended,
        asked.application_context,
    )


def read_acceptance(pdu: bytes, request: Request) -> Agreement:
    """Read the A-ASSOCIATE-AC that answers a request of ours. Raises Invalid."""
    primitive = _decoded(A_ASSOCIATE_AC(), pdu)
    proposed = {proposal.id: proposal for proposal in request.proposals}
    roles = _roles(primitive.user_information)
    contexts = {}
    for cx in primitive.presentation_context_definition_results_list:
        proposal = proposed.get(cx.context_id or 0)
        if proposal is None or cx.result != ACCEPTED or not cx.transfer_syntax:
            continue
        is_scu, is_scp = roles.get(proposal.abstract_syntax, (True, False))
        contexts[proposal.id] = Context(
            proposal.id, proposal.abstract_syntax, str(cx.transfer_syntax[0]), is_scu, is_scp
        )
    extended = _extended(primitive.user_information)
    return Agreement(request, contexts, _max_length(primitive.user_information), extended)


def read_rejection(pdu: bytes) -> str:
    """Why a request of ours was rejected, in words. Raises Invalid."""
    primitive = _decoded(A_ASSOCIATE_RJ(), pdu)
    return f"{primitive.result_str}, {primitive.reason_str}".lower()


def agree(
    request: Request, choose: Choice, *, extended: Mapping[str, bytes], may_be_scp: Callable[[str], bool]
) -> Agreement:
    """Answer a request: a transfer syntax for each context that can be served, and roles as far as they are offered.

    `may_be_scp` says for which abstract syntaxes the requestor may be the SCP, as C-GET asks (PS3.4 C.5.3).
    """
    contexts: dict[int, Context] = {}
    refusals: dict[int, int] = {}
    roles = {uid: (is_scu, is_scp and may_be_scp(uid)) for uid, (is_scu, is_scp) in request.roles.items()}
    for proposal in request.proposals:
        chosen = choose(proposal)
        if isinstance(chosen, int):
            refusals[proposal.id] = chosen
        else:
            role = roles.get(proposal.abstract_syntax, (True, False))
            contexts[proposal.id] = Context(proposal.id, proposal.abstract_syntax, chosen, *role)
    agreed = {context.abstract_syntax for context in contexts.values()}
    roles = {uid: role for uid, role in roles.items() if uid in agreed}
    return Agreement(request, contexts, request.max_pdu_bytes, extended, roles, refusals)


def request_pdu(request: Request) -> bytes:
    """The A-ASSOCIATE-RQ of a request."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = request.application_context
    primitive.calling_ae_title = request.calling_aet
    primitive.called_ae_title = request.called_aet
    primitive.presentation_context_definition_list = [
        _context(proposal.id, proposal.abstract_syntax, proposal.transfer_syntaxes) for proposal in request.proposals
    ]
    primitive.user_information = [*_about_us(request.max_pdu_bytes), *_role_items(request.roles)]
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def acceptance_pdu(agreement: Agreement, max_pdu_bytes: int) -> bytes:
    """The A-ASSOCIATE-AC of an agreement; `max_pdu_bytes` is what we take."""
    request = agreement.request
    answer = associate.Answered(
        request.called_aet,
        request.calling_aet,
        APPLICATION_CONTEXT,
        tuple(_result(proposal, agreement) for proposal in request.proposals),
        max_pdu_bytes,
        agreement.roles,
        agreement.extended,
    )
    return associate.written(answer)


def rejection_pdu(rejection: Rejection) -> bytes:
    """The A-ASSOCIATE-RJ of a rejection."""
    return bytes((3, 0, 0, 0, 0, 4, 0, *rejection))


def offered(proposals: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Proposal, ...]:
    """Number abstract syntaxes with their transfer syntaxes; at most `MAX_CONTEXTS`."""
    assert len(proposals) <= MAX_CONTEXTS, "an association has 128 presentation contexts at most (PS3.8 9.3.2.2)"
    return tuple(Proposal(2 * place + 1, *proposal) for place, proposal in enumerate(proposals))


def _decoded(pdu: A_ASSOCIATE_RQ | A_ASSOCIATE_AC | A_ASSOCIATE_RJ, data: bytes) -> A_ASSOCIATE:
    try:
        pdu.decode(data)
        return pdu.to_primitive()
    except Exception as exc:
        # pynetdicom's decoders raise whatever the bytes make them raise; there is nothing of ours in them.
        raise Invalid(f"the association PDU cannot be read ({type(exc).__name__})") from exc


def _max_length(items: Sequence[object]) -> int:
    found = [item for item in items if isinstance(item, MaximumLengthNotification)]
    return int(found[0].maximum_length_received) if found else 0


def _roles(items: Sequence[object]) -> dict[str, tuple[bool, bool]]:
    return {
        str(item.sop_class_uid): (bool(item.scu_role), bool(item.scp_role))
        for item in items
        if isinstance(item, pdu_primitives.SCP_SCU_RoleSelectionNegotiation)
    }


def _extended(items: Sequence[object]) -> dict[str, bytes]:
    return {
        str(item.sop_class_uid): bytes(item.service_class_application_information or b"")
        for item in items
        if isinstance(item, SOPClassExtendedNegotiation)
    }


def _context(id_: int, abstract_syntax: str, transfer_syntaxes: Sequence[str]) -> PresentationContext:
    cx = PresentationContext()
    cx.context_id = id_
    cx.abstract_syntax = abstract_syntax
    cx.transfer_syntax = list(transfer_syntaxes)
    return cx


def _result(proposal: Proposal, agreement: Agreement) -> tuple[int, int, str]:
    agreed = agreement.contexts.get(proposal.id)
    if agreed is not None:
        return proposal.id, ACCEPTED, agreed.transfer_syntax
    # A transfer syntax has to stand here all the same, and is not to be tested (PS3.8 9.3.3.2.1).
    syntax = (proposal.transfer_syntaxes or ("1.2.840.10008.1.2",))[0]
    return proposal.id, agreement.refusals[proposal.id], syntax


def _about_us(max_pdu_bytes: int) -> _Items:
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = implementation_class_uid
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = implementation_version
    return [length, implementation, version]


class SCP_SCU_RoleSelectionNegotiation(pdu_primitives.SCP_SCU_RoleSelectionNegotiation):  # noqa: N801 - it goes by it
    """The same with both roles refused, which is legal (PS3.7 D.3.3.4) and which pynetdicom does not write."""

    def from_primitive(self) -> SCP_SCU_RoleSelectionSubItem:
        item = SCP_SCU_RoleSelectionSubItem()
        item.from_primitive(self)
        return item


def _role_items(roles: Mapping[str, tuple[bool, bool]]) -> _Items:
    items: _Items = []
    for uid, (is_scu, is_scp) in roles.items():
        item = SCP_SCU_RoleSelectionNegotiation()
        item.sop_class_uid = uid
        item.scu_role, item.scp_role = is_scu, is_scp
        items.append(item)
    return items
