"""What guarding costs: one frame with rules, consents and ledger, against the same without.

    python benchmarks/guarding.py [--frames 3000] [--rounds 5] [--consents 10000]

In one process and interleaved: the frame is looked up, counted in the ledger, read and unsealed, as for a request.
Printed are medians of CPU time and their ratios; on a noisy machine only the ratios mean something.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import SOURCE, open_test_bank
from imagebank.actions import ingest, retrieve, rights
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid
from make import a_file, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--consents", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder)) as bank:
        uid = deposit(bank)
        decide(bank, given.consents)
        doctor = rights.principal(bank, "doctor", Role.CLINICIAN, "local")
        bare = Principal("doctor", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], Scope.of("local"))
        cases: dict[str, Callable[[], None]] = {
            "neither rules nor ledger": lambda: one_frame(bank, uid, bare, is_counted=False),
            "ledger": lambda: one_frame(bank, uid, bare, is_counted=True),
            "rules": lambda: one_frame(bank, uid, doctor, is_counted=False),
            "rules and ledger": lambda: one_frame(bank, uid, doctor, is_counted=True),
        }
        told: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(given.rounds):
            for name, work in cases.items():
                told[name].append(timed(work, given.frames))
    base = statistics.median(told["neither rules nor ledger"])
    for name, figures in told.items():
        middle = statistics.median(figures)
        print(f"{name:26} {middle:8.1f} µs  {middle / base:5.2f}x  [{min(figures):.1f} to {max(figures):.1f}]")


def deposit(bank: Bank) -> Uid:
    file = a_file(rows=512, columns=512, PatientID="P0")
    ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file))], SOURCE)
    return Uid(read(file).SOPInstanceUID)


def decide(bank: Bank, number: int) -> None:
    """Consents of many patients, two of them this one's."""
    now = datetime.now(UTC)
    one = Provision("", Kind.CONSENT, True, PatientId("local", ""), now, FOR_EVER, organization="elsewhere")
    with bank.index.begin() as tx:
        for count in range(number):
            tx.put_provision(replace(one, id=f"{count:032x}", patient=PatientId("local", f"P{count // 2}")))


def one_frame(bank: Bank, uid: Uid, who: Principal, *, is_counted: bool) -> None:
    (instance,) = retrieve.select(bank, Selection(instance=uid), who.scope)
    if is_counted:
        retrieve.reading(bank, who, [instance], "wado")
    retrieve.frame(bank, instance, 1)


def timed(work: Callable[[], None], times: int) -> float:
    """Microseconds of CPU time each."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


if __name__ == "__main__":
    main()
