"""Where a connection of ours may go."""

import socket

import pytest

from imagebank.actions.outbound import dialled, permitted
from imagebank.errors import NotAllowed, Unavailable


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200"),
        *("192.0.0.192", "224.0.0.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255"),
        *("::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "not an address"),
    ],
)
def test_no_connection_goes_where_a_machine_is_told_its_secrets_or_to_no_machine(address: str) -> None:
    with pytest.raises(NotAllowed, match="no connection goes there"):
        permitted("device.example", lambda _: [address])


def test_one_forbidden_address_among_others_forbids_the_name() -> None:
    with pytest.raises(NotAllowed):
        permitted("device.example", lambda _: ["10.1.2.3", "169.254.169.254"])


def test_devices_on_private_networks_and_on_the_machine_itself_may_be_called_in_the_order_of_their_addresses() -> None:
    addresses = ("10.1.2.3", "::1", "127.0.0.1", "192.168.0.9", "fd12::1", "2001:db8::1")

    assert permitted("device.example", lambda _: list(addresses)) == addresses


def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(Unavailable, match="has no address"):
        permitted("device.example", lambda _: [])


def test_a_name_is_asked_once() -> None:
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]

    permitted("device.example", resolve)

    assert asked == ["device.example"]


def test_whoever_listens_is_reached_and_whoever_does_not_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = dialled("127.0.0.1", port, 5)
        assert line is not None
        peer = line.getpeername()
        line.close()

    assert peer == ("127.0.0.1", port)
    assert dialled("127.0.0.1", port, 5) is None


def test_nobody_dials_a_forbidden_or_an_unknown_place() -> None:
    with pytest.raises(NotAllowed):
        dialled("169.254.169.254", 80, 1)
    with pytest.raises(Unavailable):
        dialled("no-such-host.invalid", 80, 1)
