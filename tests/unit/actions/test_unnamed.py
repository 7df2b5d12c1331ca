"""Files that no crash leaves behind."""

import os
from pathlib import Path

from imagebank.actions.unnamed import unnamed_file, write_all


def test_a_file_without_a_name_holds_all_that_was_written_and_lies_in_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    for file in (unnamed_file(folder), unnamed_file()):
        with file:
            write_all(file, b"a" * (1 << 20))
            write_all(file, memoryview(b"b"))

            assert os.fstat(file.fileno()).st_size == (1 << 20) + 1
            assert os.fstat(file.fileno()).st_nlink == 0
    assert list(folder.iterdir()) == []
