"""SOP classes and transfer syntaxes."""

from imagebank.dimse import contexts

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_the_syntaxes_of_the_design_are_taken() -> None:
    numbers = [50, 51, 57, 70, 80, 81, 90, 91, 92, 93, *range(100, 109), 110, 111, 112, 201, 202, 203]
    tails = [".2.1", ".2", ".2.1.99", ".2.2", ".2.5", ".2.4.100.1", ".2.4.101.1", ".2.4.102.1", ".2.4.106.1"]
    tails += [f".2.4.{number}" for number in numbers]

    assert {f"1.2.840.10008.1{tail}" for tail in tails} <= set(contexts.STORAGE_SYNTAXES)


def test_compressed_data_stays_as_it_is() -> None:
    proposed = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50")

    assert contexts.chosen_syntax(CT, proposed, private=False) == "1.2.840.10008.1.2.4.50"


def test_explicit_coding_is_preferred_for_identifiers() -> None:
    proposed = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")

    assert contexts.chosen_syntax(contexts.STUDY_FIND, proposed, private=False) == "1.2.840.10008.1.2.1"
    assert contexts.chosen_syntax(contexts.STUDY_FIND, ("1.2.840.10008.1.2.4.50",), private=True) is None
