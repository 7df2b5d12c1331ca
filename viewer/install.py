"""Prepare the viewer and the fonts: fetch pinned packages, keep what is needed, patch, add our files, compress.

Needs Python's standard library, npm and node. `patches.toml` says what; a second run finds its stamp and ends at once.
"""

import base64
import fnmatch
import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".cache" / "viewer"
OUTPUT = ROOT / "src" / "imagebank" / "portal" / "viewer"
OURS = (
    *("boot.js", "app-config.js", "emergency.js", "shared.js", "pair.js", "bars.css", "phone.css"),
    *("closed.html", "missing.html"),
)
COMPRESSED = {".js", ".css", ".html", ".json", ".svg", ".wasm", ".txt", ".xml", ".webapp", ".ico"}
LARGEST_FILE = 64 << 20


class InstallError(Exception):
    """The viewer cannot be prepared. The message says what differs and what to do."""


def main() -> int:
    plan = tomllib.loads((HERE / "patches.toml").read_text("utf-8"))
    stamp = _stamp()
    if (OUTPUT / ".stamp").is_file() and (OUTPUT / ".stamp").read_text("utf-8") == stamp:
        return 0
    try:
        with tempfile.TemporaryDirectory(dir=OUTPUT.parent, prefix=".viewer-") as scratch:
            folder = Path(scratch) / "viewer"
            _prepare(plan, folder)
            (folder / ".stamp").write_text(stamp, "utf-8")
            shutil.rmtree(OUTPUT, ignore_errors=True)
            folder.rename(OUTPUT)
    except InstallError as error:
        sys.stderr.write(f"viewer: {error}\n")
        return 1
    return 0


def _stamp() -> str:
    """A digest of everything that decides the output."""
    digest = hashlib.sha256()
    for name in ("install.py", "patches.toml", "compile.mjs", *OURS):
        digest.update(hashlib.sha256((HERE / name).read_bytes()).digest())
    return digest.hexdigest()


def _prepare(plan: dict[str, Any], folder: Path) -> None:
    for package in plan["package"]:
        _unpack(package, _fetch(package), folder)
    for change in plan["replace"]:
        _replace(folder, change)
    for name in OURS:
        shutil.copyfile(HERE / name, folder / name)
    _compile(folder)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_compress, sorted(p for p in folder.rglob("*") if p.suffix in COMPRESSED)))


def _fetch(package: dict[str, Any]) -> Path:
    """The package's tarball, from the cache or by npm, with its digest checked."""
    wanted = f"{package['name']}@{package['version']}"
    CACHE.mkdir(parents=True, exist_ok=True)
    file = CACHE / f"{package['name'].lstrip('@').replace('/', '-')}-{package['version']}.tgz"
    if not file.is_file():
        npm = _program("npm")
        command = [npm, "pack", wanted, "--silent", "--ignore-scripts", "--pack-destination", str(CACHE)]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=CACHE, timeout=600)  # noqa: S603  fixed words and a pinned name
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise InstallError(f"npm did not bring {wanted}; check the network or npm's registry setting") from error
    found = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if found != package["integrity"]:
        file.unlink()
        raise InstallError(f"{wanted} is not the package that was pinned (it is {found}); it was thrown away")
    return file


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise InstallError(f"{name} is missing: install Node 20 (`apt install nodejs npm`) and run this again")
    return path


def _unpack(package: dict[str, Any], tarball: Path, folder: Path) -> None:
    """Write the files that are kept. Only plain files with plain names are ever written."""
    count = 0
    with tarfile.open(tarball, "r:gz") as archive:
        for member, target in _kept(package, archive):
            source = archive.extractfile(member)
            if source is None or member.size > LARGEST_FILE:
                raise InstallError(f"{member.name} is no plain file of a sane size")
            place = folder / target
            place.parent.mkdir(parents=True, exist_ok=True)
            with source, place.open("wb") as out:
                shutil.copyfileobj(source, out)
            count += 1
    if count != package["kept_files"]:
        raise InstallError(f"{package['name']}: {count} files would be kept, {package['kept_files']} are expected")


def _kept(package: dict[str, Any], archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    for member in archive:
        name = member.name.removeprefix("package/")
        if not member.isreg() or name.startswith("/") or ".." in name.split("/"):
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in package["leave_out"]):
            continue
        for source, target in package["keep"].items():
            if name == source:
                yield member, target
            elif source.endswith("/") and name.startswith(source):
                yield member, target + name.removeprefix(source)


def _replace(folder: Path, change: dict[str, Any]) -> None:
    files = sorted(folder.glob(change["file"]))
    if len(files) != 1:
        raise InstallError(f"{change['file']} names {len(files)} files, not one")
    text = files[0].read_text("utf-8")
    if (found := text.count(change["from"])) != change["count"]:
        raise InstallError(f"{files[0].name} has {change['from']!r} {found} times, not {change['count']} times")
    files[0].write_text(text.replace(change["from"], change["to"]), "utf-8")


def _compile(folder: Path) -> None:
    """Write compiled.js; compile.mjs says why."""
    bundles = sorted(folder.glob("9383.bundle.*.js"))
    if len(bundles) != 1:
        raise InstallError("the bundle with ndarray (9383) is not there")
    command = [_program("node"), str(HERE / "compile.mjs"), str(bundles[0])]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)  # noqa: S603  our own script
    if done.returncode:
        raise InstallError(f"compile.mjs failed: {done.stderr.decode(errors='replace').strip()}")
    (folder / "compiled.js").write_bytes(done.stdout)


def _compress(file: Path) -> None:
    """Put a gzip form beside a file, when it is worth sending."""
    content = file.read_bytes()
    small = gzip.compress(content, 9, mtime=0)
    if len(small) < len(content) * 0.95:
        file.with_name(file.name + ".gz").write_bytes(small)


if __name__ == "__main__":
    sys.exit(main())
