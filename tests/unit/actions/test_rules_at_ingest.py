"""What the site's rules make of objects on their way in."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from bank import keep, open_test_bank
from imagebank.bank import Bank
from imagebank.errors import Conflict, NotAllowed
from imagebank.model.access import Scope
from imagebank.model.imaging import Outcome, Receipt, Selection
from make import a_dataset, a_file, as_file

ALL = Scope(organizations=None)


def rules(bank: Bank, text: str, **tables: str) -> None:
    """Write the file that the bank watches."""
    for name, content in tables.items():
        (bank.settings.data / f"{name}.csv").write_text(content)
    (bank.settings.data / "rules.toml").write_text(text)
    bank.rules._looked_at = None  # type: ignore[attr-defined]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def held(bank: Bank, receipt: Receipt) -> Dataset:
    (found,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    return dcmread(io.BytesIO(bank.blobs.read(found.location)))


FIX_ISSUER = """
[[rule]]
name = "Fix issuer"
when = 'header.IssuerOfPatientID == ""'
[[rule.do]]
action = "set"
tag = "IssuerOfPatientID"
value = "NORTH"
"""


def test_a_rule_sets_an_attribute_and_says_so(bank: Bank) -> None:
    rules(bank, FIX_ISSUER)

    (receipt,) = keep(bank, a_file())

    assert receipt.outcome is Outcome.STORED
    assert receipt.changed == ("rule “Fix issuer” set IssuerOfPatientID",)
    ds = held(bank, receipt)
    assert ds.IssuerOfPatientID == "NORTH"
    (item,) = ds.OriginalAttributesSequence
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert item.ModifiedAttributesSequence[0].IssuerOfPatientID == ""
    (found,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    assert found.patient.issuer == "NORTH"


def test_what_rules_changed_is_a_duplicate_whichever_way_it_comes_again(bank: Bank) -> None:
    rules(bank, FIX_ISSUER)
    ds = a_dataset()
    file = as_file(ds)
    keep(bank, file)

    (again,) = keep(bank, file)
    data = file[file.index(b"DICM") + 4 :]
    (implicit,) = keep(bank, as_file(ds, "1.2.840.10008.1.2"))

    assert data
    assert again.outcome is Outcome.DUPLICATE
    assert again.changed == ("rule “Fix issuer” set IssuerOfPatientID",)
    assert implicit.outcome is Outcome.DUPLICATE


def test_a_rule_refuses_and_a_rule_holds(bank: Bank) -> None:
    rules(
        bank,
        """
[[rule]]
name = "No phantoms"
when = 'header.PatientID.startsWith("PHANTOM")'
[[rule.do]]
action = "refuse"
reason = "it is a phantom"

[[rule]]
name = "Accession"
[[rule.do]]
action = "require"
tags = ["AccessionNumber"]
""",
    )

    (refused,) = keep(bank, a_file(PatientID="PHANTOM1"))
    (kept,) = keep(bank, a_file())
    (aside,) = keep(bank, a_file(AccessionNumber=""))

    assert (refused.outcome, kept.outcome, aside.outcome) == (Outcome.REFUSED, Outcome.STORED, Outcome.QUARANTINED)
    assert isinstance(refused.error, NotAllowed)
    assert str(refused.error) == "rule “No phantoms”: it is a phantom"
    assert isinstance(aside.error, Conflict)
    assert str(aside.error) == "rule “Accession”: it has no AccessionNumber; this copy is safe in quarantine"
    assert (refused.rule, kept.rule, aside.rule) == ("No phantoms", "", "Accession")
