"""`imagebank mail`, and what the doctor says of mail."""

import json
from datetime import timedelta
from pathlib import Path

from bank import open_test_bank
from imagebank.cli.doctor import of_the_bank
from imagebank.model.notice import Kind, Notice, State
from mail_server import Office, mail_server
from running import imagebank


def test_mail_is_tried_by_sending_some(tmp_path: Path) -> None:
    office, here = Office("550 5.1.1 nobody"), ("--data", tmp_path / "bank")
    with mail_server(office) as server, open_test_bank(tmp_path):
        given = {"IMAGEBANK_SMTP": server, "IMAGEBANK_SMTP_TLS": "none", "IMAGEBANK_SMTP_FROM": "bank@bank.example"}
        said = [imagebank("mail", "test", "ada@example.org", *here, environ=given) for _ in range(2)]
        silent = imagebank("mail", "test", "ada@example.org", *here)
        mistyped = imagebank("mail", "test", "ada", *here, environ=given)
        open_to_all = imagebank("mail", "list", *here, environ={**given, "IMAGEBANK_SMTP": "mail.example:25"})

    assert [one.status for one in (*said, silent, mistyped, open_to_all)] == [1, 0, 2, 2, 2]
    assert "knows no such mailbox: 550 5.1.1" in said[0].err
    assert f"the mail server {server} has taken a mail" in said[1].out
    assert ("set smtp and smtp_from" in silent.err, "no mail address" in mistyped.err) == (True, True)
    assert "others can read" in open_to_all.err
    assert office.recipients == ["ada@example.org"]


def test_mail_that_did_not_go_is_listed_told_by_the_doctor_and_sent_again(tmp_path: Path) -> None:
    here = ("--data", tmp_path / "bank")
    with open_test_bank(tmp_path) as bank:
        at = bank.now() - timedelta(hours=2)
        with bank.index.begin() as tx:
            tx.notices.put(Notice("n1", "a1", Kind.SHARED, at, "", State.ASIDE, "m1", reason="550 5.1.1"))
            tx.notices.put(Notice("n2", "a1", Kind.SHARED, at, "", State.WAITING, "m2", reason="451 4.7.1"))
            tx.notices.put(Notice("n3", "a1", Kind.SHARED, bank.now(), "", State.WAITING, "m3"))
        found = [one.words for one in of_the_bank(bank) if one.check == "mail"]
        listed = json.loads(imagebank("mail", "list", "--json", *here).out)
        again = imagebank("mail", "again", *here)
        late = [one.words for one in of_the_bank(bank) if one.check == "mail"]

    assert found == [
        "1 of the notices could not be mailed; the last: 550 5.1.1",
        "1 of the notices could not be mailed for more than an hour yet: 451 4.7.1",
    ]
    assert [(one["state"], one["reason"], one["mail"]) for one in listed] == [
        ("aside", "550 5.1.1", "m1"),
        ("waiting", "451 4.7.1", "m2"),
        ("waiting", "", "m3"),
    ]
    assert "mails that are tried again: 1" in again.out
    assert [words.partition(" could")[0] for words in late] == ["2 of the notices"]
