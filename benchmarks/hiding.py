"""Whether time tells of what is hidden: a study that the caller may not see, against one that is not there.

    python benchmarks/hiding.py [--asks 400] [--studies 300] [--consents 10000] [--relation other] [--only ROUTE]

One bank runs as `imagebank serve`; on each route both are asked for in turn, in pairs of changing order, through one
connection. Printed are the medians, the ratio of medians with the interval in which it lies with 95 % (bootstrap), and
how often the hidden one took longer (0.50: time tells nothing), with the probability that chance makes as much of it
(Mann and Whitney).
"""

import argparse
import math
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import SOURCE, bearer, keep, open_test_bank
from imagebank.bank import Bank
from imagebank.dicom.keys import text_element
from imagebank.dimse import command as commands
from imagebank.dimse.command import Kind
from imagebank.dimse.dataset import encode
from imagebank.dimse.negotiation import Request, offered, request_pdu
from imagebank.model.access import Device, Role
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Provision
from imagebank.model.provision import Kind as Decision
from imagebank.model.uid import Uid
from journeys.relations import BY_PARAMETERS, SEES, Known, deposit, unknown
from journeys.senders import EXPLICIT, STUDY_FIND
from make import a_file
from protocol.dimse_peers import ALL_RIGHTS, HOST, pdv, read_pdu
from running import Running, running_bank

_INSTANCE = "/studies/{study}/series/{series}/instances/{instance}"
ROUTES = {
    "study": "/dicom-web/studies/{study}",
    "object": f"/dicom-web{_INSTANCE}",
    "metadata": "/dicom-web/studies/{study}/metadata",
    "frames": f"/dicom-web{_INSTANCE}/frames/1",
    "rendered": f"/dicom-web{_INSTANCE}/rendered",
    "thumbnail": "/dicom-web/studies/{study}/thumbnail",
    "bulk data": f"/dicom-web{_INSTANCE}/bulkdata/7FE00010",
    "QIDO-RS, study by UID": "/dicom-web/studies?StudyInstanceUID={study}",
    "QIDO-RS, series of a study": "/dicom-web/studies/{study}/series",
    "QIDO-RS, object by UID": "/dicom-web/instances?SOPInstanceUID={instance}",
    "WADO-URI": BY_PARAMETERS["/wado"],
    "page of a study": "/studies/{study}",
    "page of an object": _INSTANCE,
}
ACCEPTED = 2
_EACH = 20
_WARM = 20
Ask = Callable[[Known], None]


@dataclass(frozen=True)
class Told:
    """Seconds of the hidden and of the missing, pair by pair."""

    hidden: NDArray[np.float64]
    missing: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asks", type=int, default=400)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--consents", type=int, default=10_000)
    parser.add_argument("--relation", default="other", choices=["other", "denied", "sensitive", "revoked", "expired"])
    parser.add_argument("--only", default="", help="routes whose names hold this")
    given = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    with folder as name, running_bank(Path(name), organization="north") as running:
        with open_test_bank(Path(name), organization="north") as bank:
            hidden = fill(bank, given.studies, given.consents, given.relation)
        missing = [unknown() for _ in hidden]
        with asking(running, seen_by_devices=given.relation in SEES[Role.DEVICE]) as asks:
            print(f"{'':26}   hidden  missing  ratio (95 %)             longer      p")
            for route, ask in asks.items():
                if given.only not in route:
                    continue
                told = timed(ask, hidden, missing, given.asks)
                print(f"{route:26} {said(told)}", flush=True)


def fill(bank: Bank, studies: int, consents: int, relation: str) -> list[Known]:
    """Studies of many patients, and of some that the caller may not see; consents of all of them."""
    for number in range(studies):
        keep(bank, a_file(PatientID=f"P{number}"), source=replace(SOURCE, organization="north"))
    hidden = [deposit(bank, relation) for _ in range(_EACH)]
    owner = "north" if relation in ("denied", "sensitive") else "south"
    patients = [PatientId("north", f"P{number % max(studies, 1)}") for number in range(consents)]
    patients += [PatientId(owner, relation.upper())] * 2
    one = Provision(
        "", Decision.CONSENT, True, PatientId("", ""), datetime.now(UTC), FOR_EVER, organization="elsewhere"
    )
    with bank.index.begin() as tx:
        for number, patient in enumerate(patients):
            tx.put_provision(replace(one, id=f"{number:032x}", patient=patient))
        tx.put_device(Device("NORTH", HOST, 11112, tls=False, rights=ALL_RIGHTS, organization="north"))
    return hidden


