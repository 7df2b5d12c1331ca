"""What guarding costs: one frame with rules, consents and ledger, against the same without.

    python benchmarks/guarding.py [--frames 500] [--rounds 40] [--consents 10000] [--http-frames 100] [--http-rounds 150]

First in one process: the frame is looked up, counted in the ledger, read and unsealed, as for a request. Then over
HTTP, from a web server as it is shipped but for a field of the request by which it leaves out the one or the other, by
one client that keeps its connection: frames in a second, and the CPU time of the server. All cases by turns. Printed
are medians of the rounds (of CPU time over HTTP, which is told in hundredths of a second, means), their ratios to the
bare case with the interval of 95 % (bootstrap), and where the ratios of half of the rounds lie. On a noisy machine only
ratios mean something.
"""

import argparse
import io
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import httpx
import numpy as np

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
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--consents", type=int, default=10_000)
    parser.add_argument("--http-frames", type=int, default=100)
    parser.add_argument("--http-rounds", type=int, default=150)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_test_bank(folder) as bank:
            file = deposit(bank)
            decide(bank, given.consents)
            tokens = {role: a_token(bank, role) for role in (Role.CLINICIAN, Role.RESEARCHER)}
            if given.rounds:
                in_process(bank, file, given.frames, given.rounds)
        if given.http_rounds:
            over_http(folder, file, tokens, given.http_frames, given.http_rounds)


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


def unruled(_: Bank, name: str, role: Role, organization: str) -> Principal:
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


def say(what: str, told: dict[str, list[float]], middle: Callable[..., Any] = np.median) -> None:
    """The middle of each case, its ratio to the bare one's, and where the ratios of half of the rounds lie."""
    print(what)
    base = np.array(told[BASE])
    drawn = np.random.default_rng(1).integers(0, len(base), (4000, len(base)))
    for name, figures in told.items():
        found = np.array(figures)
        ratio = middle(found) / middle(base)
        low, high = np.quantile(middle(found[drawn], axis=1) / middle(base[drawn], axis=1), [0.025, 0.975])
        quarters = np.quantile(found / base, [0.25, 0.75])
        spread = f"half of the rounds {quarters[0]:.3f} to {quarters[1]:.3f}"
        print(f"  {name:26} {middle(found):8.1f}  {ratio:.3f}x ({low:.3f} to {high:.3f}), {spread}")


# Over HTTP

FIELD = "guarded-by"
_case: ContextVar[Case] = ContextVar("case")


class Switch:
    """Before the application: a field of the request says by what its answer is guarded."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            _case.set(CASES[dict(scope["headers"]).get(FIELD.encode(), BASE.encode()).decode()])
        await self._application(scope, receive, send)


class SwitchedReads:
    """The counted reads, where this request is to have a ledger."""

    def __init__(self, reads: Any) -> None:
        self._reads = reads

    def is_known(self, *given: Any) -> bool:
        return not _case.get().has_ledger or self._reads.is_known(*given)

    def count(self, *given: Any) -> None:
        if _case.get().has_ledger:
            self._reads.count(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reads, name)


def serve_switched(folder: Path, port: int) -> None:
    """Run a web server as it is shipped, but for the switch; what is switched is so in this process alone."""
    join, ruled = app.web_application, access.principal

    def joined(bank: Bank) -> Any:
        application = join(replace(bank, reads=SwitchedReads(bank.reads)))
        application.add_middleware(Switch)
        return application

    def switched(bank: Bank, name: str, role: Role, organization: str) -> Principal:
        return (ruled if _case.get().has_rules else unruled)(bank, name, role, organization)

    app.web_application, access.principal = joined, switched
    multiprocessing.set_start_method("fork", force=True)  # so that the server's worker has them, too
    serve.run(load(environ={}, data=folder / "bank", http=f"{HOST}:{port}", decoders=1), "web")


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, list[int]]]:
    """The port of such a server, and its processes."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_switched, args=(folder, port))
    process.start()
    try:
        wait_for(lambda: answers(port), "the server answers")
        assert process.pid is not None
        yield port, [process.pid, *descendants(process.pid)]
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


def over_http(folder: Path, file: File, tokens: dict[Role, str], frames: int, rounds: int) -> None:
    with served(folder) as (port, pids), closing(HTTPConnection(HOST, port)) as line:
        for name, case in CASES.items():
            wanted = 404 if case.has_rules else 200  # nobody has permitted research
            if get(line, file, {**bearer(tokens[Role.RESEARCHER]), FIELD: name}) != wanted:
                raise AssertionError("the server does not heed what it is to leave out")
        headers = {name: {**bearer(tokens[Role.CLINICIAN]), FIELD: name} for name in CASES}
        runs = {name: asked(line, pids, file, headers[name], frames) for name in CASES}
        for run in runs.values():
            run()  # the first read stands in the ledger, and what is compiled once is compiled
        told: dict[str, list[Told]] = by_turns(runs, rounds)
    say("over HTTP, frames in a second", {name: [one.frames_per_s for one in each] for name, each in told.items()})
    cpu = {name: [one.cpu_us for one in each] for name, each in told.items()}
    say("over HTTP, µs of the server's CPU time a frame", cpu, np.mean)


def get(line: HTTPConnection, file: File, fields: dict[str, str]) -> int:
    """Ask for the frame; the status."""
    line.request("GET", file.frame, headers={**fields, "Accept": "application/octet-stream"})
    answer = line.getresponse()
    answer.read()
    return answer.status


def asked(
    line: HTTPConnection, pids: Sequence[int], file: File, fields: dict[str, str], frames: int
) -> Callable[[], Told]:
    def run() -> Told:
        cpu, began = cpu_us(pids), time.perf_counter()
        for _ in range(frames):
            if get(line, file, fields) != 200:
                raise AssertionError("there is no frame")
        return Told(frames / (time.perf_counter() - began), (cpu_us(pids) - cpu) / frames)

    return run


def cpu_us(pids: Sequence[int]) -> float:
    """The CPU time that these processes have taken, in user mode and in the kernel."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) * _TICKS_US


if __name__ == "__main__":
    main()
