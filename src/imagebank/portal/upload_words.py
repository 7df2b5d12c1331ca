"""What the script of the upload page says: whole sentences, which the page hands to it in its own language."""

from collections.abc import Mapping
from typing import Final

from imagebank.portal import proposed
from imagebank.portal.language import Forms, forms, gettext, noted, plural

_TEXTS: Final[Mapping[str, str]] = {
    "in_a_row": noted("%(first)s, %(next)s"),
    "send": noted("Send"),
    "pause": noted("Pause"),
    "go_on": noted("Go on"),
    "sending": noted("Sending"),
    "paused": noted("Paused"),
    "sent": noted("Sent"),
    "sent_partly": noted("Sent, but not all of it"),
    "bytes_sent": noted("%(sent)s of %(total)s"),
    "no_minute_left": noted("less than a minute left"),
    "sending_file": noted("Sending %(file)s"),
    "remove": noted("Remove"),
    "remove_file": noted("Remove %(file)s"),
    "waits": noted("%(size)s, waits"),
    "ready": noted("%(size)s, ready"),
    "taking": noted("has come, is being taken in"),
    "in_but": noted("%(kept)s in, %(lost)s not: %(why)s"),
    "open_study": noted("Open the study"),
    "of_file": noted("of %(name)s"),
    "in_quarantine": noted("Number %(number)s in quarantine."),
    "confidence": noted("Confidence %(bars)s of 5"),
    "filled_in": noted("filled in"),
    "no_server": noted("The server answered %(status)s."),
    "no_line": noted("The line is lost. What has come is safe, and it goes on by itself."),
    "no_file": noted("The browser cannot read this file any more. Choose it again."),
    "no_session": noted("Nobody is signed in here any more. Sign in again in another tab, then go on."),
    "no_room": noted("There is no room in the bank now. What has come is safe. Go on when there is room."),
    "cannot_read": noted("The browser could not read %(file)s. Choose it with the button."),
    "want_patient": noted("Give the patient ID, or choose that nobody is known yet."),
    "want_order": noted("Give the number of the order or of the visit, or choose that nobody is known yet."),
    "want_hospital": noted("Name the other hospital, so that its patient IDs are not taken for yours."),
    "want_file": noted("Choose at least one file."),
    # What became of files: a group's title, and what comes next.
    "failed": noted("Not sent"),
    "failed_next": noted("Nothing of these was kept. Try again, or choose them again."),
    "refused": noted("Not kept"),
    "refused_next": noted("Why stands beside each. Send again what can be mended."),
    "quarantined": noted("Kept apart"),
    "quarantined_next": noted("Kept safely, but not with the images yet. An administrator decides."),
    "unidentified": noted("In, but nobody knows whose"),
    "unidentified_next": noted("They are kept. Somebody has to say whose they are."),
    "stored": noted("In"),
    "duplicate": noted("Were here already"),
    "duplicate_next": noted("Nothing was kept twice."),
    "read": noted("Tables of contents of discs"),
    "read_next": noted("What they name is looked for."),
}
_NUMBERS: Final[Mapping[str, Forms]] = {
    "send_files": plural("Send %(num)s file", "Send %(num)s files"),
    "files_ready": plural("%(num)s file is ready to be sent.", "%(num)s files are ready to be sent."),
    "files_done": plural("%(done)s of %(num)s file", "%(done)s of %(num)s files"),
    "files_sent": plural("%(done)s of %(num)s file sent.", "%(done)s of %(num)s files sent."),
    "files_lost": plural("%(num)s file could not be sent.", "%(num)s files could not be sent."),
    "files_more": plural("And %(num)s more file.", "And %(num)s more files."),
    "file_and_more": plural("%(file)s and %(num)s more", "%(file)s and %(num)s more"),
    "minutes_left": plural("%(num)s minute left", "%(num)s minutes left"),
    "all_in": plural("%(num)s in", "%(num)s in"),
    "show_more": plural("Show %(num)s more of %(rest)s", "Show %(num)s more of %(rest)s"),
    "proposals": plural("%(num)s proposal and why", "%(num)s proposals and why"),
    "count_stored": plural("%(num)s in", "%(num)s in"),
    "count_duplicate": plural("%(num)s here already", "%(num)s here already"),
    "count_unidentified": plural("%(num)s in but of nobody known", "%(num)s in but of nobody known"),
    "count_quarantined": plural("%(num)s kept apart", "%(num)s kept apart"),
    "count_refused": plural("%(num)s not kept", "%(num)s not kept"),
    "count_read": plural("%(num)s table of contents", "%(num)s tables of contents"),
}


_OF_OWNERS: Final[Mapping[str, str]] = {
    "open_study": noted("Look at it"),
    "quarantined_next": noted(
        "It is safe here, but cannot be shown. If it is an image or a letter, ask whoever gave it to you for another copy."
    ),
    "in_quarantine": noted("It is kept under number %(number)s."),
    "refused_next": noted("Why stands beside each."),
}
"""What is said in other words to the owner of an account."""


def words_for_owners() -> dict[str, object]:
    """The same for the page on which owners of accounts add images."""
    return upload_words() | {name: gettext(text) for name, text in _OF_OWNERS.items()}


def upload_words() -> dict[str, object]:
    """All of it, with what fields and values of proposals are called: `static/words.js` reads it."""
    return {
        **{name: gettext(text) for name, text in _TEXTS.items()},
        **{name: forms(*each) for name, each in _NUMBERS.items()},
        "labels": {name: gettext(text) for name, text in proposed.LABELS.items()},
        "values": {
            name: {value: gettext(text) for value, text in words.items()} for name, words in proposed.WORDS.items()
        },
    }
