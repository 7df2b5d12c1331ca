"""The pages of a disc or an archive: plain HTML that works by `file://`, without a network and without installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from imagebank import __version__
from imagebank.model.contributed import WORDS
from imagebank.model.export import Kind, Member, StudyTold
from imagebank.packing.names import numbered

FOLDER: Final = "IHE_PDI"
_LABELS: Final = (Kind.FILM, Kind.DOCUMENT, Kind.REPORT)

_SOME: Final = "%(shown)s of %(pictures)s pictures are shown here. All are in the folder DICOM."
_NONE: Final = "Nothing of it can be shown here. Open the folder DICOM with a DICOM program."
_IMPORT: Final = (
    "For a doctor: import this disc or folder with your DICOM program. Its table of contents is the file DICOMDIR."
)
_LOOKING: Final = "These pictures are for looking at. A diagnosis needs the images in the folder DICOM."
_SCROLL: Final = "Scroll with the mouse wheel, the arrow keys, or by moving a finger up and down."
_BRIGHTNESS: Final = (
    "The brightness is that with which the picture was made, or one that fits it, and cannot be changed here."
)
TEXTS: Final = (
    "Medical images",
    "Patient",
    "Born %(day)s",
    "ID %(number)s",
    "Series %(number)s",
    "Study without a description",
    "Series without a description",
    "Look at the pictures",
    _SOME,
    _NONE,
    "Reports, documents and films",
    "Film %(number)s",
    "Document %(number)s",
    _IMPORT,
    _LOOKING,
    "Back to the list",
    "Earlier picture",
    "Later picture",
    "Picture",
    _SCROLL,
    _BRIGHTNESS,
    "Made by %(software)s.",
    WORDS,
)
"""What the pages say, for translators."""

STYLE: Final = """
:root { color-scheme: light dark; --line: #8888; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2rem; }
ul { padding: 0; list-style: none; } li { padding: .5rem 0; border-top: 1px solid var(--line); }
a, button { display: inline-block; padding: .5rem 0; min-height: 1.5rem; }
.quiet { opacity: .8; font-size: .875rem; }
figure { margin: 0; background: #000; touch-action: none; text-align: center; }
figure img { display: block; margin: auto; width: 100%; height: 70vh; object-fit: contain; }
.stack { display: flex; gap: .5rem; align-items: center; } .stack input { flex: 1; min-width: 0; }
.stack button { padding: .5rem 1rem; } ol img { max-width: 100%; }
""".lstrip()

SCRIPT: Final = """
"use strict";
(function () {
  var list = document.getElementById("pictures"), stack = document.getElementById("stack");
  var links = list.getElementsByTagName("a"), image = stack.getElementsByTagName("img")[0];
  var slider = document.getElementById("slider"), place = document.getElementById("place");
  var at = Math.floor((links.length - 1) / 2), from = null, wheel = 0;
  function show(number) {
    at = Math.max(0, Math.min(links.length - 1, number));
    image.src = links[at].getAttribute("href");
    image.alt = place.textContent = links[at].textContent;
    slider.value = at + 1;
    for (var near = at - 2; near <= at + 4; near += 1) {
      if (links[near]) { new Image().src = links[near].getAttribute("href"); }
    }
  }
  slider.max = links.length;
  slider.addEventListener("input", function () { show(slider.value - 1); });
  document.getElementById("earlier").addEventListener("click", function () { show(at - 1); });
  document.getElementById("later").addEventListener("click", function () { show(at + 1); });
  document.addEventListener("keydown", function (event) {
    var steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    if (event.key === "Home") { show(0); } else if (event.key === "End") { show(links.length - 1);
    } else if (steps[event.key] && event.target !== slider) { show(at + steps[event.key]); } else { return; }
    event.preventDefault();
  });
  stack.addEventListener("wheel", function (event) {
    event.preventDefault();
    wheel += event.deltaMode ? event.deltaY * 16 : event.deltaY;
    if (Math.abs(wheel) >= 16) { show(at + (wheel > 0 ? 1 : -1)); wheel = 0; }
  }, { passive: false });
  stack.addEventListener("pointerdown", function (event) { from = event.clientY; });
  stack.addEventListener("pointermove", function (event) {
    if (from === null || !event.buttons || Math.abs(event.clientY - from) < 12) { return; }
    show(at + (event.clientY > from ? 1 : -1));
    from = event.clientY;
  });
  document.addEventListener("pointerup", function () { from = null; });
  image.draggable = false;
  list.hidden = true;
  document.getElementById("viewer").hidden = false;
  show(at);
}());
""".lstrip()


@dataclass(frozen=True, slots=True)
class Language:
    """The language of pages: its code, the direction in which it is written, and the texts in it."""

    code: str
    words: Mapping[str, str]

    def say(self, text: str, **values: object) -> str:
        """A text, safe in HTML."""
        return escape((self.words.get(text) or text) % values if values else self.words.get(text) or text)


def _page(language: Language, title: str, body: str, above: str = "", script: str = "") -> bytes:
    direction = "rtl" if language.code in ("ar", "fa", "he", "ur") else "ltr"
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language.code)}" dir="{direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<link rel="stylesheet" href="{above}{FOLDER}/VIEWER.CSS">\n</head>\n<body>\n'
        f"<main>\n{body}</main>\n{script}</body>\n</html>\n"
    ).encode()


def day_of(text: str) -> str:
    """A DA value as every language reads it: 2026-10-11."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text


def page_of(series: int) -> str:
    return numbered(FOLDER, "S", series + 1, "HTM")


def index(language: Language, told: Sequence[StudyTold], members: Sequence[Member]) -> bytes:
    """The first page. `members` are the files that were made."""
    say = language.say
    parts = [f'<h1>{say("Medical images")}</h1>\n<p>{say(_IMPORT)}</p>\n<p class="quiet">{say(_LOOKING)}</p>\n']
    parts += [_study(language, study, members) for study in told]
    parts.append(f'<p class="quiet">{say("Made by %(software)s.", software=f"Imagebank {__version__}")}</p>\n')
    return _page(language, say("Medical images"), "".join(parts))


def _study(language: Language, study: StudyTold, members: Sequence[Member]) -> str:
    say = language.say
    day = day_of(study.date)
    title = escape(study.description) or say("Study without a description")
    about = [
        f"<bdi>{escape(study.patient)}</bdi>",
        say("Born %(day)s", day=day_of(study.born)) if study.born else "",
        say("ID %(number)s", number=study.patient_id) if study.patient_id and not study.is_contributed else "",
    ]
    parts = [f"<h2>{title}{', ' if day else ''}{escape(day)}</h2>\n<p>{' · '.join(filter(None, about))}</p>\n"]
    parts.append(f"<p><strong>{say(WORDS)}</strong></p>\n<ul>\n" if study.is_contributed else "<ul>\n")
    for place, series in enumerate(study.series, study.first):
        name = escape(series.description) or say("Series without a description")
        number = f" · {say('Series %(number)s', number=series.number)}" if series.number else ""
        seen = [one for one in members if one.kind is Kind.PICTURE and one.series == place]
        if seen:
            what = f'<a href="{page_of(place)}">{say("Look at the pictures")}</a>{_shown(language, len(seen), series.pictures)}'
        else:
            what = f'<span class="quiet">{say(_NONE)}</span>'
        parts.append(f"<li><strong>{name}</strong> · {escape(series.modality)}{number}<br>{what}</li>\n")
    parts.append("</ul>\n")
    mine = range(study.first, study.first + len(study.series))
    others = [one for one in members if one.kind in _LABELS and one.series in mine]
    if others:
        parts.append(f"<h3>{say('Reports, documents and films')}</h3>\n<ul>\n")
        parts += [f'<li><a href="{one.name}">{_called(language, one)}</a></li>\n' for one in others]
        parts.append("</ul>\n")
    return "".join(parts)


def _called(language: Language, member: Member) -> str:
    """What a link to a film, a document or a report says."""
    words = {Kind.FILM: "Film %(number)s", Kind.DOCUMENT: "Document %(number)s"}.get(member.kind or Kind.REPORT)
    return language.say(words, number=member.label) if words else escape(member.label)


def _shown(language: Language, shown: int, pictures: int) -> str:
    """That there are more pictures than are shown; empty when all are."""
    if shown >= pictures:
        return ""
    return f'<br><span class="quiet">{language.say(_SOME, shown=shown, pictures=pictures)}</span>'


def series(language: Language, study: StudyTold, place: int, members: Sequence[Member]) -> bytes:
    """The page of a series: its pictures as a stack, or as a list where scripts do not run."""
    say, about = language.say, study.series[place - study.first]
    title = " · ".join(filter(None, (about.modality, about.description or study.description)))
    links = "".join(
        f'<li><a href="{one.name.removeprefix(f"{FOLDER}/")}">{say("Picture")} {one.label}</a></li>\n'
        for one in members
    )
    body = (
        f'<p><a href="../INDEX.HTM">{say("Back to the list")}</a></p>\n<h1>{escape(title)}</h1>\n'
        f'<p class="quiet">{say(_LOOKING)} {say(_BRIGHTNESS)}{_shown(language, len(members), about.pictures)}</p>\n'
        f'<div id="viewer" hidden>\n<figure id="stack"><img alt=""></figure>\n<div class="stack">\n'
        f'<button id="earlier" type="button">{say("Earlier picture")}</button>\n'
        f'<input id="slider" type="range" min="1" max="1" value="1" aria-label="{say("Picture")}">\n'
        f'<button id="later" type="button">{say("Later picture")}</button>\n</div>\n'
        f'<p><output id="place"></output> <span class="quiet">{say(_SCROLL)}</span></p>\n</div>\n'
        f'<ol id="pictures">\n{links}</ol>\n'
    )
    return _page(language, escape(title), body, "../", f'<script src="../{FOLDER}/VIEWER.JS"></script>\n')


README: Final = """MEDICAL IMAGES

This disc or folder holds medical images as DICOM files, with their reports.
It was made by Imagebank {version} on {day}.

TO LOOK AT THE IMAGES
Open INDEX.HTM in a web browser. Nothing has to be installed, and no network is
needed. The pictures there are for looking at, not for a diagnosis.

TO IMPORT THEM (for a hospital or a practice)
Let your DICOM program or PACS read the file DICOMDIR, which lists every file
in the folder DICOM. With Imagebank: imagebank import FOLDER

WHAT IS WHERE
DICOMDIR   table of contents, for DICOM programs
DICOM      the images as DICOM files: {objects} in {studies} studies
IHE_PDI    what INDEX.HTM shows: pictures, films, reports and documents
INDEX.HTM  the page to begin with

It follows DICOM PS3.10 and PS3.12 (general purpose media) and the IHE profile
Portable Data for Imaging. Images that were compressed before are so here.

PLEASE TAKE CARE
This holds health data of a person, readable by whoever has it. Do not leave it
where others can take it. Delete it when you do not need it any more.
{added}{troubles}"""
_ADDED: Final = """
{words}
{added} of these studies: no organization made them or checked whose they are.
INDEX.HTM says which, and so does Issuer of Patient ID in their files.
"""


def readme(day: str, objects: int, told: Sequence[StudyTold], troubles: Sequence[str]) -> bytes:
    """The text for whoever finds the disc: in ASCII and English, as PDI has it, with lines as every system ends them."""
    undone = "\nWHAT COULD NOT BE DONE\n" + "".join(f"{one}\n" for one in troubles) if troubles else ""
    added = sum(one.is_contributed for one in told)
    about = _ADDED.format(words=WORDS.upper(), added=added) if added else ""
    text = README.format(version=__version__, day=day, objects=objects, studies=len(told), added=about, troubles=undone)
    return text.encode("ascii", "replace").replace(b"\n", b"\r\n")