@contextmanager
def asking(running: Running, *, seen_by_devices: bool) -> Iterator[dict[str, Ask]]:
    """How to ask on each route: a clinician over HTTP, a device by C-FIND."""
    headers = bearer(running.token("clinician", "north"))
    with closing(HTTPConnection(HOST, running.http_port)) as line:

        def by_http(path: str) -> Ask:
            def ask(known: Known) -> None:
                line.request("GET", known.fill(path), headers=headers)
                line.getresponse().read()

            return ask

        asks = {route: by_http(path) for route, path in ROUTES.items()}
        with socket.create_connection((HOST, running.dimse_port)) as device:
            yield asks if seen_by_devices else {"C-FIND": by_dimse(device), **asks}


def by_dimse(line: socket.socket) -> Ask:
    """C-FIND on one association. Without a library: one that looks for answers at times would hide microseconds."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(request_pdu(Request("IMAGEBANK", "NORTH", offered([(STUDY_FIND, (EXPLICIT,))]), max_pdu_bytes=16384)))
    if read_pdu(line)[0] != ACCEPTED:
        raise AssertionError("the association was not accepted")
    find = {"AffectedSOPClassUID": STUDY_FIND, "CommandField": int(Kind.C_FIND), "MessageID": 1}
    command = commands.encode({**find, "Priority": 0, "CommandDataSetType": 1})

    def ask(known: Known) -> None:
        level, study = text_element("CS", "STUDY"), text_element("UI", known.study)
        line.sendall(pdv(3, command) + pdv(2, encode({"00080052": level, "0020000D": study}, Uid(EXPLICIT))))
        status = commands.number(commands.decode(read_pdu(line)[1][6:]), "Status")
        if status:
            raise AssertionError(f"C-FIND gives {status:04X}, and not its last answer at once")

    return ask


def timed(ask: Ask, hidden: Sequence[Known], missing: Sequence[Known], times: int) -> Told:
    order = random.Random(1)  # noqa: S311 - only the order within a pair
    told: dict[bool, list[float]] = {True: [], False: []}
    for number in range(_WARM + times):
        for is_hidden in order.sample([True, False], 2):
            known = (hidden if is_hidden else missing)[number % len(hidden)]
            began = time.perf_counter()
            ask(known)
            took = time.perf_counter() - began
            if number >= _WARM:
                told[is_hidden].append(took)
    return Told(np.array(told[True]), np.array(told[False]))


def said(told: Told) -> str:
    hidden, missing = np.median(told.hidden), np.median(told.missing)
    low, high = interval(told)
    share, chance = longer(told)
    return (
        f"{hidden * 1e3:6.3f} ms {missing * 1e3:6.3f} ms  {hidden / missing:.3f} ({low:.3f} to {high:.3f})"
        f"    {share:.2f}  {chance:5.3f}"
    )


def interval(told: Told) -> tuple[float, float]:
    """Where the ratio of medians lies with 95 %: pairs are drawn anew, with replacement."""
    drawn = np.random.default_rng(1).integers(0, len(told.hidden), (2000, len(told.hidden)))
    ratios = np.median(told.hidden[drawn], axis=1) / np.median(told.missing[drawn], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def longer(told: Told) -> tuple[float, float]:
    """How often a hidden one takes longer than a missing one, and the probability of that by chance."""
    n, m = len(told.hidden), len(told.missing)
    ranks = np.argsort(np.argsort(np.concatenate([told.hidden, told.missing]))) + 1
    share = (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)
    z = (share - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))
    return float(share), math.erfc(abs(z) / math.sqrt(2))


if __name__ == "__main__":
    main()
