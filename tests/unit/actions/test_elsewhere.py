"""What other archives hold of a person: asked for, believed as far as it is about them, and shown to who may know."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import asking, avoided, earlier, elsewhere, priors, repeat_check, rights
from imagebank.actions.other_archives import MOST_STUDIES, archives_of, listed, secret_of
from imagebank.errors import Invalid, Unavailable
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.avoided import Counts
from imagebank.model.event import Act
from imagebank.model.exam import Exam, Group, Said
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError
from make import a_file
from unit.actions.archives_there import ABOUT, ADA, ARCHIVE, THERE, There, ada_is_here, known_as, said
from unit.actions.archives_there import listed as written

ALL = Scope(None)
ABDOMEN = "CT abdomen with contrast"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    with open_test_bank(tmp_path, archives_file=written(tmp_path)) as bank:
        ada_is_here(bank)
        yield There(bank, [said("2.1"), said("2.2", **{"00081030": "CT FOOT"})])


def as_role(there: There, role: Role = Role.ADMIN, organization: str = "local") -> Principal:
    return rights.principal(there.bank, "kim", role, organization)


def told(there: There, principal: Principal | None = None) -> list[tuple[str, str]]:
    """The priors of her study, each with where it is."""
    found = priors.of_study(there.bank, principal or as_role(there), Uid("1.1"), "test", wide=True)
    return [(prior.past.id, prior.past.archive) for prior, _ in found.priors]


def test_what_an_archive_holds_is_told_once_it_has_answered(there: There) -> None:
    assert told(there) == []
    there.work()
    found = priors.of_study(there.bank, as_role(there), Uid("1.1"), "test", wide=True)
    ((prior, study),) = found.priors

    assert (prior.past.id, prior.past.archive, prior.past.organization) == ("2.1", "Harbour", "harbour")
    assert study["00081030"]["Value"] == ["CT HEAD"]
    assert found.away["2.1"].patient == THERE
    assert there.asked == ["Harbour H7"]
    (event,) = [one for one in there.bank.index.events(ALL, 100) if one.detail.startswith("archive Harbour")]
    assert (event.act, event.principal, event.count) == (Act.SEARCHED, "kim", 2)
    assert priors.of_study(there.bank, as_role(there), Uid("1.1"), "test").priors == ()


def test_an_archive_is_asked_again_only_after_a_while(there: There) -> None:
    told(there)
    there.work()
    told(there)
    there.work()
    assert len(there.asked) == 1

    there.after = timedelta(hours=2)
    there.answers = []
    told(there)
    there.work()
    assert (len(there.asked), told(there)) == (2, [])


def test_who_may_not_know_of_it_is_told_of_nothing(there: There) -> None:
    clinician = as_role(there, Role.CLINICIAN)
    told(there, clinician)
    there.work()
    assert told(there, clinician) == []
    theirs = as_role(there, Role.CLINICIAN, "harbour")
    assert len(elsewhere.held(there.bank, theirs, [ADA])) == 2

    starts = there.bank.now() - timedelta(hours=1)
    consent = Provision("p1", Kind.CONSENT, True, THERE, starts, organization="local")
    with there.bank.index.begin() as tx:
        tx.put_provision(consent)
    assert told(there, as_role(there, Role.CLINICIAN)) == [("2.1", "Harbour")]

    with there.bank.index.begin() as tx:
        tx.put_provision(replace(consent, id="p2", permits=False))
    assert told(there, as_role(there, Role.CLINICIAN)) == []


def test_owners_are_told_of_what_is_here_alone(there: There) -> None:
    told(there)
    there.work()
    patient = replace(as_role(there), role=Role.PATIENT)

    assert elsewhere.known(there.bank, patient, [ADA]) == []
    assert elsewhere.one(there.bank, patient, "Harbour", Uid("2.1")) is None
    assert elsewhere.one(there.bank, as_role(there), "Quay", Uid("2.1")) is None
    assert elsewhere.one(there.bank, as_role(there), "Harbour", Uid("2.1")) is not None


def test_what_is_here_already_is_told_as_it_is_here(there: There) -> None:
    told(there)
    there.work()
    keep(there.bank, a_file(PatientID="ADA", StudyInstanceUID="2.1", StudyDate="20260101", **ABOUT))

    assert told(there) == [("2.1", "")]


def test_answers_about_somebody_else_are_refused_and_counted(there: There) -> None:
    there.answers += [
        said("2.3", "H8"),
        said("2.4", **{"00100021": "elsewhere"}),
        said("no UID"),
        {"0020000D": {"vr": "UI"}},
        {"0020000D": {"vr": "UI", "Value": {}}},
    ]
    told(there)
    there.work()

    held = there.bank.index.elsewhere.held([THERE], ALL)
    assert {one.study for one in held} == {"2.1", "2.2"}
    (line,) = elsewhere.lines(there.bank)
    assert (line.failures, line.reason) == (0, "5 answers were not about who was asked for, or named no study")


def test_what_an_archive_says_wrongly_is_left_out(there: There) -> None:
    there.answers = [said("2.1", **{"00080020": "yesterday", "00080061": "C/T", "00201208": "many"}), said("2.2")]
    there.answers[1]["00201208"] = {"vr": "IS", "Value": [12]}
    told(there)
    there.work()

    first, second = sorted(there.bank.index.elsewhere.held([THERE], ALL), key=lambda one: one.study)
    assert (first.date, first.modalities, first.objects, second.objects) == ("", (), 0, 12)
    assert elsewhere.past(there.bank, first).day is None
    assert first.attributes["00080061"] == {"vr": "CS"}


def test_an_archive_that_does_not_answer_rests_and_is_asked_again(there: There) -> None:
    there.error = Unavailable("it does not answer")
    told(there)
    for _ in range(4):
        there.work()
        there.after += timedelta(seconds=20)
    (line,) = elsewhere.lines(there.bank)
    assert (line.failures, line.is_away, line.reason, len(there.asked)) == (3, True, "it does not answer", 3)
    assert line.rests_until is not None
    before = line.rests_until - timedelta(seconds=1)
    with pytest.raises(Unavailable, match="3 times in a row, and is not asked before"):
        asking.awake(replace(there.bank, now=lambda: before), listed(there.bank)["Harbour"])

    there.error, there.after = None, there.after + timedelta(hours=2)
    there.work()
    (line,) = elsewhere.lines(there.bank)
    assert (line.failures, line.rests_until, told(there)) == (0, None, [("2.1", "Harbour")])


def test_an_archive_that_is_no_longer_listed_is_not_asked_and_not_told_of(there: There, tmp_path: Path) -> None:
    told(there)
    there.work()
    told(there)
    none = replace(there.bank, settings=replace(there.bank.settings, archives_file=None))
    assert elsewhere.held(none, as_role(there), [ADA]) == []
    assert elsewhere.known(none, as_role(there), [ADA]) == []
    asking.work({}, none, {"archive": "Harbour"})

    (tmp_path / "other").mkdir()
    other = written(tmp_path / "other", ARCHIVE.replace("Harbour", "Quay"))
    settings = replace(there.bank.settings, archives_file=other)
    assert elsewhere.held(replace(there.bank, settings=settings), as_role(there), [ADA]) == []


def test_a_person_is_asked_for_by_whatever_the_records_name(there: There) -> None:
    known_as(there.bank, ADA, others=(PatientId("harbour", "H9"), PatientId("nation", "1")))
    found = asking.identifiers(there.bank, [ADA, PatientId("local", "unknown"), PatientId("local", "")])

    assert {str(one.identifier) for one in found} == {"ADA", "H7", "H9", "1", "unknown"}
    assert asking.identifiers(there.bank, []) == set()


def test_old_answers_are_forgotten(there: There) -> None:
    told(there)
    there.work()
    there.after = timedelta(days=31)
    asking.sweep(there.bank)

    assert there.bank.index.elsewhere.held([THERE], ALL) == []


def test_of_two_archives_that_hold_a_study_the_first_by_name_is_told(tmp_path: Path) -> None:
    two = written(tmp_path, ARCHIVE + ARCHIVE.replace("Harbour", "Abbey"))
    with open_test_bank(tmp_path, archives_file=two) as bank:
        ada_is_here(bank)
        there = There(bank, [said("2.1")])
        told(there)
        there.work()

        assert told(there) == [("2.1", "Abbey")]


WRONG = {
    "reads what is no list": ("archive = 1", Invalid, "archives.toml"),
    "no way": (ARCHIVE.replace("url = ", "# "), Invalid, "the archive Harbour: it has url or device"),
    "two ways": (ARCHIVE + "device = 'A'", Invalid, "it has url or device"),
    "open to all": (ARCHIVE.replace("https:", "http:"), Invalid, "https only"),
    "a secret for a device": (
        ARCHIVE.replace("url = 'https://h.example/web'", "device = 'A'\ntoken_file = 'token'"),
        Invalid,
        "a device takes no token",
    ),
    "another's by C-MOVE": (
        ARCHIVE.replace("url = 'https://h.example/web'", "device = 'A'\nretrieve = 'move'").replace(
            "'harbour'", "'q'", 1
        ),
        Invalid,
        "its organization is its issuer",
    ),
    "two secrets": (ARCHIVE + "token_file = 'token'\npassword_file = 'token'", Invalid, "and not both"),
    "two of one name": (ARCHIVE + ARCHIVE, Invalid, "two archives have one name"),
    "a name of two lines": (ARCHIVE.replace("'Harbour'", '"Har\\nbour"'), Invalid, "its name is one line"),
    "a secret that is not there": (ARCHIVE + "token_file = 'nothing'", SettingsError, "cannot be read"),
    "an empty secret": (ARCHIVE + "token_file = 'empty'", SettingsError, "no secret of one line"),
}


@pytest.mark.parametrize("why", WRONG)
def test_a_list_that_is_wrong_is_refused_by_name(why: str, tmp_path: Path) -> None:
    text, kind, words = WRONG[why]
    (tmp_path / "token").write_text("secret\n", "utf-8")
    (tmp_path / "empty").write_text("\n", "utf-8")

    with pytest.raises(kind, match=words):
        archives_of(written(tmp_path, text))


def test_a_list_says_how_each_archive_is_reached(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n", "utf-8")
    by_device = ARCHIVE.replace("Harbour", "Quay").replace("url = 'https://h.example/web'", "device = 'QUAY'")
    found = archives_of(written(tmp_path, ARCHIVE + "token_file = 'token'\n" + by_device + "issuer_there = 'MPI'"))

    assert {name: one.way for name, one in found.items()} == {"Harbour": "url", "Quay": "device"}
    assert secret_of(found["Harbour"].token_file) == "secret"
    assert [found["Quay"].is_issuer(text) for text in ("", "MPI", "harbour", "other")] == [True, True, True, False]
    assert MOST_STUDIES == 500
    assert archives_of(None) == {}


def test_a_bank_with_a_wrong_list_does_not_open(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match="archives"),
        open_test_bank(tmp_path, archives_file=written(tmp_path, "a = 1")),
    ):
        pass


def test_a_job_follows_once_an_archive_has_answered(there: There) -> None:
    followed = list[object]()
    for following in ({"study": "1.1"}, {"study": "1.2"}):
        assert asking.have_asked(there.bank, [ADA], "kim", "local", ("following", following))
    there.work(following=lambda _, payload: followed.append(payload))

    assert followed == [{"study": "1.1"}, {"study": "1.2"}]
    assert there.asked == ["Harbour H7"]
    assert not asking.have_asked(there.bank, [ADA], "kim", "local", ("following", {"study": "1.3"}))


def test_a_study_elsewhere_stands_among_the_earlier_ones_and_who_looks_at_it_in_the_ledger(there: There) -> None:
    told(there)
    there.work()
    chosen, (found,) = earlier.beside(there.bank, as_role(there), Uid("1.1"), "test")
    assert (chosen.uid, found.entry.uid, found.days) == ("1.1", "2.1", 14)
    assert found.away is not None
    assert found.prior is not None

    seen = elsewhere.looked_at(there.bank, as_role(there), "Harbour", Uid("2.1"), "test")
    assert seen == found.away
    there.bank.reads.flush()
    assert any("a study of another archive" in one.detail for one in there.bank.index.events(ALL, 100))
    none = replace(there.bank, settings=replace(there.bank.settings, archives_file=None))
    assert list(elsewhere.lines(none)) == []


def checked(there: There, **about: Any) -> repeat_check.Checked:
    there.answers = [said("2.2", **{"00081030": ABDOMEN})]
    wish = repeat_check.Wish(Said(("CT",), (ABDOMEN,)), date(2026, 1, 14))
    asking_for = repeat_check.Asking(as_role(there), (ADA,), "api", **about)
    (found,) = repeat_check.check(there.bank, asking_for, [wish])
    return found


def test_the_repeat_check_names_an_exam_that_can_be_had(there: There) -> None:
    assert checked(there).alert is None
    there.work()
    found = checked(there)

    assert found.alert is not None
    assert found.repeat is not None
    assert (found.alert.study, found.alert.severity, found.repeat.past.archive) == ("2.2", "tell", "Harbour")
    assert [one.study["00081030"]["Value"] for one in found.seen] == [[ABDOMEN]]
    assert checked(there, is_placed=True).alert is None


def test_an_exam_that_an_archive_holds_was_not_avoided(there: There) -> None:
    there.answers = [said("2.2", **{"00081030": ABDOMEN, "00080020": "20260110"})]
    exam, at = Exam(Group.CT, ("ABDOMEN",)), datetime(2026, 1, 5, tzinfo=UTC)
    one = Alert("a1", at, "local", ADA, Uid("1.1"), exam, "20260105", 1, "CT", "warn", "api")
    with there.bank.index.begin() as tx:
        tx.alerts.put(replace(one, answer=Answer(Outcome.ACCEPTED, at)))

    def came() -> Counts:
        return avoided.report(there.bank, as_role(there), date(2026, 1, 1), date(2026, 1, 31), (), "api").total

    assert (came().avoided, came().made) == (1, 0)
    told(there)
    there.work()
    assert (came().avoided, came().made) == (0, 1)


def test_the_repeat_check_does_not_name_what_the_person_at_the_system_may_not_know_of(there: There) -> None:
    checked(there)
    there.work()

    assert checked(there, acting=as_role(there, Role.CLINICIAN)).alert is None
    assert checked(there, acting=as_role(there)).alert is not None
