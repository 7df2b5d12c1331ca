"""What guarding costs: one frame with rules, consents and ledger, against the same without.

    python benchmarks/guarding.py [--frames 3000] [--rounds 5] [--consents 10000] [--http-frames 1000] [--http-rounds 12]

First in one process: the frame is looked up, counted in the ledger, read and unsealed, as for a request. Printed are
medians of CPU time. Then over HTTP, from web servers as they are shipped, each with or without the two, by one client
that keeps its connection: frames in a second, and the CPU time of the server. All cases by turns; each ratio is of one
round, its spread is that of the rounds, and on a noisy machine only the ratios mean something.
"""

import argparse
import io
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import httpx

from bank import SOURCE, a_token, bearer, free_port, open_test_bank
from imagebank import app, serve
from imagebank.actions import access, ingest, retrieve, rights
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid
from imagebank.settings import load
from make import a_file, read
from running import HOST, descendants, wait_for


@dataclass(frozen=True)
class Case:
    """What a frame is guarded by."""

    has_rules: bool
    has_ledger: bool


CASES = {
    "neither rules nor ledger": Case(has_rules=False, has_ledger=False),
    "ledger": Case(has_rules=False, has_ledger=True),
    "rules": Case(has_rules=True, has_ledger=False),
    "rules and ledger": Case(has_rules=True, has_ledger=True),
}
BASE = "neither rules nor ledger"
_TICKS_US = 1e6 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--consents", type=int, default=10_000)
    parser.add_argument("--http-frames", type=int, default=1000)
    parser.add_argument("--http-rounds", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_test_bank(folder) as bank:
            file = deposit(bank)
            decide(bank, given.consents)
            token = a_token(bank, Role.CLINICIAN)
            if given.rounds:
                in_process(bank, file, given.frames, given.rounds)
        if given.http_rounds:
            over_http(folder, file, token, given.http_frames, given.http_rounds)


@dataclass(frozen=True)
class File:
    """The object whose frame is read."""

    study: str
    series: str
    instance: str

    @property
    def frame(self) -> str:
        return f"/dicom-web/studies/{self.study}/series/{self.series}/instances/{self.instance}/frames/1"


def deposit(bank: Bank) -> File:
    file = a_file(rows=512, columns=512, PatientID="P0")
    ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file))], SOURCE)
    found = read(file)
    return File(found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID)


def decide(bank: Bank, number: int) -> None:
    """Consents of many patients, two of them this one's."""
    now = datetime.now(UTC)
    one = Provision("", Kind.CONSENT, True, PatientId("local", ""), now, FOR_EVER, organization="elsewhere")
    with bank.index.begin() as tx:
        for count in range(number):
            tx.put_provision(replace(one, id=f"{count:032x}", patient=PatientId("local", f"P{count // 2}")))


def unruled(_: Bank, name: str, role: Role, organization: str, *__: Any) -> Principal:
    """A caller who sees an organization's studies, whatever rules and patients say."""
    return Principal(name, role, organization, RIGHTS[role], Scope.of(organization))


def in_process(bank: Bank, file: File, frames: int, rounds: int) -> None:
    ruled = rights.principal(bank, "doctor", Role.CLINICIAN, "local")
    bare = unruled(bank, "doctor", Role.CLINICIAN, "local")
    uid = Uid(file.instance)

    def work(case: Case) -> Callable[[], None]:
        who = ruled if case.has_rules else bare
        return lambda: one_frame(bank, uid, who, is_counted=case.has_ledger)

    told = by_turns({name: timed(work(case), frames) for name, case in CASES.items()}, rounds)
    say("in one process, µs of CPU time a frame", told)


def one_frame(bank: Bank, uid: Uid, who: Principal, *, is_counted: bool) -> None:
    (instance,) = retrieve.select(bank, Selection(instance=uid), who.scope)
    if is_counted:
        retrieve.reading(bank, who, [instance], "wado")
    retrieve.frame(bank, instance, 1)


