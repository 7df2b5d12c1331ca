"""Giving a bank of a test its rules."""

from datetime import timedelta

from imagebank.actions.rules_in_force import SiteRules
from imagebank.bank import Bank

FIX_ISSUER = """
[[rule]]
name = "Fix issuer"
when = 'header.IssuerOfPatientID == ""'
[[rule.do]]
action = "set"
tag = "IssuerOfPatientID"
value = "NORTH"
"""

HOLD = """
[[rule]]
name = "Accession"
[[rule.do]]
action = "require"
tags = ["AccessionNumber"]
"""

REFUSE = """
[[rule]]
name = "No phantoms"
when = 'header.PatientID.startsWith("PHANTOM")'
[[rule.do]]
action = "refuse"
reason = "it is a phantom"
"""


def write_rules(bank: Bank, text: str, **tables: str) -> None:
    """Write the file that the bank watches, and have it look at once. Tables by the name of their file without `.csv`."""
    for name, content in tables.items():
        (bank.settings.data / f"{name}.csv").write_text(content, encoding="utf-8")
    (bank.settings.data / "rules.toml").write_text(text, encoding="utf-8")
    look_again(bank)


def look_again(bank: Bank) -> None:
    """As if a second had gone by."""
    assert isinstance(bank.rules, SiteRules)
    if bank.rules._looked_at is not None:
        bank.rules._looked_at -= timedelta(seconds=2)
