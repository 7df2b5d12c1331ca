"""Names that nobody reads are not passed over in silence."""

from pathlib import Path

import pytest

from imagebank.app import opened
from imagebank.settings import ReportDelay, SettingsError, environment, load, unknown_variables


@pytest.mark.parametrize(
    ("line", "named"), [("max_asociations = 5", "max_associations"), ("[dimse_tsl]", "dimse_tls"), ("colour = 1", "")]
)
def test_an_unknown_key_is_refused_with_the_nearest_that_is_known(tmp_path: Path, line: str, named: str) -> None:
    file = tmp_path / "imagebank.toml"
    file.write_text(line + "\n")
    with pytest.raises(SettingsError) as refused:
        load(file, environ={})

    assert line.partition(" ")[0].strip("[]") in str(refused.value)
    assert ("did you mean" in str(refused.value)) == bool(named)
    assert named in str(refused.value)


def test_unknown_variables_are_told_with_the_nearest_that_is_known() -> None:
    names = ("IMAGEBANK_DATBASE", "IMAGEBANK_HTTP", "IMAGEBANK_Data", "IMAGEBANK_COLOUR", "PATH")

    assert unknown_variables(dict.fromkeys(names, "secret")) == [
        "IMAGEBANK_COLOUR",
        "IMAGEBANK_DATBASE (did you mean IMAGEBANK_DATABASE?)",
        "IMAGEBANK_Data (did you mean IMAGEBANK_DATA?)",
    ]


def test_a_child_reads_from_its_environment_what_its_parent_was_given(tmp_path: Path) -> None:
    settings = load(environ={}, data=tmp_path, attributes=["study:InstitutionName"], open_loopback=True)
    given = environment(settings, {"PATH": "z", "IMAGEBANK_DATBASE": "x", "IMAGEBANK_S3_REGION": "elsewhere"})

    assert load(environ=given) == settings
    assert not unknown_variables(given)
    assert given["PATH"] == "z"


def test_a_value_of_the_wrong_kind_is_told_with_its_setting_and_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "imagebank.toml"
    file.write_text('web_workers = "many"\n')
    with pytest.raises(SettingsError, match=rf"web_workers is set to 'many' in {file}: .*int"):
        load(file, environ={})
    with pytest.raises(SettingsError, match=r"web_workers is set to 'few' by the variable IMAGEBANK_WEB_WORKERS"):
        load(file, environ={"IMAGEBANK_WEB_WORKERS": "few"})
    with pytest.raises(SettingsError, match=r"dimse_timeout_s is set to 'long' by --dimse-timeout-s"):
        load(environ={}, dimse_timeout_s="long")


def test_a_secret_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "imagebank.toml"
    file.write_text("s3_secret_key = 4711\n")
    with pytest.raises(SettingsError) as refused:
        load(file, environ={})

    assert "s3_secret_key" in str(refused.value)
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = ", None])
def test_a_file_that_is_no_settings_file_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "imagebank.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"imagebank\.toml"):
        load(file, environ={})


def test_a_time_zone_is_one_that_is_known() -> None:
    assert str(load(environ={}).zone) == "UTC"
    assert str(load(environ={}, time_zone="Europe/Berlin").zone) == "Europe/Berlin"
    for odd in ("Europe/Bärlin", "../etc/passwd", "/etc/localtime", "", "CEST+1"):
        with pytest.raises(SettingsError, match="no time zone is called"):
            load(environ={}, time_zone=odd)


def test_delays_of_reports_are_tables_of_the_file_and_json_for_children(tmp_path: Path) -> None:
    file = tmp_path / "imagebank.toml"
    file.write_text('[[report_delays]]\ntypes = ["pathology"]\nhours = 72\nreason = "first, a doctor"\n')
    read = load(file, environ={})
    again = load(environ=environment(read, {}))

    assert read.report_delays == (ReportDelay(("pathology",), 72, "first, a doctor"),)
    assert again.report_delays == read.report_delays
    assert load(environ={"IMAGEBANK_REPORT_DELAYS": ""}).report_delays == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "no JSON"), ('[{"hour": 1}]', "report_delays"), ('[{"hours": "x"}]', "report_delays")],
)
def test_delays_that_cannot_be_read_end_the_start(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(environ={"IMAGEBANK_REPORT_DELAYS": text})


def test_a_delay_without_a_reason_ends_the_start_in_clear_words(tmp_path: Path) -> None:
    given = load(environ={}, data=tmp_path / "bank", report_delays=[{"types": ["pathology"], "hours": 72}])
    with pytest.raises(SettingsError, match="report_delays: the delay for pathology has no reason"), opened(given):
        pass
