"""The bytes of which the digests of the ledger are: they may never change."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagebank.model.ledger import FIELDS, Line, link_of, own_digest, values_of

NUMBERS = st.integers(0, 2**80)
TEXTS = st.text()


def by_json(parts: Sequence[object]) -> bytes:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.lists(TEXTS, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_a_line_is_digested_as_json_without_blanks(numbers: tuple[int, int, int], texts: list[str]) -> None:
    given_values: dict[str, Any] = dict(zip(FIELDS, texts, strict=True))
    given_values |= zip(("position", "at", "count"), numbers, strict=True)
    line = Line(**given_values)
    values = list(values_of(line))
    own = sha256(by_json(values[:-1])).hexdigest()

    assert own_digest(line) == own
    expected = ["before", own] if line.salt else ["before", *values[:-2]]
    assert link_of("before", line) == sha256(by_json(expected)).hexdigest()
