"""Values about what is kept."""

from imagebank.model.imaging import Digest


def test_a_digest_is_written_with_the_name_of_its_algorithm() -> None:
    assert str(Digest("blake3", b"\x5f\x00")) == "blake3:5f00"
