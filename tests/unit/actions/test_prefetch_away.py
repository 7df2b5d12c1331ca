"""Priors that other archives hold are asked for on an order, and fetched by standing rule within its limits."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import orders, prefetch_away, prefetch_standing
from imagebank.errors import NotFound
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.order import Code, Order, Ordered, Patient
from imagebank.model.prefetch import Prefetch, State, source
from imagebank.model.uid import Uid
from unit.actions.archives_there import ADA, ARCHIVE, There, ada_is_here, listed, objects, said

ALL = Scope(None)
TABLE = "priors = 3\nwarm = {warm}\nwarm_a_day = 9\nfresh_days = 7\nagain_days = 7\n[[fetch]]\narchive = 'Harbour'\n"
OURS = ARCHIVE.replace("'harbour'", "'local'", 1)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    table(tmp_path)
    files = {"archives_file": listed(tmp_path, OURS), "prefetch_file": tmp_path / "prefetch.toml"}
    with open_test_bank(tmp_path, **files) as bank:
        ada_is_here(bank)
        yield There(bank, [said("2.1"), said("2.2", **{"00081030": "CT FOOT"})], objects("2.1"))


def table(folder: Path, *rule: str, warm: str = "false") -> Path:
    file = folder / f"prefetch{len(rule)}.toml" if rule else folder / "prefetch.toml"
    file.write_text(TABLE.format(warm=warm) + "\n".join(rule), "utf-8")
    return file


def under(there: There, *rule: str, warm: str = "false") -> None:
    """The site has another rule."""
    folder = there.bank.settings.data.parent
    there.bank = replace(
        there.bank, settings=replace(there.bank.settings, prefetch_file=table(folder, *rule, warm=warm))
    )


def ordered(there: There, number: str = "F1") -> None:
    about = Ordered(Code("", "CT HEAD WO", ""), place="Ward 3")
    one = Order("local", Patient(ADA), there.bank.now(), filler=number, modality="CT", ordered=about)
    orders.hear(there.bank, [one], "RIS")
    there.after += timedelta(minutes=1)
    there.work()


def fetched(there: There) -> dict[str, int]:
    found = there.bank.index.instances(Selection(), ALL)
    return {str(study): sum(one.study == study for one in found) for study in {one.study for one in found}}


def stands(there: There) -> Prefetch | None:
    return there.bank.index.prefetches.one(source("Harbour"), Uid("2.1"))


def test_an_order_has_the_best_priors_fetched_from_another_archive(there: There) -> None:
    under(there, "modalities = ['CT', 'MR']", warm="true")
    ordered(there)

    assert fetched(there) == {"1.1": 1, "2.1": 3}
    known = stands(there)
    assert known is not None
    assert (known.state, known.objects, known.octets > 0) == (State.DONE, 3, True)
    there.work()
    assert there.bank.index.prefetches.one("", Uid("2.1")) is not None
    (recall,) = there.bank.index.elsewhere.recalls("", 9)
    assert (recall.by, recall.by_rule) == ("prefetch", True)

    there.asked.clear()
    ordered(there, "F2")
    assert there.asked == []
    links = prefetch_standing.standing(there.bank)
    assert ("from Harbour", 1, True) in [(one.link.device, one.link.done, one.is_known) for one in links]


def test_archives_are_asked_beforehand_also_where_nothing_is_fetched(there: There) -> None:
    under(there, "modalities = ['US']")
    ordered(there)

    assert (there.asked, fetched(there)) == (["Harbour H7"], {"1.1": 1})


def test_nothing_is_asked_for_where_no_archive_is_listed(there: There) -> None:
    there.bank = replace(there.bank, settings=replace(there.bank.settings, archives_file=None))
    ordered(there)

    assert there.asked == []


def test_what_is_beyond_a_limit_comes_the_next_day(there: There) -> None:
    under(there, "studies_a_day = 0")
    ordered(there)
    known = stands(there)
    assert (known and known.state, fetched(there)) == (State.LIMITED, {"1.1": 1})

    under(there, "studies_a_day = 1", "")
    there.after += timedelta(days=1)
    there.work()
    assert fetched(there) == {"1.1": 1, "2.1": 3}


def test_what_nobody_wants_any_more_is_not_fetched(there: There) -> None:
    under(there, "studies_a_day = 0")
    ordered(there)
    there.bank = replace(there.bank, settings=replace(there.bank.settings, prefetch_file=None))
    there.after += timedelta(days=1)
    there.work()

    assert (stands(there), fetched(there)) == (None, {"1.1": 1})
    payload = {"archive": "Harbour", "study": "2.1", "by": "prefetch", "organization": "local"}
    prefetch_away.fetch_job({}, there.bank, payload)


def test_what_does_not_come_is_tried_again(there: There) -> None:
    there.named = {"2.1.1": [*there.files, "2.1.1.9"]}
    ordered(there)
    recall = there.bank.index.elsewhere.recall("Harbour", Uid("2.1"))
    assert recall is not None
    assert (recall.kept, recall.total, recall.reason) == (3, 4, "1 of its objects did not come")

    there.named = None
    there.after += timedelta(minutes=1)
    there.work()
    known = stands(there)
    assert known is not None
    assert known.state is State.DONE


def test_what_an_archive_has_no_more_stands_as_failed(there: There) -> None:
    under(there, "studies_a_day = 0")
    ordered(there)
    ordered(there, "F2")
    under(there, "studies_a_day = 9", "")
    there.error = NotFound("the archive names this study no more")
    there.after += timedelta(days=1)
    there.work()

    known = stands(there)
    assert known is not None
    assert (known.state, known.objects) == (State.FAILED, 0)
