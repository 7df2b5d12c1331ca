"""Who may call by DIMSE, and where results may go."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, devices, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Device, Right, Role, Scope
from imagebank.model.certificate import fingerprint
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from make import a_file

SCANNER = Device("CT1", "10.1.2.3", 104, tls=False, rights=frozenset({Right.STORE}), organization="north")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def resolve(host: str) -> frozenset[str]:
    return frozenset({"10.1.2.4"}) if host == "ct1.example" else frozenset()


def details(bank: Bank) -> list[str]:
    return [event.detail for event in bank.index.events(Scope(organizations=None)) if event.principal == SCANNER.aet]


def test_a_registered_device_calls_with_its_own_rights_for_its_own_organization(bank: Bank) -> None:
    devices.add(bank, SCANNER)
    caller = devices.caller(bank, "CT1", "10.1.2.3", resolve)

    assert caller is not None
    assert (caller.name, caller.organization, caller.rights) == ("CT1", "north", SCANNER.rights)
    assert caller.scope.asker is not None
    assert (caller.scope.asker.role, caller.scope.asker.organization) == (Role.DEVICE, "north")


def test_to_be_ready_for_devices_is_no_read_of_anybody(bank: Bank) -> None:
    keep(bank, a_file())
    before = bank.index.events(Scope(organizations=None))
    devices.warm(bank)
    bank.reads.flush()

    assert bank.index.events(Scope(organizations=None)) == before


def test_a_device_that_is_registered_by_name_calls_from_the_addresses_of_that_name(bank: Bank) -> None:
    devices.add(bank, replace(SCANNER, host="ct1.example"))

    assert devices.caller(bank, "CT1", "10.1.2.4", resolve) is not None
    assert devices.caller(bank, "CT1", "10.1.2.5", resolve) is None


def test_a_device_that_is_registered_with_tls_calls_with_tls_only(bank: Bank) -> None:
    devices.add(bank, replace(SCANNER, tls=True, host="127.0.0.1"))

    assert devices.caller(bank, "CT1", "127.0.0.1", resolve, is_secure=True) is not None
    assert devices.caller(bank, "CT1", "127.0.0.1", resolve) is None, "nor as a stranger, whom the bank would admit"


def test_a_registered_title_is_bound_to_its_place_and_rights_also_on_a_bank_that_accepts_strangers(bank: Bank) -> None:
    before = devices.caller(bank, "CT1", "127.0.0.1", resolve)
    devices.add(bank, SCANNER)

    assert before is not None, "nobody had registered it yet"
    assert devices.caller(bank, "CT1", "127.0.0.1", resolve) is None, "nor as a stranger, who may do more than it may"
    assert devices.caller(bank, "CT2", "127.0.0.1", resolve) is not None
    devices.remove(bank, "CT1")
    assert devices.caller(bank, "CT1", "127.0.0.1", resolve) is not None


def test_a_device_of_this_machine_calls_from_any_of_its_own_addresses(bank: Bank) -> None:
    devices.add(bank, replace(SCANNER, host="here"))

    for address in ("127.0.0.1", "127.0.1.1", "::1"):
        assert devices.caller(bank, "CT1", address, lambda _: frozenset({"127.0.1.1"})) is not None
    assert devices.caller(bank, "CT1", "127.0.0.1", lambda _: frozenset({"10.1.2.4"})) is None
    assert devices.caller(bank, "CT1", "10.1.2.4", lambda _: frozenset({"127.0.1.1"})) is None


def test_a_device_with_a_certificate_calls_with_that_very_one_only(bank: Bank) -> None:
    def shows(der: bytes) -> bool:
        found = devices.caller(bank, "CT1", "127.0.0.1", resolve, is_secure=bool(der), certificate=der)
        return found is not None

    bound = replace(SCANNER, host="127.0.0.1", certificate=fingerprint(b"first"))
    devices.add(bank, bound)
    first = [shows(der) for der in (b"first", b"second", b"")]
    devices.add(bank, replace(bound, certificate=fingerprint(b"second")))

    assert first == [True, False, False], "nor as a stranger, whom the bank would admit"
    assert [shows(der) for der in (b"first", b"second", b"")] == [False, True, False]
    assert details(bank)[0] == f"device registered with certificate {fingerprint(b'second')[:16]}"


def test_nothing_is_decided_for_a_stranger_by_the_name_that_it_calls_itself(bank: Bank) -> None:
    keep(bank, a_file(PatientID="BOB"), source=replace(SOURCE, organization="south"))
    officer = rights.principal(bank, "officer", Role.ADMIN, "local")
    draft = Provision("", Kind.CONSENT, True, PatientId("south", "BOB"), bank.now(), principal="CT1", role=Role.DEVICE)
    consent.decide(bank, draft, officer)
    stranger = devices.caller(bank, "CT1", "127.0.0.1", resolve)
    devices.add(bank, replace(SCANNER, host="127.0.0.1"))
    registered = devices.caller(bank, "CT1", "127.0.0.1", resolve)

    assert stranger is not None
    assert registered is not None
    assert stranger.name == "CT1"
    assert [len(bank.index.instances(Selection(), one.scope)) for one in (stranger, registered)] == [0, 1]


def test_a_stranger_may_call_from_this_machine_only_and_never_on_a_strict_bank(tmp_path: Path) -> None:
    for open_loopback, admitted in ((True, [True, True, False]), (False, [False, False, False])):
        with open_test_bank(tmp_path / str(open_loopback), open_loopback=open_loopback) as bank:
            found = [devices.caller(bank, "ANY", address, resolve) for address in ("127.0.0.1", "::1", "10.1.2.3")]

        assert [caller is not None for caller in found] == admitted
        assert all(caller.scope.asker for caller in found if caller)
        assert {caller.organization for caller in found if caller} <= {"local"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"aet": ""}, "AE title"),
        ({"aet": "   "}, "AE title"),
        ({"aet": "A" * 17}, "AE title"),
        ({"aet": "CT\\1"}, "AE title"),
        ({"aet": "CT\n"}, "AE title"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"host": " "}, "host name"),
        ({"rights": frozenset({Right.DELETE})}, "rights"),
    ],
)
def test_a_device_that_cannot_be_is_not_registered(bank: Bank, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid, match=named):
        devices.add(bank, replace(SCANNER, **changes))

    assert bank.index.devices() == []


def test_results_go_to_registered_devices_only(bank: Bank) -> None:
    with pytest.raises(NotFound, match="device add"):
        devices.destination(bank, "CT1")
    devices.add(bank, SCANNER)

    assert devices.destination(bank, "CT1") == SCANNER


def test_a_device_is_taken_off_the_register_once_and_the_ledger_tells(bank: Bank) -> None:
    devices.add(bank, SCANNER)
    devices.remove(bank, "CT1")
    with pytest.raises(NotFound):
        devices.remove(bank, "CT1")

    assert bank.index.device("CT1") is None
    assert details(bank) == ["device removed", "device registered"]
