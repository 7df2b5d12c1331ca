"""What is said in words, apart from any language."""

from gettext import NullTranslations

from imagebank.model.phrase import Phrase, for_number, in_words, listed


class Shouted(NullTranslations):
    """A language in which everything is loud, and two are a pair."""

    def gettext(self, message: str) -> str:
        return message.upper().replace("%(X)S", "%(x)s").replace("%(FIRST)S, %(NEXT)S", "%(first)s & %(next)s")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return "A PAIR" if n == 2 else f"%(num)s {msgid2.rpartition(' ')[2].upper()}"


def test_a_phrase_is_said_in_the_language_of_its_texts_with_all_that_stands_in_it() -> None:
    whole = Phrase("see %(x)s", {"x": listed([Phrase("head"), "Smith", Phrase("neck")])})

    assert str(whole) == "see head, Smith, neck"
    assert in_words(whole, Shouted()) == "SEE HEAD & Smith & NECK"


def test_a_number_chooses_the_form() -> None:
    assert [str(for_number("%(num)s day", "%(num)s days", count)) for count in (1, 2)] == ["1 day", "2 days"]
    assert [in_words(for_number("a", "some days", count), Shouted()) for count in (2, 3)] == ["A PAIR", "3 DAYS"]


def test_nothing_is_said_of_nothing_and_what_somebody_wrote_stays() -> None:
    assert (str(Phrase("")), listed([]), in_words("100 %", Shouted())) == ("", "", "100 %")
    assert str(Phrase("100 %")) == "100 %"
