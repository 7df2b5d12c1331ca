"""Codes with their names out of a table that a site has: its own catalogue, or one that it is licensed for."""

import csv
from collections.abc import Mapping
from io import StringIO

from imagebank.errors import Invalid


def codes_in(content: bytes, code: str, name: str) -> Mapping[str, str]:
    """Names by code, of the columns so called; commas, semicolons or tabs stand between them.

    Of several rows of a code, such as the parts of one in the LOINC/RSNA Radiology Playbook, the first that has a name
    counts. Raises Invalid for what is no such table.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("the table of codes is not in UTF-8: byte {at} does not fit", at=error.start) from None
    head = text.partition("\n")[0]
    between = max(",;\t", key=head.count)
    rows = csv.DictReader(StringIO(text, newline=""), delimiter=between)
    missing = [column for column in (code, name) if column not in (rows.fieldnames or ())]
    if missing:
        raise Invalid("the table of codes has no column {missing}", missing=", ".join(missing))
    found: dict[str, str] = {}
    for row in rows:
        value, meaning = (row[code] or "").strip().upper(), (row[name] or "").strip()
        if value and meaning:
            found.setdefault(value, meaning)
    return found
