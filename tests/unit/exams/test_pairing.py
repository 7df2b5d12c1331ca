"""Which images of two studies stand beside each other: the same view of the same side."""

from dataclasses import replace
from typing import Any

import pytest

from imagebank.exams.pairing import best_pair, best_pairs, linked_by_view
from imagebank.model.stack import Stack
from imagebank.model.uid import Uid

MAMMOGRAM = Stack(Uid("1"), Uid("1.1"), 1, "MG", 1)


def images(study: int, *shown: str, **given: Any) -> list[Stack]:
    """Single images by side and view, as "R CC"; a study has them in this order."""
    return [
        replace(
            MAMMOGRAM,
            study=Uid(f"{study}"),
            instance=Uid(f"{study}.1.{place}"),
            side=said.partition(" ")[0].strip("-"),
            view=said.partition(" ")[2],
            **given,
        )
        for place, said in enumerate(shown, 1)
    ]


def shown(pairs: list[tuple[Stack, Stack]]) -> list[tuple[str, str]]:
    return [(f"{one.side} {one.view}".strip(), f"{other.side} {other.view}".strip()) for one, other in pairs]


def test_all_four_views_of_mammograms_hang_in_their_usual_order_whatever_that_of_the_images() -> None:
    current = images(1, "L MLO", "R MLO", "L CC", "R CC")
    prior = images(2, "R CC", "R MLO", "R CC PART", "L CC", "L MLO")

    assert shown(best_pairs(current, prior)) == [
        ("R CC", "R CC"),
        ("L CC", "L CC"),
        ("R MLO", "R MLO"),
        ("L MLO", "L MLO"),
    ]


def test_what_one_study_has_no_view_of_does_not_hang() -> None:
    assert shown(best_pairs(images(1, "R CC", "L CC"), images(2, "L CC", "L CC", "L MLO"))) == [("L CC", "L CC")]


def test_radiographs_hang_by_direction_the_frontal_view_first() -> None:
    current, prior = images(1, "- LL", "- PA", modality="DX"), images(2, "- AP", "- RL", modality="CR")

    assert shown(best_pairs(current, prior)) == [("PA", "AP"), ("LL", "RL")]


def test_of_both_hands_each_stands_beside_itself() -> None:
    assert shown(best_pairs(images(1, "R PA", "L PA"), images(2, "L PA", "R PA"))) == [
        ("R PA", "R PA"),
        ("L PA", "L PA"),
    ]


@pytest.mark.parametrize("given", [{"side": "", "view": ""}, {"frames": 60}, {"instance": None}])
def test_one_pair_hangs_of_films_and_of_what_says_no_view(given: dict[str, Any]) -> None:
    current, prior = ([replace(one, **given) for one in images(n, "R CC", "L CC")] for n in (1, 2))

    assert len(best_pairs(current, prior)) == 1
    assert best_pairs(current, []) == []


def test_a_still_stands_beside_a_still_and_a_film_beside_a_film() -> None:
    still, film = images(1, "R CC", "R CC")
    film = replace(film, frames=60)
    others = [replace(one, study=Uid("2")) for one in (film, still)]

    assert best_pair([still], others) == (still, others[1])
    assert best_pair([film], others) == (film, others[0])


def test_photographs_of_both_eyes_are_linked_by_the_eye() -> None:
    these, those = images(1, "R", "R", "L"), images(2, "L", "R", "R", "R")

    assert linked_by_view(these, those) == (1, 3, 0)
    assert linked_by_view(those, these) == (2, 0, 1, 1)


def test_an_image_without_its_view_in_the_other_study_is_linked_in_proportion() -> None:
    assert linked_by_view(images(1, "R", "L", "R"), images(2, "L")) == (0, 0, 0)


def test_nothing_is_linked_by_view_where_an_image_says_none() -> None:
    assert linked_by_view(images(1, "R", "-"), images(2, "R")) is None
    assert linked_by_view([], images(2, "R")) is None
