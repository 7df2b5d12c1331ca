"""The conformance statement."""

from imagebank.dicom.sop_class import OF_NO_STUDY, RETIRED, STORAGE
from imagebank.dimse import contexts, status
from imagebank.dimse.conformance import statement
from imagebank.model.attribute import MAIN


def test_the_statement_names_everything_that_the_server_takes() -> None:
    text = statement()

    uids = STORAGE | RETIRED | OF_NO_STUDY | contexts.SERVICES | set(contexts.STORAGE_SYNTAXES)
    assert all(f"`{uid}`" in text for uid in uids)
    assert all(f"| {attribute.keyword} |" in text for attribute in MAIN)
    assert all(f"`{code:#06x}`" in text for code in status.STORE.values())


def test_the_sections_stand_in_order() -> None:
    heads = [line for line in statement().splitlines() if line.startswith("## ")]

    assert [head.split()[1] for head in heads[:6]] == ["1", "2", "3", "4", "5", "6"]


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for block in statement().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
