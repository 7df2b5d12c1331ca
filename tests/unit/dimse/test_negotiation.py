"""Association PDUs."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC

from imagebank.dimse.negotiation import (
    NO_ABSTRACT_SYNTAX,
    Proposal,
    Request,
    acceptance_pdu,
    agree,
    offered,
    read_acceptance,
    read_rejection,
    read_request,
    rejection_pdu,
    request_pdu,
)
from imagebank.errors import Invalid

CT, ECHO, ELE, ILE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
REQUEST = Request("BANK", "CALLER", offered([(CT, (ELE, ILE)), (ECHO, (ILE,))]), 16384, {CT: (False, True)})


def choose(proposal: Proposal) -> str | int:
    return proposal.transfer_syntaxes[0] if proposal.abstract_syntax == CT else NO_ABSTRACT_SYNTAX


def test_a_request_is_read_as_it_was_written() -> None:
    assert read_request(request_pdu(REQUEST)) == REQUEST


def test_both_sides_agree_on_the_same() -> None:
    ours = agree(REQUEST, choose, extended={CT: b"\1\0"}, may_be_scp=lambda _: True)
    theirs = read_acceptance(acceptance_pdu(ours, 131072), REQUEST)

    assert theirs.contexts == ours.contexts
    assert theirs.max_pdu_bytes == 131072
    assert theirs.extended == {CT: b"\1\0"}
    assert theirs.contexts[1].requestor_is_scp
    assert not theirs.contexts[1].requestor_is_scu
    assert 3 not in theirs.contexts


def test_a_role_that_is_not_offered_is_not_agreed_to() -> None:
    ours = agree(REQUEST, choose, extended={}, may_be_scp=lambda _: False)

    theirs = read_acceptance(acceptance_pdu(ours, 131072), REQUEST)
    assert ours.roles == {CT: (False, False)}
    assert not theirs.contexts[1].requestor_is_scp
    assert not theirs.contexts[1].requestor_is_scu


def test_a_requestor_may_refuse_both_roles() -> None:
    request = replace(REQUEST, roles={CT: (False, False)})
    asked = read_request(request_pdu(request))
    answer = acceptance_pdu(agree(asked, choose, extended={}, may_be_scp=lambda _: True), 131072)

    assert asked == request
    # PS3.7 table D.3-10: the item's type and length, the UID with its length, then both roles.
    assert b"\x54\x00\x00\x1d\x00\x19" + CT.encode() + b"\0\0" in answer


def test_a_rejection_says_why() -> None:
    assert "called ae title not recognised" in read_rejection(rejection_pdu((1, 1, 7)))


def test_128_contexts_fit_and_no_more() -> None:
    assert offered([(CT, (ELE,))] * 128)[-1].id == 255
    with pytest.raises(AssertionError):
        offered([(CT, (ELE,))] * 129)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    with suppress(Invalid):
        read_request(b"\1\0" + len(data).to_bytes(4, "big") + data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_request_with_changed_bytes_is_read_or_refused(at: int, change: bytes) -> None:
    pdu = bytearray(request_pdu(REQUEST))
    at %= len(pdu)
    pdu[at : at + len(change)] = change
    with suppress(Invalid):
        read_request(bytes(pdu))


def test_an_acceptance_is_what_another_implementation_writes() -> None:
    request = replace(
        REQUEST, roles={CT: (True, True)}, proposals=offered([(CT, (ELE, ILE)), (ECHO, (ILE,)), (ELE, ())])
    )
    answer = agree(request, choose, extended={CT: b"\1\0\1"}, may_be_scp=lambda _: True)
    pdu = A_ASSOCIATE_AC()
    pdu.decode(acceptance_pdu(answer, 131072))

    assert pdu.encode() == acceptance_pdu(answer, 131072)
    assert [(one.context_id, one.result) for one in pdu.presentation_context] == [(1, 0), (3, 3), (5, 3)]


def test_items_of_unknown_types_are_passed_over() -> None:
    unknown = b"\x7e\0\0\3abc"
    pdu = request_pdu(REQUEST) + unknown

    assert read_request(pdu[:2] + (len(pdu) - 6).to_bytes(4, "big") + pdu[6:]) == REQUEST


@pytest.mark.parametrize("title", [b" " * 16, b"A\\B".ljust(16), b"A\nB".ljust(16), b"\xc4".ljust(16)])
def test_a_caller_without_a_title_is_refused(title: bytes) -> None:
    pdu = bytearray(request_pdu(REQUEST))
    pdu[26:42] = title

    with pytest.raises(Invalid, match="association PDU"):
        read_request(bytes(pdu))
