"""Which side of the body and which view of it an image shows, by its header: of mammograms, radiographs and photographs."""

from collections.abc import Collection, Mapping
from typing import Final

from imagebank.exams.headers import items, places_of, text
from imagebank.model.imaging import DataSet

# PS3.16 CID 4014 (mammograms) and CID 4010 (radiographs), by SNOMED code; what older devices write beside it.
_BY_CODE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("399162004", "R-10242"), "CC"),
    **dict.fromkeys(("399368009", "R-10226"), "MLO"),
    **dict.fromkeys(("399260004", "R-10224"), "ML"),
    **dict.fromkeys(("399352003", "R-10228"), "LM"),
    **dict.fromkeys(("399099002", "R-10230"), "LMO"),
    **dict.fromkeys(("399196006", "R-10244"), "FB"),
    **dict.fromkeys(("399188001", "R-102D0"), "SIO"),
    **dict.fromkeys(("441555000", "R-40AAA"), "ISO"),
    **dict.fromkeys(("399192008", "R-1024A"), "XCCL"),
    **dict.fromkeys(("399101009", "R-1024B"), "XCCM"),
    **dict.fromkeys(("399348003", "R-10206"), "AP"),
    **dict.fromkeys(("272479007", "R-10214", "R-40888"), "PA"),
    **dict.fromkeys(("399173006", "R-10236"), "LL"),
    **dict.fromkeys(("399198007", "R-10232"), "RL"),
    **dict.fromkeys(("399067008", "R-102CD"), "LAT"),
    **dict.fromkeys(("399033003", "R-10202"), "FRONTAL"),
}
# CID 4015: what shows a part of the breast only.
_PART: Final = frozenset(("399055006", "R-102D7", "399163009", "R-102D6"))
_BY_WORD: Final[Mapping[str, str]] = {
    **{view.lower(): view for view in ("AP", "PA", "CC", "MLO", "ML", "LM", "LMO", "XCCL", "XCCM")},
    **{f"{side}{view.lower()}": view for side in "lr" for view in ("CC", "MLO", "ML", "LM")},
    **dict.fromkeys(("lat", "lateral", "seitlich", "profil"), "LAT"),
}
_SIDES_BY_WORD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("r", "rt", "right", "rechts", "droit", "droite", "derecho", "derecha", "od"), "R"),
    **dict.fromkeys(("l", "lt", "left", "links", "gauche", "izquierdo", "izquierda", "os"), "L"),
    **{f"{side.lower()}{view}": side for side in "LR" for view in ("cc", "mlo", "ml", "lm")},
}
_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("AP", "PA", "FRONTAL"), "frontal"),
    **dict.fromkeys(("LL", "RL", "LAT", "LATERAL", "ML", "LM"), "lateral"),
    **dict.fromkeys(("CC", "XCC", "XCCL", "XCCM"), "cranio-caudal"),
}
_PART_MARK: Final = "PART"


def side_of(header: DataSet, words: Collection[str]) -> str:
    """L, R, B for both, U for what has no side; by the words of a description where nothing else says it, else empty.

    Image Laterality, Laterality, Frame Laterality (PS3.3 C.7.6.16.2.8).
    """
    found = text(header, "00200062") or text(header, "00200060")
    found = found or next((said for place in places_of(header, "00209071") if (said := text(place, "00209072"))), "")
    return found[:1].upper() or _by_words(words, _SIDES_BY_WORD)


def view_of(header: DataSet, words: Collection[str]) -> str:
    """What View Position says, else the view's code, else the words; with a mark where a part is shown. Empty if unknown."""
    coded = items(header, "00540220")
    found = next((view for item in coded if (view := _BY_CODE.get(text(item, "00080100")))), "")
    found = text(header, "00185101").upper() or found or next((text(item, "00080104") for item in coded), "")
    found = found or _by_words(words, _BY_WORD)
    modifiers = [text(one, "00080100") for item in coded for one in items(item, "00540222")]
    return f"{found} {_PART_MARK}" if found and not _PART.isdisjoint(modifiers) else found


def kind_of_view(view: str) -> str:
    """What views have in common that are compared with each other: from the front, from the side, from above."""
    base = view.removesuffix(f" {_PART_MARK}")
    return _KINDS.get(base, base)


def shows_part(view: str) -> bool:
    """Whether only a part of what the view is of is shown, larger or pressed flat."""
    return view.endswith(f" {_PART_MARK}")


def _by_words(words: Collection[str], table: Mapping[str, str]) -> str:
    """What the words say; nothing where they say two things, as of a series of several views."""
    found = {table[word] for word in words if word in table}
    return found.pop() if len(found) == 1 else ""
