"""An account's statement: complete against the ledger, of nobody else, and proven without the bank's word."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, account, enrol, ledger, persons, retrieve, statement, statement_proof
from imagebank.actions.enrol import Wanted as Enrolled
from imagebank.actions.statement import Theme, Wanted
from imagebank.bank import Bank
from imagebank.cli import audit
from imagebank.errors import Invalid, NotAllowed
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act, Event
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.ledger import Sought, digest_of
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
ADA, BEN = PatientId("north", "ADA"), PatientId("north", "BEN")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Ada's and Ben's CT, which a doctor has looked at, and a good deal of other people's doings between."""
    with open_test_bank(tmp_path, organization="north") as opened:
        for uid, patient in (("1.1", ADA), ("1.2", BEN)):
            keep(
                opened,
                a_file(StudyInstanceUID=uid, PatientID=patient.identifier),
                source=replace(SOURCE, organization="north"),
            )
            persons.hear(opened, Identity(patient, PersonName(f"{patient.identifier}^A"), "20200101"))
            look(opened, uid)
        yield opened


def look(bank: Bank, study: str) -> None:
    found = retrieve.select(bank, Selection(Uid(study)), DOCTOR.scope)
    retrieve.reading(bank, DOCTOR, found, "WADO-RS", "10.0.0.7")


def owner(bank: Bank, *also: Enrolled) -> Principal:
    """Ada, with an account of her own."""
    sheet = enrol.enrol(bank, Enrolled(ADA), DESK)
    for one in also:
        enrol.enrol(bank, replace(one, account=sheet.account), DESK)
    cookie = account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), "seven grey herons at dusk")
    found = access.session(bank, cookie)
    assert found is not None
    return found


def of_ledger(bank: Bank, *patients: PatientId) -> set[tuple[str, int]]:
    """Every line of the ledger about these, found one by one in the whole of it."""
    names = {bank.index.lines(Sought(patient=one), ALL)[0].person for one in patients}
    studies = {{ADA: "1.1", BEN: "1.2"}[one] for one in patients}
    return {(one.lane, one.position) for one in bank.index.ledger(ALL) if one.person in names or one.study in studies}


def test_it_holds_every_line_of_the_ledger_about_its_person_and_no_other(bank: Bank) -> None:
    ada = owner(bank)

    entries = [*statement.whole(bank, Wanted(), ada)]

    assert {(one.line.lane, one.line.position) for one in entries} == of_ledger(bank, ADA)
    themes = [one.theme for one in entries]
    assert (themes.count(Theme.DEPOSIT), themes.count(Theme.LOOK), themes.count(Theme.SHARE)) == (1, 1, 1)
    assert [one.study["0020000D"]["Value"] for one in entries if one.theme is Theme.LOOK] == [["1.1"]]
    assert next(one.is_own for one in entries)


def test_it_is_read_page_by_page_newest_first(bank: Bank) -> None:
    ada = owner(bank)
    found: list[statement.Entry] = []
    page = statement.statement(bank, Wanted(limit=2), ada)
    found += page.entries
    while page.next is not None:
        page = statement.statement(bank, Wanted(limit=2, after=page.next), ada)
        found += page.entries

    assert [one.line.at for one in found] == sorted((one.line.at for one in found), reverse=True)
    deposits_and_looks = [one.theme for one in found if one.theme in (Theme.DEPOSIT, Theme.LOOK)]
    assert deposits_and_looks == [Theme.LOOK, Theme.DEPOSIT]


def test_it_is_narrowed_by_theme_moment_and_person(bank: Bank) -> None:
    ada = owner(bank, Enrolled(BEN, Relation.PARENT))

    assert {one.line.study for one in statement.whole(bank, Wanted(themes=frozenset({Theme.LOOK})), ada)} == {
        "1.1",
        "1.2",
    }
    only = Wanted(BEN, frozenset({Theme.LOOK, Theme.CHANGE}))
    assert {one.line.study for one in statement.whole(bank, only, ada)} == {"1.2", ""}
    later = int((bank.now() + timedelta(hours=1)).timestamp() * 1_000_000)
    assert statement.statement(bank, Wanted(since=later), ada).entries == ()
    assert statement.statement(bank, Wanted(until=1), ada).entries == ()


def test_what_happened_to_a_study_before_it_was_known_to_be_theirs_is_theirs(bank: Bank) -> None:
    ada = owner(bank)
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.VIEWED, "Dr Kato", "north", study=Uid("1.1"), patient=BEN)])

    assert "Dr Kato" in {one.line.principal for one in statement.whole(bank, Wanted(), ada)}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.CLINICIAN, Role.RECIPIENT])
def test_only_an_account_has_a_statement(bank: Bank, role: Role) -> None:
    scope = ALL if role is Role.ADMIN else DOCTOR.scope
    with pytest.raises(NotAllowed):
        statement.statement(bank, Wanted(), replace(DOCTOR, role=role, scope=scope))


def test_a_record_that_the_account_does_not_hold_has_none(bank: Bank) -> None:
    with pytest.raises(NotAllowed):
        statement.statement(bank, Wanted(BEN), owner(bank))


