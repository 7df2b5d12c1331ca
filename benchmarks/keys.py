"""What keys of accounts cost a deposit: objects under the key of their patient, against all under the root key.

    python benchmarks/keys.py [--pairs 30] [--objects 50] [--side 512]

In one process and into one bank: of each pair of patients one is deposited with a key of their own, the other without,
in changing order, one object at a time as by C-STORE. So every `objects` objects a new patient comes, and with them a
new key. Printed are medians of an object's time and CPU time; each ratio is of one pair, its spread that of the pairs.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import keep, open_test_bank
from imagebank.bank import Bank
from imagebank.model.key import AccountKey
from imagebank.model.person import PatientId
from imagebank.storage.keys import FileKeys
from make import a_series


@dataclass(frozen=True)
class Took:
    """Milliseconds an object."""

    time: float
    cpu: float


class RootKeyForAll:
    """The bank's keys, but that no account has one of its own."""

    def __init__(self, keys: Any, root: FileKeys) -> None:
        self._keys = keys
        secret = root.find(root.current)
        assert secret is not None
        self._root = AccountKey(root.current, secret)

    def of(self, _: PatientId) -> AccountKey:
        return self._root

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--side", type=int, default=512)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder)) as bank:
        root = FileKeys(Path(folder) / "bank" / "root.key", create=False)
        banks = {"keys of accounts": bank, "the root key": replace(bank, keys=RootKeyForAll(bank.keys, root))}
        told: dict[str, list[Took]] = {name: [] for name in banks}
        order = random.Random(1)  # noqa: S311 - nobody is to guess it
        for number in range(given.pairs + 1):
            for name in order.sample(sorted(banks), 2):
                patient = a_series(given.objects, PatientID=f"{name} {number}", rows=given.side, columns=given.side)
                took = deposited(banks[name], patient)
                if number:  # the first pair warms up
                    told[name].append(took)
    say("ms an object", {name: [one.time for one in each] for name, each in told.items()})
    say("ms of CPU time an object", {name: [one.cpu for one in each] for name, each in told.items()})


def deposited(bank: Bank, files: Sequence[bytes]) -> Took:
    began, cpu = time.perf_counter(), time.process_time()
    for file in files:
        (receipt,) = keep(bank, file)
        if not receipt.is_kept:
            raise AssertionError(receipt.error)
    each = 1000 / len(files)
    return Took((time.perf_counter() - began) * each, (time.process_time() - cpu) * each)


def say(what: str, told: dict[str, list[float]]) -> None:
    print(what)
    for name, figures in told.items():
        print(f"  {name:20} {statistics.median(figures):7.3f}")
    ratios = [one / other for one, other in zip(told["keys of accounts"], told["the root key"], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"  ratio {statistics.median(ratios):.3f}, half of the pairs from {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
