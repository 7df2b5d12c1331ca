"""What codes of public schemes mean, as it was compared with their publishers' lists."""

import pytest

from imagebank.exams.describing import describe
from imagebank.exams.tables import tables
from imagebank.model.exam import Said
from imagebank.model.region import Code

NO_PLACE = {
    *("76390", "77080", "75710", "76377", "75820", "75821", "75822", "77012", "76942", "37243"),
    *("25045-6", "25056-3", "25061-3", "26224-6", "26226-1", "26231-1", "37637-6", "38268-9", "RPID88", "RPID2194"),
}
"""Codes that say no part of the body, such as that of densitometry."""


@pytest.mark.parametrize("scheme", ["C4", "LN", "RADLEX", "NICIP"])
def test_every_code_of_an_exam_says_a_part_of_the_body(scheme: str) -> None:
    lexicon = tables().lexicon
    for value, name in tables().codes[scheme].items():
        regions = [one.regions for hit in lexicon.read(name).hits for one in hit.meanings if one.regions]
        assert bool(regions) or value in NO_PLACE or "mammo" in name, (value, name)


def test_codes_of_loinc_have_the_check_digit_that_their_number_gives() -> None:
    for value in tables().codes["LN"]:
        number, digit = value.split("-")
        doubled = [int(one) * (2 - at % 2) for at, one in enumerate(reversed(number))]
        assert (-sum(one // 10 + one % 10 for one in doubled)) % 10 == int(digit), value


@pytest.mark.parametrize(
    ("scheme", "value", "group", "regions"),
    [
        ("LN", "24629-8", "MR", ("CHEST",)),
        ("LN", "30620-9", "CT", ("LSPINE",)),
        ("LN", "26171-9", "XR", ("WRIST",)),
        ("http://loinc.org", "36813-4", "CT", ("ABDOMEN", "PELVIS")),
        ("RADLEX", "RPID16", "CT", ("CHEST",)),
        ("RPID", "RPID145", "CT", ("ABDOMEN", "PELVIS")),
        ("SRT", "R-FAB55", "OTHER", ("ABDOMEN", "CHEST")),
        ("SRT", "R-FAB56", "OTHER", ("ABDOMEN", "CHEST", "PELVIS")),
        ("SRT", "R-FAB57", "OTHER", ("ABDOMEN", "PELVIS")),
        ("SCT", "169069000", "CT", ("CHEST",)),
        ("SCT", "69327007", "OTHER", ("CHEST",)),
    ],
)
def test_codes_mean_what_their_publishers_say(scheme: str, value: str, group: str, regions: tuple[str, ...]) -> None:
    found = describe(Said((), (), codes=(Code(value, scheme, ""),)), tables())
    assert (found.group, found.regions) == (group, regions)
