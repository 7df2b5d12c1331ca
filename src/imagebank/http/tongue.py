"""In which language a program is told something: as it asks, else as its system has it, else the site."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Final

from starlette.requests import Request

from imagebank.http.auth import bank_of
from imagebank.model.phrase import ENGLISH, Phrase, in_words

Speak = Callable[[str, Sequence[str]], tuple[str, NullTranslations]]
"""From an Accept-Language field, and languages where it asks for none that is known, to a language with its texts."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language by its tag (BCP 47), with its texts."""

    language: str = "en"
    words: NullTranslations = ENGLISH

    @property
    def headers(self) -> Mapping[str, str]:
        """What an answer says of its language (RFC 9110 8.5)."""
        return {"Content-Language": self.language}

    def say(self, phrase: Phrase | str) -> str:
        """A phrase, or what somebody wrote as it is."""
        return in_words(phrase, self.words)


IN_ENGLISH: Final = Tongue()


def tongue_of(request: Request, *otherwise: str) -> Tongue:
    """The best known language of the request's Accept-Language, the first known one of `otherwise`, or the site's."""
    speak: Speak = request.app.state.speak
    site = bank_of(request).settings.language
    return Tongue(*speak(request.headers.get("accept-language", ""), [*otherwise, site]))
