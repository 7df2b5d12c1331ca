"""Preparing the viewer: what differs from the plan stops it."""

import importlib.util
import io
import re
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "viewer" / "install.py"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("viewer_install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_tarball(file: Path, *members: tarfile.TarInfo | str) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = 4 if info.isreg() else 0
            archive.addfile(info, io.BytesIO(b"text") if info.isreg() else None)
    return file


def a_package(**changes: Any) -> dict[str, Any]:
    return {
        "name": "p",
        "version": "1",
        "integrity": "",
        "kept_files": 1,
        "keep": {"dist/": ""},
        "leave_out": [],
        **changes,
    }


def a_link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_a_text_that_occurs_more_or_less_often_stops_it(install: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("one one", "utf-8")
    change = {"file": "a.js", "from": "one", "to": "two"}

    for count in (1, 3):
        with pytest.raises(install.InstallError, match="2 times"):
            install._replace(tmp_path, {**change, "count": count})
    install._replace(tmp_path, {**change, "count": 2})
    assert (tmp_path / "a.js").read_text("utf-8") == "two two"


def test_a_pattern_has_to_name_one_file(install: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(install.InstallError, match="names 0 files"):
        install._replace(tmp_path, {"file": "app.*.js", "from": "x", "to": "y", "count": 1})


def test_only_plain_files_inside_the_folder_are_written(install: ModuleType, tmp_path: Path) -> None:
    hostile: list[tarfile.TarInfo | str] = [
        "package/dist/../../evil.js",
        "/package/dist/evil.js",
        a_link("package/dist/link.js", "/etc/passwd"),
    ]
    tarball = a_tarball(tmp_path / "p.tgz", "package/dist/good.js", "package/other.js", *hostile)

    install._unpack(a_package(), tarball, tmp_path / "out")

    assert [p.name for p in tmp_path.rglob("*.js")] == ["good.js"]


def test_a_package_with_other_files_than_expected_stops_it(install: ModuleType, tmp_path: Path) -> None:
    tarball = a_tarball(tmp_path / "p.tgz", "package/dist/a.js", "package/dist/b.js")

    with pytest.raises(install.InstallError, match="2 files would be kept"):
        install._unpack(a_package(), tarball, tmp_path / "out")


def test_a_package_with_another_digest_is_thrown_away(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "CACHE", tmp_path)
    tarball = a_tarball(tmp_path / "p-1.tgz", "package/dist/a.js")

    with pytest.raises(install.InstallError, match="not the package that was pinned"):
        install._fetch(a_package(integrity="sha512-AAAA"))
    assert not tarball.exists()


def test_the_prepared_page_has_no_inline_script_and_nothing_outside_its_folder(install: ModuleType) -> None:
    index = install.OUTPUT / "index.html"
    if not index.is_file():
        pytest.fail("the viewer is not prepared: run `make`")
    page = index.read_text("utf-8")

    assert re.findall(r"<script[^>]*>[^<]", page) == []
    assert re.findall(r'(?:href|src)="(?!/viewer/)[^"]*"', page) == []
    for name in re.findall(r'src="/viewer/([^"]+)"', page):
        assert (install.OUTPUT / name).is_file()
