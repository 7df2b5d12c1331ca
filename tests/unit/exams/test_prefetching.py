"""What a site has made ready before somebody reads, and at which hours it may go to a station."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebank.errors import Invalid
from imagebank.exams.prefetching import Push, prefetching


def test_priors_are_warmed_and_go_nowhere_until_a_site_says_so(tmp_path: Path) -> None:
    file = tmp_path / "prefetch.toml"
    file.write_text(
        "priors = 2\nwarm = false\nwarm_a_day = 9\nfresh_days = 7\nagain_days = 7\n[[push]]\ndevice = 'READ1'\n",
        "utf-8",
    )
    built_in, own = prefetching(None), prefetching(file)

    assert (built_in.priors, built_in.warm, built_in.push) == (3, True, ())
    assert own.to("READ1") == Push(device="READ1")
    assert own.to("READ2") is None
    file.with_name("odd.toml").write_text("priors = 99\n", "utf-8")
    with pytest.raises(Invalid, match=r"odd\.toml"):
        prefetching(file.with_name("odd.toml"))


def test_a_rule_is_for_modalities_and_departments() -> None:
    ct, none = frozenset({"CT", "SR"}), frozenset[str]()
    given = [Push(device="R"), Push(device="R", modalities=frozenset({"CT"}))]
    given.append(Push(device="R", departments=frozenset({"Radiology"})))

    assert [one.is_for(ct, none) for one in given] == [True, True, False]
    assert [one.is_for(none, frozenset({"Radiology"})) for one in given] == [True, False, True]


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        ((0, 24), 12, (1, 12)),
        ((20, 6), 22, (1, 22)),
        ((20, 6), 3, (1, 3)),
        ((20, 6), 12, (1, 20)),
        ((8, 18), 19, (2, 8)),
        ((8, 18), 7, (1, 8)),
    ],
)
def test_hours_may_pass_midnight(hours: tuple[int, int], at: int, opens: tuple[int, int]) -> None:
    rule = Push(device="R", from_hour=hours[0], until_hour=hours[1])

    assert rule.opens(datetime(2026, 3, 1, at, tzinfo=UTC)) == datetime(2026, 3, *opens, tzinfo=UTC)
