"""Gathers the texts of the pages into every catalogue of `portal/locale`, and keeps what is translated there."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

PORTAL: Final = Path(__file__).parents[1] / "src/imagebank/portal"
_METHODS: Final = [("**.py", "python"), ("templates/**.html", "jinja2")]
_UNSAID: Final = tuple(b'"%s' % field for field in (b"POT-", b"PO-", b"Last-", b"Language-Team", b"Report-", b"Gen"))
_KEYWORDS: Final = {"_": None, "gettext": None, "noted": None, "counted": (2, 3)}
_OPTIONS: Final = {
    "templates/**.html": {"trimmed": "true", "silent": "false", "lstrip_blocks": "1", "trim_blocks": "1"}
}


def texts() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Every marked text: where it stands, the text or its forms, and its context."""
    found = extract_from_dir(str(PORTAL), _METHODS, _OPTIONS, _KEYWORDS)
    for file, _, message, _, context in found:
        yield file, message, context


def renew(file: Path) -> Catalog:
    """A catalogue with the texts of today: new ones without a translation, and none that are gone."""
    template = Catalog(fuzzy=False)
    for place, message, context in texts():
        template.add(message, locations=[(place, 0)], context=context)
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=file.stem)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


if __name__ == "__main__":
    for path in sorted((PORTAL / "locale").glob("*.po")):
        made, written = renew(path), io.BytesIO()
        write_po(written, made, include_lineno=False, sort_by_file=True, width=100)
        # Two runs write the same: what says when and by whom is known to the repository.
        lines = (line for line in written.getvalue().splitlines(keepends=True) if not line.startswith(_UNSAID))
        path.write_bytes(b"".join(lines))
        left = sum(1 for one in made if one.id and not "".join(one.string or ()))
        print(f"{path.stem}: {len(made)} texts, {left} to be translated")  # noqa: T201
