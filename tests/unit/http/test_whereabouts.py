"""Where a browser finds the web server."""

import socket
from pathlib import Path

import pytest

from imagebank.http.whereabouts import answers, noted, web_url
from imagebank.settings import load


def test_the_server_that_runs_is_named_and_after_it_the_settings(tmp_path: Path) -> None:
    settings = load(environ={}, data=tmp_path, http="127.0.0.1:1234")
    with noted(tmp_path, "127.0.0.1:5678"):
        during = web_url(settings)

    assert (during, web_url(settings)) == ("http://127.0.0.1:5678", "http://127.0.0.1:1234")


def test_the_public_address_wins(tmp_path: Path) -> None:
    settings = load(environ={}, data=tmp_path, public_url="https://bank.example/")
    with noted(tmp_path, "127.0.0.1:5678"):
        assert web_url(settings) == "https://bank.example"


@pytest.mark.parametrize(
    ("listener", "url"), [("0.0.0.0:80", "http://127.0.0.1:80"), ("[::]:80", "http://[::1]:80"), ("h:1", "http://h:1")]
)
def test_a_server_on_every_address_is_called_by_this_machines_own(tmp_path: Path, listener: str, url: str) -> None:
    assert web_url(load(environ={}, data=tmp_path, http=listener)) == url


def test_a_folder_that_is_not_there_keeps_no_server_from_running(tmp_path: Path) -> None:
    with noted(tmp_path / "missing", "127.0.0.1:5678"):
        assert web_url(load(environ={}, data=tmp_path / "missing")) == "http://127.0.0.1:8080"


def test_a_server_answers_while_it_listens_and_its_note_alone_is_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, noted(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}"):
        running = answers(tmp_path)
        listener.close()
        killed = answers(tmp_path)

    assert (running, killed, answers(tmp_path)) == (True, False, False)
