"""How fields of two patient records agree, in words."""

from typing import Any

import pytest

from imagebank.model.identity import Identity
from imagebank.model.identity_comparison import (
    FIELDS,
    FINDINGS,
    Profile,
    compare,
    in_latin,
    keys,
    names_of,
    profile,
    similarity,
    soundex,
)
from imagebank.model.person import PatientId, PersonName

NICKNAMES = {name: frozenset({"william"}) for name in ("william", "bill", "will")}


def a_profile(name: str = "", birth_date: str = "", **given: Any) -> Profile:
    return profile(Identity(PatientId("north", "1"), PersonName.parse(name), birth_date, **given))


def names(one: str, other: str) -> tuple[str, ...]:
    found = compare(a_profile(one), a_profile(other), NICKNAMES)
    return tuple(found.get(field, "") for field in ("family", "given"))


@pytest.mark.parametrize(
    ("one", "other", "family", "given"),
    [
        ("Müller^Jürgen", "MUELLER^JURGEN", "same", "same"),
        ("Łukasik^Żaneta", "Lukasik^Zaneta", "same", "same"),
        ("O'Brien^Mary", "OBrien^Mary", "same", "same"),
        ("Иванов^Иван", "Ivanov^Ivan", "same", "same"),
        ("Γεωργίου^Ελένη", "Georgiou^Eleni", "near", "same"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田^太郎", "same", "same"),
        ("Yamada^Tarou==ﾔﾏﾀﾞ^ﾀﾛｳ", "==やまだ^たろう", "same", "same"),
        ("山田^太郎", "Yamada^Tarou", "", ""),
        ("שלום^דוד", "Shalom^David", "", ""),
        ("Smith^Bill", "Smith^William", "same", "nickname"),
        ("Garcia Lopez^Ana", "Lopez^Ana Maria", "part", "part"),
        ("Varga-Kiss^Ada", "Kiss^Ada", "part", "same"),
        ("Smith^Jhon", "Smyth^John", "near", "near"),
        ("Meyer^Robert", "Maier^Rupert", "sound", "sound"),
        ("Ivanova^I", "Ivanova^Irina", "same", "initial"),
        ("Ivanova^Anna M", "Ivanova^Anna Maria", "same", "part"),
        ("Ivanova^Anna Maria", "Ivanova^Anna Sofia", "same", "other"),
        ("Ivanova^Anna Maria", "Ivanova^Maria", "same", "second"),
        ("Ivanova^Anna Maria S", "Ivanova^Anna", "same", "part"),
        ("Ada^Varga", "Varga^Ada", "swapped", "swapped"),
        ("Ada^Vagra", "Varga^Ada", "swapped", "swapped"),
        ("Varga^Ada", "Novak^Piotr", "other", "other"),
        ("Varga", "Varga^Ada", "same", ""),
        ("^Ada", "Varga^Ada", "", "same"),
        ("Wang^Li", "Wu^Bo", "other", "other"),
        ("Nowak^Jan", "Nowak^Jan Piotr", "same", "part"),
        ("Nowak^Ian Adam", "Nowak^Jan", "same", "near"),
        ("", "Varga^Ada", "", ""),
    ],
)
def test_names_agree_in_any_script(one: str, other: str, family: str, given: str) -> None:
    assert names(one, other) == names(other, one) == (family, given)


@pytest.mark.parametrize(
    ("field", "one", "other", "finding"),
    [
        ("birth_date", "19610723", "19610723", "same"),
        ("birth_date", "19610705", "19610507", "swapped"),
        ("birth_date", "19610723", "19610732", "near"),
        ("birth_date", "19610723", "19810723", "near"),
        ("birth_date", "19610723", "19610101", "year"),
        ("birth_date", "19610723", "19820115", "other"),
        ("birth_date", "1961", "19610723", None),
        ("sex", "F", "f", "same"),
        ("sex", "F", "M", "other"),
        ("sex", "F", "O", None),
        ("address", "12 Mill Lane, 4711 Norham", "4711 NORHAM, 12 MILL LANE", "same"),
        ("address", "12 Mill Lane, 4711 Norham", "12 Mill Ln, 4711 Norham", "near"),
        ("address", "12 Mill Lane, 4711 Norham", "3 High Street, 815 Southby", "other"),
        ("phone", "+44 1234 567890", "01234-567890", "same"),
        ("phone", "01234 567890", "01234 567898", "near"),
        ("phone", "01234 567890", "0999 111222", "other"),
        ("phone", "12", "12", None),
        ("mother", "Kiss^Eva", "KISS", "same"),
        ("mother", "Kovacs", "Kovcas", "near"),
        ("mother", "Kovacs", "Nagy", "other"),
    ],
)
def test_dates_and_the_like_agree(field: str, one: str, other: str, finding: str | None) -> None:
    first, second = a_profile(**{field: one}), a_profile(**{field: other})

    assert compare(first, second, {}).get(field) == compare(second, first, {}).get(field) == finding
    assert finding is None or finding in FINDINGS[field]
    assert field in FIELDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Varga^Ada", "19610723"), ("Vargha^Ada", "19610723")),
        (("Varga^Ada", "19610705"), ("Kiss^Ada", "19610507")),
        (("Varga^Ada", "19610723"), ("Ada^Varga", "19820115")),
        (("Иванов^Иван", ""), ("Ivanov^Ivan", "19610723")),
    ],
)
def test_two_records_of_one_person_share_a_key_whatever_field_is_wrong(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert keys(a_profile(*one)) & keys(a_profile(*other))


def test_a_phone_is_a_key_and_nothing_has_none() -> None:
    assert keys(a_profile(phone="01234 567890")) == {"phone 34567890"}
    assert keys(a_profile()) == frozenset()
    assert keys(a_profile("^Ada"))


def test_how_common_a_name_is_is_counted_under_each_of_its_writings() -> None:
    assert names_of(a_profile("Yamada^=山田^太郎")) == {"family yamada", "family 山田", "given 太郎"}


def test_phonetic_codes_are_those_of_the_national_archives() -> None:
    words = ("washington", "ashcraft", "tymczak", "pfister", "lee", "gutierrez", "jackson")

    assert [soundex(word) for word in words] == ["w252", "a261", "t522", "p236", "l000", "g362", "j250"]
    assert (soundex(""), soundex("山田"), soundex("田中一")) == ("", "山田", "田中")


def test_similarity_is_that_of_jaro_and_winkler() -> None:
    pairs = [("martha", "marhta"), ("dixon", "dicksonx"), ("dwayne", "duane"), ("a", "b"), ("same", "same")]

    assert [round(similarity(*pair), 3) for pair in pairs] == [0.961, 0.813, 0.84, 0.0, 1.0]


def test_letters_become_latin_ones() -> None:
    assert in_latin("Щукин Юрий") == "shchukin yurii"
    assert in_latin("Παπαδάκης") == "papadakis"
    assert in_latin("Weiß Łódź") == "weiss lodz"
