"""The site's rules: watched, switched on after a try, told, compared and gone back to."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import rules, rules_told, rules_try
from imagebank.actions.rules_in_force import SiteRules
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from imagebank.model.access import RIGHTS, Device, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Outcome, Selection, Source
from imagebank.model.rules import Fault, Text, Version
from imagebank.rules.steps import Ruleset
from make import a_file, phantom_files
from rulesets import FIX_ISSUER, HOLD, REFUSE, look_again, write_rules

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
CLINICIAN = Principal("ana", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], ALL)
WRONG = FIX_ISSUER.replace('"set"', '"sett"')


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def names(bank: Bank) -> list[str]:
    found = bank.rules.current()
    return [rule.name for rule in found.rules] if found else []


def again(bank: Bank) -> SiteRules:
    """As another process, or this one after a restart, has them."""
    return SiteRules(bank.index, bank.settings.data / "rules.toml", "local", bank.now)


class TestTheFile:
    def test_without_a_file_there_are_no_rules(self, bank: Bank) -> None:
        assert bank.rules.current() is None
        assert bank.index.rules.newest() == 0

    def test_a_file_is_taken_in_when_it_appears_and_when_it_changes(self, bank: Bank) -> None:
        bank.rules.current()
        write_rules(bank, FIX_ISSUER)
        assert names(bank) == ["Fix issuer"]
        write_rules(bank, HOLD)
        assert names(bank) == ["Accession"]
        write_rules(bank, "")
        assert bank.rules.current() is None

        assert [one.number for one in bank.index.rules.versions(9)] == [3, 2, 1]
        assert [one.way for one in bank.index.rules.versions(9)] == ["file"] * 3

    def test_it_is_looked_for_once_a_second(self, bank: Bank) -> None:
        bank.rules.current()
        (bank.settings.data / "rules.toml").write_text(FIX_ISSUER)
        assert bank.rules.current() is None

        look_again(bank)
        assert names(bank) == ["Fix issuer"]

    def test_the_last_right_one_stays_while_it_is_wrong_and_that_is_said_once(
        self, bank: Bank, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_rules(bank, FIX_ISSUER)
        bank.rules.current()
        with caplog.at_level(logging.ERROR):
            write_rules(bank, WRONG)
            assert names(bank) == ["Fix issuer"]
            look_again(bank)
            assert names(bank) == ["Fix issuer"]

        assert [record.getMessage() for record in caplog.records] == [
            "rules.toml is wrong, and what was in force before stays: line 6: there is no action sett; did you mean set?"
        ]
        assert rules.faults_of_file(bank) == [Fault(6, "there is no action sett; did you mean set?")]

    def test_nothing_is_taken_in_while_the_first_rules_are_wrong(self, bank: Bank) -> None:
        write_rules(bank, WRONG)
        with pytest.raises(Unavailable, match="the rules for what arrives are wrong: line 6"):
            keep(bank, a_file())

        write_rules(bank, FIX_ISSUER)
        assert keep(bank, a_file())[0].outcome is Outcome.STORED

    def test_a_file_that_is_taken_away_leaves_its_rules_in_force(self, bank: Bank) -> None:
        write_rules(bank, FIX_ISSUER)
        bank.rules.current()
        (bank.settings.data / "rules.toml").unlink()
        look_again(bank)

        assert names(bank) == ["Fix issuer"]
        assert rules.faults_of_file(bank) == []

    def test_a_changed_table_is_taken_in_too(self, bank: Bank) -> None:
        text = (
            '[tables.t]\nfile = "dep.csv"\n[[rule]]\nname = "M"\n[[rule.do]]\n'
            'action = "map"\ntag = "StationName"\nfrom = "Modality"\ntable = "t"\n'
        )
        write_rules(bank, text, dep="CT,ONE\n")
        bank.rules.current()
        write_rules(bank, text, dep="CT,TWO\n")
        bank.rules.current()

        found = bank.index.rules.version()
        assert found is not None
        assert found.number == 2
        assert found.text.tables == (("dep.csv", "CT,TWO\n"),)

    @pytest.mark.parametrize(
        ("content", "told"),
        [(b"\xff\xfe", "rules.toml is not UTF-8"), (b"#" * (300 << 10), "rules.toml is longer than")],
    )
    def test_a_file_that_is_no_text_is_wrong(self, bank: Bank, content: bytes, told: str) -> None:
        (bank.settings.data / "rules.toml").write_bytes(content)

        with pytest.raises(Unavailable, match=told):
            bank.rules.current()
        assert told in rules.faults_of_file(bank)[0].words

    def test_a_file_that_cannot_be_read_is_wrong(self, bank: Bank) -> None:
        (bank.settings.data / "rules.toml").mkdir()

        with pytest.raises(Unavailable, match=r"rules\.toml cannot be read"):
            bank.rules.current()

    def test_after_a_restart_an_earlier_version_is_not_taken_in_again(
        self, bank: Bank, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_rules(bank, FIX_ISSUER)
        bank.rules.current()
        rules.switch_on(bank, Text(HOLD), KEEPER, way="page")
        (bank.settings.data / "rules.toml").write_text(FIX_ISSUER)

        found = again(bank).current()

        assert found is not None
        assert [rule.name for rule in found.rules] == ["Accession"]
        assert "rules.toml is an earlier version of the rules" in caplog.text

    def test_a_version_that_cannot_be_read_any_more_stops_ingest(self, bank: Bank) -> None:
        with bank.index.begin() as tx:
            tx.rules.put_version(Version(1, Text(WRONG), bank.now(), "x", "file", "d"))

        with pytest.raises(Unavailable, match="version 1 of the rules cannot be read any more: line 6"):
            keep(bank, a_file())

    def test_a_database_that_was_put_back_takes_the_rules_along(self, bank: Bank) -> None:
        bank.rules.current()
        rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="api")
        with bank.index._database.writing() as connection:  # type: ignore[attr-defined]
            connection.exec_driver_sql("DELETE FROM rules_version")
        look_again(bank)

        assert bank.rules.current() is None

    def test_other_processes_follow_the_newest_version(self, bank: Bank) -> None:
        other = again(bank)
        assert other.current() is None
        rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="api")
        assert other._looked_at is not None
        other._looked_at -= timedelta(seconds=2)

        found = other.current()

        assert found is not None
        assert bank.index.rules.newest() == 1


class TestSwitchingOn:
    def test_it_makes_a_version_that_stands_in_the_ledger_with_its_text(self, bank: Bank) -> None:
        made = rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, "10.0.0.1", way="command")

        assert names(bank) == ["Fix issuer"]
        assert (bank.settings.data / "rules.toml").read_text() == FIX_ISSUER
        (event,) = (one for one in bank.index.events(ALL) if one.act is Act.CHANGED)
        assert (event.principal, event.address) == ("keeper", "10.0.0.1")
        assert event.detail == f"rules: version 1, SHA-256 {made.digest}, by command\n{FIX_ISSUER}"
        assert rules.in_force(bank, KEEPER) == bank.index.rules.version()

    def test_the_same_again_is_no_new_version(self, bank: Bank) -> None:
        first = rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="page")

        assert rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="page").number == first.number
        assert again(bank).current() is not None
        assert bank.index.rules.newest() == 1

    def test_wrong_rules_are_not_switched_on(self, bank: Bank) -> None:
        with pytest.raises(Invalid, match=r"those before stay in force: line 4: .* \(1 more\)"):
            rules.switch_on(bank, Text(WRONG.replace("header.Issuer", "header.Isuer")), KEEPER, way="page")

        assert bank.index.rules.newest() == 0

    def test_rules_that_cannot_be_judged_on_the_past_are_not_switched_on(self, bank: Bank) -> None:
        keep(bank, a_file())
        odd = FIX_ISSUER.replace('header.IssuerOfPatientID == ""', "1 / (header.Rows - 8) == 1")

        with pytest.raises(Conflict, match="could not be judged: divide by zero"):
            rules.switch_on(bank, Text(odd), KEEPER, way="page")

    def test_only_who_administers_does(self, bank: Bank) -> None:
        for act in (
            lambda: rules.switch_on(bank, Text(""), CLINICIAN, way="page"),
            lambda: rules.in_force(bank, CLINICIAN),
            lambda: rules.versions(bank, CLINICIAN),
            lambda: rules.version(bank, CLINICIAN),
            lambda: rules_try.try_out(bank, tried(bank, ""), CLINICIAN),
        ):
            with pytest.raises(NotAllowed):
                act()

    def test_a_file_that_cannot_be_written_changes_nothing_of_that(
        self, bank: Bank, caplog: pytest.LogCaptureFixture
    ) -> None:
        (bank.settings.data / "rules.toml").mkdir()

        rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="page")

        assert "rules.toml could not be written" in caplog.text
        assert names(bank) == ["Fix issuer"]

    def test_tables_come_along_from_beside_the_file_or_the_version_in_force(self, bank: Bank) -> None:
        text = (
            '[tables.t]\nfile = "dep.csv"\n[[rule]]\nname = "M"\n[[rule.do]]\n'
            'action = "map"\ntag = "StationName"\nfrom = "Modality"\ntable = "t"\n'
        )
        rules.switch_on(bank, Text(text, (("dep.csv", "CT,ONE\n"), ("other.csv", "a,b\n"))), KEEPER, way="api")
        assert (bank.settings.data / "dep.csv").read_text() == "CT,ONE\n"
        assert not (bank.settings.data / "other.csv").exists()
        (bank.settings.data / "dep.csv").unlink()

        assert rules.with_tables(bank, text).tables == (("dep.csv", "CT,ONE\n"),)
        (bank.settings.data / "dep.csv").write_text("CT,TWO\n")
        assert rules.with_tables(bank, text).tables == (("dep.csv", "CT,TWO\n"),)
        assert rules.with_tables(bank, "").tables == (("dep.csv", "CT,ONE\n"),)

    def test_the_file_may_lie_elsewhere(self, tmp_path: Path) -> None:
        file = tmp_path / "etc" / "rules.toml"
        file.parent.mkdir()
        file.write_text(FIX_ISSUER)
        with open_test_bank(tmp_path, rules_file=file) as bank:
            assert names(bank) == ["Fix issuer"]
            assert rules.file_of(bank) == file


class TestVersions:
    def test_they_are_listed_shown_compared_and_gone_back_to(self, bank: Bank) -> None:
        for text in (FIX_ISSUER, FIX_ISSUER.replace("NORTH", "SOUTH"), ""):
            rules.switch_on(bank, Text(text), KEEPER, way="page")

        assert [one.number for one in rules.versions(bank, KEEPER)] == [3, 2, 1]
        assert rules.version(bank, KEEPER, 2).text.rules == FIX_ISSUER.replace("NORTH", "SOUTH")
        lines = rules.compared(rules.version(bank, KEEPER, 1).text, rules.version(bank, KEEPER, 2).text)
        assert [(one.kind, one.number, one.text) for one in lines if one.kind != "same"] == [
            ("removed", 0, 'value = "NORTH"'),
            ("added", 8, 'value = "SOUTH"'),
        ]
        back = rules.switch_on(bank, rules.version(bank, KEEPER, 1).text, KEEPER, way="page")
        assert back.number == 4
        assert names(bank) == ["Fix issuer"]

    def test_tables_are_compared_too(self) -> None:
        lines = rules.compared(Text("", (("t.csv", "a,b\n"),)), Text("", (("t.csv", "a,c\n"),)))

        assert [(one.kind, one.text) for one in lines] == [("same", "# t.csv"), ("removed", "a,b"), ("added", "a,c")]

    @pytest.mark.parametrize("number", [None, 0, 9, 2**40])
    def test_what_is_not_there_is_said(self, bank: Bank, number: int | None) -> None:
        with pytest.raises(NotFound):
            rules.version(bank, KEEPER, number)

    def test_the_rules_in_force_are_told_in_words(self, bank: Bank) -> None:
        assert rules.listed(bank, KEEPER) == (None, [])
        rules.switch_on(bank, Text(FIX_ISSUER), KEEPER, way="page")

        version, told = rules.listed(bank, KEEPER)

        assert version is not None
        assert rules_told.rule_told(told[0]) == {
            "name": "Fix issuer",
            "line": 2,
            "in_words": 'For everything that comes when header.IssuerOfPatientID == "": '
            "set IssuerOfPatientID to “NORTH”.",
        }
        assert rules_told.version_told(version, with_text=True)["text"] == FIX_ISSUER
        assert "text" not in rules_told.version_told(version)

    def test_rules_that_name_what_is_not_here_any_more_are_still_in_force(self, bank: Bank) -> None:
        with bank.index.begin() as tx:
            tx.put_device(Device("READING1", "127.0.0.1", 11112, False, frozenset(), "local"))
        text = '[[rule]]\nname = "R"\n[[rule.do]]\naction = "route"\nto = "READING1"\n'
        rules.switch_on(bank, Text(text), KEEPER, way="page")
        with bank.index.begin() as tx:
            tx.remove_device("READING1")

        assert rules.listed(bank, KEEPER)[1] == []
        found = again(bank).current()
        assert found is not None
        assert rules_told.fault_told(rules.check(bank, Text(text)).faults[0])["line"] == 5


def tried(bank: Bank, text: str) -> Ruleset:
    found = rules.check(bank, Text(text)).rules
    assert found is not None
    return found


class TestTrying:
    def test_it_says_what_would_be_changed_held_and_refused(self, bank: Bank) -> None:
        keep(bank, a_file(), a_file(PatientID="PHANTOM1"), a_file(AccessionNumber=""), a_file(IssuerOfPatientID="X"))

        report = rules_try.try_out(bank, tried(bank, REFUSE + FIX_ISSUER + HOLD), KEEPER, "10.0.0.1")

        assert (report.looked_at, report.applied, report.changed, report.held, report.refused) == (4, 4, 1, 1, 1)
        assert (report.differ, report.let_in, report.conflicts, report.unread) == (3, 0, 0, 0)
        assert report.is_clean
        assert not report.is_partial
        assert report.rules["Fix issuer"] == rules_try.Count(applied=2, changed=1)
        assert report.rules["Accession"] == rules_try.Count(applied=3, held=1)
        assert report.rules["No phantoms"] == rules_try.Count(applied=1, refused=1)
        assert sum(report.days.values()) == 3
        told = rules_told.report_told(report)
        assert [(one["was"], one["would"], one["reason"]) for one in told["samples"]] == [
            ("filed", "held", "it has no AccessionNumber"),
            ("filed", "refused", "it is a phantom"),
            ("filed", "filed", ""),
        ]
        assert told["samples"][2]["changes"] == [
            {"rule": "Fix issuer", "attribute": "IssuerOfPatientID", "before": "", "after": "NORTH"}
        ]
        assert told["rules"][1] == {"name": "Fix issuer", "applied": 2, "changed": 1, "held": 0, "refused": 0}
        assert [one.detail for one in bank.index.events(ALL) if one.act is Act.VIEWED] == ["rules: tried on the past"]

    def test_nothing_is_changed_and_what_rules_have_changed_already_is_as_they_want_it(self, bank: Bank) -> None:
        write_rules(bank, FIX_ISSUER)
        keep(bank, a_file())
        before = bank.index.instances(Selection(), ALL)

        report = rules_try.try_out(bank, tried(bank, FIX_ISSUER), KEEPER)

        assert (report.looked_at, report.differ) == (1, 0)
        assert bank.index.instances(Selection(), ALL) == before

    def test_what_lies_in_quarantine_would_be_let_in_or_held_on(self, bank: Bank) -> None:
        write_rules(bank, HOLD)
        keep(bank, a_file(AccessionNumber=""))

        assert rules_try.try_out(bank, tried(bank, HOLD), KEEPER).differ == 0
        report = rules_try.try_out(bank, tried(bank, FIX_ISSUER), KEEPER)
        assert (report.let_in, report.changed) == (1, 0)
        refused = rules_try.try_out(bank, tried(bank, HOLD.replace("tags", 'otherwise = "refuse"\ntags')), KEEPER)
        assert (refused.refused, refused.held) == (1, 0)

    def test_what_lies_there_and_is_no_dicom_object_is_left_out(self, bank: Bank) -> None:
        keep(bank, a_file())
        (one,) = bank.index.instances(Selection(), ALL)
        with bank.index.begin() as tx:
            tx.quarantine("it is no object", "a.heic", SOURCE, bank.now(), one.location, one.digest)

        assert rules_try.try_out(bank, tried(bank, HOLD), KEEPER).looked_at == 1

    def test_conflicts_dropped_attributes_and_private_ones_are_shown(self, bank: Bank) -> None:
        file = a_file()
        keep(bank, file)
        text = (
            '[[rule]]\nname = "C"\n[[rule.do]]\naction = "set"\ntag = "StudyID"\nvalue = "x"\n'
            '[[rule.do]]\naction = "drop"\ntag = "AccessionNumber"\n'
        )

        told = rules_told.report_told(rules_try.try_out(bank, tried(bank, text), KEEPER))

        assert told["conflicts"] == 1
        assert told["samples"][0]["conflicts"] == ["rule “C” replaces a value of StudyID"]
        assert told["samples"][0]["changes"][1]["after"] is None

    def test_private_attributes_that_would_go_count_as_a_change(self, bank: Bank) -> None:
        from make import a_dataset, as_file  # noqa: PLC0415 - beside its only use

        ds = a_dataset()
        ds.private_block(0x0019, "ACME", create=True).add_new(0x10, "LO", "x")
        keep(bank, as_file(ds))

        report = rules_try.try_out(
            bank, tried(bank, '[[rule]]\nname = "P"\n[[rule.do]]\naction = "drop private"\n'), KEEPER
        )

        assert report.rules["P"].changed == 1
        assert report.changed == 1

    def test_one_asks_for_a_time_a_source_and_so_many(self, bank: Bank) -> None:
        keep(bank, *phantom_files(slices=3))
        keep(bank, a_file(), source=Source("dimse", "EYE1", "local", ""))
        found = tried(bank, FIX_ISSUER)

        assert rules_try.try_out(bank, found, KEEPER, span=rules_try.Span(source="EYE*")).looked_at == 1
        assert rules_try.try_out(bank, found, KEEPER, span=rules_try.Span(source="dimse")).looked_at == 1
        partial = rules_try.try_out(bank, found, KEEPER, span=rules_try.Span(most=2))
        assert (partial.looked_at, partial.is_partial) == (2, True)
        later = replace(bank, now=lambda: bank.now() + timedelta(days=8))
        assert rules_try.try_out(later, found, KEEPER).looked_at == 0

    def test_pages_of_deposits_are_gone_through(self, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rules_try, "_PAGE", 2)
        keep(bank, *phantom_files(slices=5))

        assert rules_try.try_out(bank, tried(bank, FIX_ISSUER), KEEPER).looked_at == 5

    def test_old_deposits_among_new_ones_are_left_out(self, bank: Bank) -> None:
        early = replace(bank, now=lambda: bank.now() - timedelta(days=30))
        keep(bank, a_file())
        keep(early, a_file())
        keep(bank, a_file())

        assert rules_try.try_out(bank, tried(bank, FIX_ISSUER), KEEPER).looked_at == 2

    def test_a_rule_about_persons_and_long_headers_can_be_tried(
        self, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(bank, a_file())
        monkeypatch.setattr(rules_try, "_HEAD", 200)
        text = HOLD.replace('name = "Accession"', 'name = "Accession"\nwhen = "!person.known"')

        assert rules_try.try_out(bank, tried(bank, text), KEEPER).applied == 1
        monkeypatch.setattr(rules_try, "_MOST_BYTES", 300)
        assert rules_try.try_out(bank, tried(bank, text), KEEPER).unread == 1

    def test_what_cannot_be_judged_is_told_up_to_a_bound(self, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
        keep(bank, a_file(), a_file())
        monkeypatch.setattr(rules_try, "MOST_SAMPLES", 1)
        odd = FIX_ISSUER.replace('header.IssuerOfPatientID == ""', "1 / (header.Rows - 8) == 1")

        report = rules_try.try_out(bank, tried(bank, odd), KEEPER)

        assert not report.is_clean
        assert len(report.unjudged) == len(report.samples) == 1
        assert "rule “Fix issuer” could not be judged: divide by zero (object" in report.unjudged[0]
        assert report.held == 2

    def test_what_was_destroyed_meanwhile_is_left_out(self, bank: Bank) -> None:
        keep(bank, a_file())
        (one,) = bank.index.instances(Selection(), ALL)
        bank.blobs.destroy([one.location])

        assert rules_try.try_out(bank, tried(bank, FIX_ISSUER), KEEPER).looked_at == 0

    @pytest.mark.parametrize(
        ("text", "span"), [("12h", timedelta(hours=12)), ("7d", timedelta(days=7)), (" 30 d ", timedelta(days=30))]
    )
    def test_how_far_back_is_said_in_hours_or_days(self, text: str, span: timedelta) -> None:
        assert rules_try.back_of(text) == span

    @pytest.mark.parametrize("text", ["", "7", "7w", "0d", "9999d", "-1d", "1.5d"])
    def test_any_other_way_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid, match="12h or 7d"):
            rules_try.back_of(text)