def proven(bank: Bank) -> list[bytes]:
    ada = owner(bank)
    look(bank, "1.2")
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.SEARCHED, "Dr Kato", "north", detail="QIDO-RS: study by PatientID")])
    return [*statement_proof.proof(bank, Wanted(), ada)]


def test_it_proves_itself_and_shows_nothing_of_others(bank: Bank) -> None:
    parts = proven(bank)

    made = statement_proof.verify(parts, bank.signer.public().hex())

    assert made.is_whole
    assert made.lines == made.sealed == len(of_ledger(bank, ADA))
    newest = bank.index.checkpoints()[-1]
    assert made.checkpoint == digest_of(newest)
    text = b"".join(parts).decode()
    assert "Dr Kato" not in text
    assert '"1.2"' not in text


def test_lines_of_several_checkpoints_are_each_proven_by_the_first_that_knows_them(bank: Bank) -> None:
    ledger.checkpoint(bank)
    parts = proven(bank)

    assert len([one for one in parts if b'"checkpoint":{' in one]) == 2
    assert statement_proof.verify(parts).is_whole


def test_a_command_verifies_a_file(bank: Bank, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, damaged = tmp_path / "whole.jsonl", tmp_path / "damaged.jsonl"
    parts = proven(bank)
    whole.write_bytes(b"".join(parts))
    damaged.write_bytes(b"".join(parts).replace(b"Dr Varga", b"Dr Nobody"))

    assert audit.statement(whole) == 0
    assert f"{len(of_ledger(bank, ADA))} of them sealed" in " ".join(capsys.readouterr().out.split())
    assert audit.statement(damaged) == 1
    assert (audit.verify(whole), audit.verify(damaged)) == (0, 1), (
        "and so does the one for ledgers, which tells them apart"
    )


def test_lines_of_several_processes_are_proven_lane_by_lane(bank: Bank, tmp_path: Path) -> None:
    before = bank.now()
    ada = owner(bank)
    ledger.checkpoint(bank)
    with open_test_bank(tmp_path, organization="north") as other:
        # Its clock is behind: that a checkpoint came later does not say that it knows the line.
        with other.index.begin() as tx:
            tx.record([Event(before, Act.VIEWED, "Dr Kato", "north", study=Uid("1.1"), patient=ADA)])
        look(bank, "1.1")

    made = statement_proof.verify(statement_proof.proof(bank, Wanted(), ada))

    assert made.is_whole
    assert made.lines == made.sealed == len(of_ledger(bank, ADA))


def test_what_no_checkpoint_knows_is_told_apart(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "checkpoint", lambda *_: None)
    made = statement_proof.verify(proven(bank))

    assert made.is_whole
    assert (made.sealed, made.checkpoint) == (0, "")
    assert made.lines == len(of_ledger(bank, ADA))


@pytest.mark.parametrize(
    ("of", "to"),
    [("Dr Varga", "Dr Nobody"), ("10.0.0.7", "10.0.0.8"), ('"count":1', '"count":2')],
)
def test_an_altered_line_is_told(bank: Bank, of: str, to: str) -> None:
    parts = [one.replace(of.encode(), to.encode()) for one in proven(bank)]

    assert not statement_proof.verify(parts).is_whole


def test_a_line_that_was_left_out_or_moved_is_told(bank: Bank) -> None:
    parts = [json.loads(one) for one in proven(bank)]
    (chain,) = [one["chain"] for one in parts if "chain" in one]
    whole = chain["parts"]

    for damaged in (whole[1:], whole[:-1], [*whole[1:], whole[0]], [*reversed(whole)]):
        chain["parts"] = damaged
        assert not statement_proof.verify(json.dumps(one).encode() for one in parts).is_whole


def test_a_file_that_was_cut_short_or_has_lost_a_stretch_is_told(bank: Bank) -> None:
    ledger.checkpoint(bank)
    look(bank, "1.1")
    parts = proven(bank)
    stretches = [one for one in parts if b'"chain":{' in one]
    assert len(stretches) == 2

    for damaged in (parts[:1], parts[:-1], [one for one in parts if one != stretches[0]]):
        (fault,) = statement_proof.verify(damaged).faults
        assert "lines are here" in fault


def test_a_checkpoint_that_the_bank_did_not_sign_is_told(bank: Bank) -> None:
    parts = proven(bank)

    assert not statement_proof.verify(parts, "00" * 32).is_whole
    without = [one for one in parts if b'"checkpoint":{' not in one]
    assert not statement_proof.verify(without).is_whole


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format": "something"}', b"no JSON"])
def test_what_is_no_statement_is_refused(text: bytes) -> None:
    with pytest.raises(Invalid):
        statement_proof.verify([text])
    assert not statement_proof.is_statement(text)


def test_lines_without_a_salt_are_not_told_to_others_by_their_digest(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagebank.storage.ledger.secrets.token_hex", lambda size: "" if size == 8 else "ab" * size)
    made = statement_proof.verify(proven(bank))

    assert made.is_whole
    assert made.sealed < made.lines
    assert ledger.verify(bank).faults == ()