def timed(work: Callable[[], None], times: int) -> Callable[[], float]:
    """Microseconds of CPU time each."""

    def run() -> float:
        began = time.process_time()
        for _ in range(times):
            work()
        return (time.process_time() - began) / times * 1e6

    return run


def by_turns(cases: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What each case gives, round by round; within a round in a changing order."""
    order = random.Random(1)  # noqa: S311 - nobody is to guess it
    told: dict[str, list[Any]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name in order.sample(sorted(cases), len(cases)):
            told[name].append(cases[name]())
    return told


def say(what: str, told: dict[str, list[float]]) -> None:
    """The median of each case, and its ratio to the bare one: the median of rounds, and the least and the most."""
    print(what)
    for name, figures in told.items():
        ratios = [one / base for one, base in zip(figures, told[BASE], strict=True)]
        spread = f"[{min(ratios):.3f} to {max(ratios):.3f}]"
        print(f"  {name:26} {statistics.median(figures):8.1f}   {statistics.median(ratios):6.3f}x  {spread}")


# Over HTTP


class NoLedger:
    """In the place of the counted reads: keeps nothing."""

    def is_known(self, *_: Any) -> bool:
        return True

    def _nothing(self, *_: Any, **__: Any) -> None: ...

    count = search = refused = flush = _nothing


def serve_case(folder: Path, port: int, case: Case) -> None:
    """Run a web server as it is shipped, but for what this case leaves out; the process it runs in knows no other."""
    join = app.web_application

    def joined(bank: Bank) -> Any:
        return join(bank if case.has_ledger else replace(bank, reads=NoLedger()))

    app.web_application = joined
    if not case.has_rules:
        access.principal = unruled
    serve.run(load(environ={}, data=folder / "bank", http=f"{HOST}:{port}", decoders=1), "web")


@contextmanager
def served(folder: Path, case: Case) -> Iterator[tuple[int, BaseProcess]]:
    """The port and the process of such a server."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_case, args=(folder, port, case))
    process.start()
    try:
        wait_for(lambda: answers(port), "the server answers")
        yield port, process
    finally:
        process.terminate()
        process.join()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@dataclass(frozen=True)
class Told:
    """What one run over HTTP gave."""

    frames_per_s: float
    cpu_us: float


def over_http(folder: Path, file: File, token: str, frames: int, rounds: int) -> None:
    with ExitStack() as stack:
        runs = {}
        for name, case in CASES.items():
            port, process = stack.enter_context(served(folder, case))
            line = HTTPConnection(HOST, port)
            stack.callback(line.close)
            runs[name] = asked(line, process, file, token, frames)
            runs[name]()  # the first read stands in the ledger, and what is compiled once is compiled
        told: dict[str, list[Told]] = by_turns(runs, rounds)
    say("over HTTP, frames in a second", {name: [one.frames_per_s for one in each] for name, each in told.items()})
    say("over HTTP, µs of the server's CPU time", {name: [one.cpu_us for one in each] for name, each in told.items()})


def asked(line: HTTPConnection, process: BaseProcess, file: File, token: str, frames: int) -> Callable[[], Told]:
    headers = {**bearer(token), "Accept": "application/octet-stream"}
    assert process.pid is not None
    pids = [process.pid, *descendants(process.pid)]

    def run() -> Told:
        cpu, began = cpu_us(pids), time.perf_counter()
        for _ in range(frames):
            line.request("GET", file.frame, headers=headers)
            answer = line.getresponse()
            if answer.status != 200 or len(answer.read()) != 512 * 512 * 2:
                raise AssertionError(f"no frame but {answer.status}")
        return Told(frames / (time.perf_counter() - began), (cpu_us(pids) - cpu) / frames)

    return run


def cpu_us(pids: Sequence[int]) -> float:
    """The CPU time that these processes have taken, in user mode and in the kernel."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) * _TICKS_US


if __name__ == "__main__":
    main()
