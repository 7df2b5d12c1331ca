"""Gathers the texts of the pages into every catalogue of `portal/locale`, and keeps what is translated there.

The words of refusals are among them: the name of a refusal's class is what marks them.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from imagebank import errors
from imagebank.errors import BankError

SOURCE: Final = Path(__file__).parents[1] / "src/imagebank"
PORTAL: Final = SOURCE / "portal"
PAPER: Final = SOURCE / "paper"
_SILENT: Final = (
    *(f"actions/{name}.py" for name in ("matching", "reading_names", "rights")),
    "model/file_names.py",
    *(
        f"dicom/{name}.py"
        for name in ("described", "dicomjson", "dictionary", "json_model", "movie", "named", "part10")
    ),
)
"""What they refuse is told to programs, or to who starts a bank: in English."""
_METHODS: Final = [
    ("portal/templates/**.html", "jinja2"),
    *((name, "ignore") for name in _SILENT),
    *(
        (f"http/{name}.py", "python")
        for name in ("auth", "deliberate", "fetch", "multipart", "quick", "spool", "taking")
    ),
    *((f"{edge}/other_archive.py", "python") for edge in ("dicomweb", "dimse")),
    *((f"storage/{name}.py", "python") for name in ("account_keys", "files", "segment_file")),
    *((f"fhir/{name}.py", "python") for name in ("cds_cards", "detected_issues")),
    *((f"exams/{name}.py", "python") for name in ("naming", "telling")),
    *((f"{folder}/**.py", "python") for folder in ("actions", "dicom", "model", "paper", "portal")),
]
"""Refusals are gathered from where somebody can meet them on a page."""
_REFUSALS: Final = [
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BankError)
]
_UNSAID: Final = tuple(b'"%s' % field for field in (b"POT-", b"PO-", b"Last-", b"Language-Team", b"Report-", b"Gen"))
_KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "noted": None,
    "ngettext": (1, 2),
    "counted": (2, 3),
    "plural": (1, 2),
    "for_number": (1, 2),
    "Phrase": None,
} | dict.fromkeys(_REFUSALS)
_OPTIONS: Final = {
    "portal/templates/**.html": {"trimmed": "true", "silent": "false", "lstrip_blocks": "1", "trim_blocks": "1"}
}

Text = tuple[str, str | tuple[str, ...], str | None]
"""Where a marked text stands, the text or its forms, and its context."""


def texts() -> Iterator[Text]:
    """Every marked text of the pages, and every refusal that they can say."""
    found = extract_from_dir(str(SOURCE), _METHODS, _OPTIONS, _KEYWORDS)
    for file, _, message, _, context in found:
        yield file, message, context


def printed() -> Iterator[Text]:
    """The same of what is printed, which has catalogues of its own."""
    for file, _, message, _, context in extract_from_dir(str(PAPER), [("**.py", "python")], keywords={"said": (2,)}):
        yield file, message, context


def renew(file: Path, found: Callable[[], Iterator[Text]] = texts) -> Catalog:
    """A catalogue with the texts of today: new ones without a translation, and none that are gone."""
    template = Catalog(fuzzy=False)
    for place, message, context in found():
        template.add(message, locations=[(place, 0)], context=context)
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=file.stem)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def write(path: Path, found: Callable[[], Iterator[Text]]) -> None:
    """Renew a catalogue and say how much of it is left to be translated."""
    made, written = renew(path, found), io.BytesIO()
    write_po(written, made, include_lineno=False, sort_by_file=True, width=100)
    # Two runs write the same: what says when and by whom is known to the repository.
    lines = (line for line in written.getvalue().splitlines(keepends=True) if not line.startswith(_UNSAID))
    path.write_bytes(b"".join(lines))
    left = sum(1 for one in made if one.id and not "".join(one.string or ()))
    print(f"{path.parent.parent.name}, {path.stem}: {len(made)} texts, {left} to be translated")  # noqa: T201


if __name__ == "__main__":
    for folder, found in ((PORTAL, texts), (PAPER, printed)):
        for catalogue in sorted((folder / "locale").glob("*.po")):
            write(catalogue, found)
