"""Accept negotiation with transfer syntaxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank.dicomweb.accept import NotAcceptable, Offer, preferences, ranges

J2K = "1.2.840.10008.1.2.4.90"
EXPLICIT = "1.2.840.10008.1.2.1"
FILES = [
    Offer("application/dicom", J2K, is_default=False, is_usual=False, is_related=True),
    Offer("application/dicom", EXPLICIT, is_related=True),
    Offer("application/dicom", J2K, is_default=False, is_usual=False),
    Offer("application/dicom", EXPLICIT),
]
PICTURES = [Offer("image/jpeg"), Offer("image/png", is_usual=False), Offer("image/gif", is_usual=False)]


def chosen(
    field: str | None, offers: list[Offer] = FILES, parameter: str | None = None
) -> tuple[str, str, bool] | None:
    offer = preferences(field, parameter).best(offers)
    return (offer.name, offer.syntax, offer.is_related) if offer else None


@pytest.mark.parametrize(
    ("field", "syntax", "is_related"),
    [
        (None, EXPLICIT, True),
        ("*/*", EXPLICIT, True),
        ('multipart/related; type="application/dicom"', EXPLICIT, True),
        ("multipart/related; type=application/dicom", EXPLICIT, True),
        ("multipart/related;type=application/dicom;transfer-syntax=*", J2K, True),
        ('multipart/related; type="application/dicom"; transfer-syntax="*"', J2K, True),
        (f'multipart/related; type="application/dicom"; transfer-syntax={J2K}', J2K, True),
        ("multipart/related", EXPLICIT, True),
        ("application/dicom", EXPLICIT, False),
        ("application/dicom; transfer-syntax=*", J2K, False),
        ("application/*", EXPLICIT, False),
        (f"application/dicom; transfer-syntax={J2K}; q=0.4, application/dicom; q=0.5", EXPLICIT, False),
        (f"application/dicom; transfer-syntax={J2K}, application/dicom; q=0.5", J2K, False),
        (
            f"application/dicom; transfer-syntax=*; q=0.5, application/dicom; transfer-syntax={EXPLICIT}",
            EXPLICIT,
            False,
        ),
        ("text/html, */*;q=0.1", EXPLICIT, True),
    ],
)
def test_the_form_that_is_wanted_most_is_chosen(field: str | None, syntax: str, is_related: bool) -> None:
    assert chosen(field) == ("application/dicom", syntax, is_related)


@pytest.mark.parametrize(
    "field",
    [
        "text/html",
        "application/dicom; transfer-syntax=1.2.840.10008.1.2.2",
        "application/dicom;q=0",
        "*/*;q=0",
        'multipart/related; type="image/jpeg"',
        "application/dicom;q=0, */*;q=0",
        "nonsense",
    ],
)
def test_nothing_is_chosen_when_nothing_fits(field: str) -> None:
    assert chosen(field) is None
    with pytest.raises(NotAcceptable):
        preferences(field, None).require(FILES)


def test_what_is_excluded_is_not_given_though_anything_else_would_do() -> None:
    assert chosen("image/jpeg;q=0, image/*", PICTURES) == ("image/png", "", False)


def test_a_usable_parameter_wins_over_the_field() -> None:
    assert chosen("image/jpeg", PICTURES, parameter="image/png") == ("image/png", "", False)
    assert chosen("image/jpeg", PICTURES, parameter="image/webp") == ("image/jpeg", "", False)


def test_a_plus_that_became_a_space_in_the_query_is_mended() -> None:
    assert ranges("application/dicom json", is_query=True)[0].name == "application/dicom+json"


def test_old_names_mean_the_same() -> None:
    offer = Offer("image/dicom-rle", "1.2.840.10008.1.2.5", is_related=True)

    assert chosen('multipart/related; type="image/x-dicom-rle"', [offer]) is not None


def test_a_browser_gets_the_usual_picture() -> None:
    assert chosen("text/html,application/xhtml+xml,image/avif,*/*;q=0.8", PICTURES) == ("image/jpeg", "", False)


@given(st.text(alphabet=st.sampled_from('a/*;,q=."\\ 01+-dicom'), max_size=200))
def test_any_field_can_be_read(text: str) -> None:
    offer = preferences(text, text).best(FILES)

    assert offer is None or offer in FILES
    assert all(0 <= one.quality <= 1 for one in ranges(text))


@given(st.permutations(range(4)), st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_the_order_of_the_field_does_not_matter(order: list[int], thousandths: list[int]) -> None:
    elements = [
        f"application/dicom; transfer-syntax={J2K}; q={thousandths[0] / 1000}",
        f'multipart/related; type="application/dicom"; q={thousandths[1] / 1000}',
        f"application/dicom; q={thousandths[2] / 1000}",
        f"*/*; q={thousandths[3] / 1000}",
    ]

    assert chosen(", ".join(elements[n] for n in order)) == chosen(", ".join(elements))
