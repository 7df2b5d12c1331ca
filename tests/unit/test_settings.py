"""Names that nobody reads are not passed over in silence."""

from pathlib import Path

import pytest

from imagebank.settings import SettingsError, environment, load, unknown_variables


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
