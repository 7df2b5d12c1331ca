"""Makes the files of an export, one item after another, and lays them out when all are there."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final
from zlib import crc32

from imagebank.actions import renditions, reports, retrieve, showing
from imagebank.actions.export_reading import Reader
from imagebank.actions.export_spool import Making
from imagebank.actions.export_survey import PDF
from imagebank.bank import Bank
from imagebank.dicom import directory, document, part10, render
from imagebank.dicom.frames import spans
from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from imagebank.errors import Invalid, NotFound, Unsupported
from imagebank.model.access import Scope
from imagebank.model.export import Asked, Format, Item, Kind, Lock, Member, Piece, Plan, StudyTold
from imagebank.model.imaging import Instance, Selection
from imagebank.model.report import STATUSES
from imagebank.model.uid import Uid
from imagebank.packing import cipher, disc, pages, zipping

_SIDE: Final = 1024
_BEST_SIDE: Final = 2048
_DOCUMENT: Final = "00420011"
_LABEL: Final = "IMAGEBANK"
# PS3.11 annex D and IHE PDI: on media of general purpose an object is in none of these.
_NOT_ON_MEDIA: Final = frozenset({IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE})
_INSIDE: Final = Scope(organizations=None)


class Maker:
    """Makes files of items. What is made is for nobody yet: who takes it is asked when it leaves."""

    def __init__(self, bank: Bank, place: Path, asked: Asked, making: Making) -> None:
        self._bank, self._asked, self._making = bank, asked, making
        self._reader = Reader(bank, place, self.instance)
        self._series: tuple[Uid, dict[Uid, Instance]] | None = None
        self._by_kind: dict[Kind, Callable[[Item], Iterator[Member]]] = {
            Kind.OBJECT: self._object,
            Kind.PICTURE: self._picture,
            Kind.FILM: self._film,
            Kind.DOCUMENT: self._document,
            Kind.REPORT: self._report,
        }

    def instance(self, number: int) -> Instance:
        """The object with this place, as it was when the export was begun. Raises NotFound when it is not so any more."""
        study, series, uid, digest = self._asked.objects[number]
        if self._series is None or self._series[0] != series:
            members = self._bank.index.instances(Selection(study, series), _INSIDE)
            self._series = series, {one.uid: one for one in members}
        found = self._series[1].get(uid)
        if found is None or str(found.digest) != digest:
            raise NotFound("an object was changed or deleted while this export was made; begin it anew")
        return found

    def make(self, item: Item) -> None:
        """Make the files of the next item. What cannot be made is told as a trouble, and the others are made."""
        try:
            made = [
                self._sealed(replace(one, kind=item.kind, series=item.series)) for one in self._by_kind[item.kind](item)
            ]
        except (Invalid, Unsupported) as error:
            made = [Member(item.name, trouble=f"{item.name}: {error}")]
        self._making.add(made)

    def _sealed(self, member: Member) -> Member:
        """The file with what its archive needs to know of its bytes, for which they are read once."""
        wish = self._asked.wish
        if wish.format is Format.ISO:
            return member
        if wish.password:
            salt = secrets.token_bytes(cipher.SALT_BYTES)
            keys = cipher.keys_of(wish.password, salt)
            code = cipher.Code(keys)
            for data in self._bytes(member):
                code.add(data)
            lock = Lock(salt, keys.verifier, code.value())
            return replace(member, lock=lock, pieces=tuple(replace(one, key=keys.cipher) for one in member.pieces))
        crc = 0
        for data in self._bytes(member):
            crc = crc32(data, crc)
        return replace(member, crc=crc)

    def _bytes(self, member: Member) -> Iterator[bytes]:
        for piece in member.pieces:
            yield from self._reader.plain(piece)

    def _object(self, item: Item) -> Iterator[Member]:
        instance = self.instance(item.number)
        pieces, syntax, trouble = self._on_medium(instance, item)
        data, found = retrieve.header(self._bank, instance)
        place = self._asked.wish.studies.index(instance.study) + 1
        otherwise = {"InstanceNumber": str(instance.number or item.number + 1), "PatientID": f"UNKNOWN-{place}"}
        described = directory.describe(data, found, instance.sop_class, otherwise)
        yield Member(
            item.name,
            pieces,
            record=described.kind,
            records=described.keys,
            # Of nobody knows whom, each study is another patient's.
            patient=f"{instance.patient.issuer}\0{instance.patient.identifier or instance.study}",
            uids=(instance.sop_class, instance.uid, syntax),
            trouble=trouble,
        )

    def _on_medium(self, instance: Instance, item: Item) -> tuple[tuple[Piece, ...], str, str]:
        """The pieces of an object's file in a transfer syntax that media have, that syntax, and what is wrong."""
        syntax, trouble = str(instance.transfer_syntax), ""
        if syntax in _NOT_ON_MEDIA:
            try:
                return self._converted(instance, item.number), EXPLICIT_LE, ""
            except (Invalid, Unsupported):
                trouble = f"{item.name}: it could not be written as Explicit VR Little Endian, and is as it came"
        piece = Piece(instance.location.size, object=item.number)
        if instance.dataset_offset:
            return (piece,), syntax, trouble
        head = part10.wrap(b"", sop_class=instance.sop_class, sop_uid=instance.uid, transfer_syntax=syntax)
        return (Piece(len(head), head), piece), syntax, trouble

    def _converted(self, instance: Instance, number: int) -> tuple[Piece, ...]:
        """The object in Explicit VR Little Endian. Pixels whose bytes are the same are taken from where they are."""
        whole, pixels = retrieve.in_syntax(self._bank, instance, EXPLICIT_LE), instance.pixels
        is_same = pixels is not None and pixels.direct and instance.transfer_syntax == IMPLICIT_LE
        tail = self._bank.blobs.read(instance.location, pixels.offset) if pixels is not None and is_same else b""
        if pixels is not None and tail and whole.endswith(tail):
            head = self._making.put([whole[: -len(tail)]], number)
            return (*head, Piece(len(tail), object=number, start=pixels.offset))
        return self._making.put([whole], number)

    def _picture(self, item: Item) -> Iterator[Member]:
        side = _SIDE if self._asked.wish.format.has_objects else _BEST_SIDE
        instance = self.instance(item.number)
        assert instance.pixels is not None
        # Nothing is made larger than it is.
        is_large = max(instance.pixels.rows, instance.pixels.columns) > side
        viewport = render.Viewport(side, side) if is_large else None
        picture = renditions.painted(
            self._bank, instance, render.Rendering(frames=(item.frame,), viewport=viewport, quality=85)
        )
        yield Member(item.name, self._making.put([picture], item.number), label=item.label)

    def _film(self, item: Item) -> Iterator[Member]:
        instance = self.instance(item.number)
        pixels = instance.pixels
        if pixels is None or not pixels.direct:
            raise Unsupported("the film is in the DICOM object alone")
        pieces = tuple(Piece(length, object=item.number, start=at) for at, length in spans(pixels, 0))
        if b"".join(self._reader.plain(pieces[0], 0, min(8, pieces[0].size)))[4:8] != b"ftyp":
            raise Unsupported("the film is no MP4 file, and is in the DICOM object alone")
        yield Member(item.name, pieces, label=item.label)

    def _document(self, item: Item) -> Iterator[Member]:
        instance = self.instance(item.number)
        if instance.sop_class == PDF:
            pdf = showing.harmless(self._bank, retrieve.bulk(self._bank, instance, _DOCUMENT))
            content = pdf.read(0, pdf.size)
        else:
            content = iter((document.plain(retrieve.attributes(self._bank, instance)).encode(),))
        yield Member(item.name, self._making.put(content, item.number), label=item.label)

    def _report(self, item: Item) -> Iterator[Member]:
        number, study = self._asked.reports[item.number]
        told = [one for one in self._bank.index.orders.reports(study, _INSIDE) if one.id == number]
        body = reports.body_of(self._bank, told[0]) if told else None
        if body is None:
            raise Invalid("this report cannot be read any more")
        about = next(place for place, one in enumerate(self._asked.objects) if one[0] == study)
        status = STATUSES.get(told[0].status, told[0].status)
        label = " · ".join(filter(None, (body.title or item.label, status, f"{told[0].event_at:%Y-%m-%d}")))
        for place, part in enumerate(body.parts):
            suffix = "pdf" if part.kind == "application/pdf" else "txt"
            content = self._harmless(part.content) if suffix == "pdf" else part.content
            is_disc = self._asked.wish.format.has_objects
            name = f"{item.name}{place:02}.{suffix.upper()}" if is_disc else f"{item.name}-{place + 1}.{suffix}"
            yield Member(name, self._making.put([content], about), label=label)

    def _harmless(self, document: bytes) -> bytes:
        shown = showing.harmless(
            self._bank, retrieve.Bulk(len(document), lambda start, end: iter((document[start:end],)))
        )
        return b"".join(shown.read(0, shown.size))

    def finish(self) -> Plan:
        """The layout of everything, with the pages and the table of contents that go with it."""
        members = [one for files in self._making.files for one in files if one.pieces]
        troubles = [one.trouble for files in self._making.files for one in files if one.trouble]
        wish = self._asked.wish
        if wish.format.has_objects:
            members = [*self._pages(members, troubles), *members]
        if not members:
            raise Invalid("there are no pictures in what was chosen; choose another form of export")
        pieces = disc.layout(members, _LABEL) if wish.format is Format.ISO else zipping.layout(members, self._asked.at)
        return Plan(tuple(pieces), self._tag(members), len(members))

    def _tag(self, members: Sequence[Member]) -> str:
        """What tells one content from another. Without salts and clocks the same content is the same, made again."""
        wish, digest = self._asked.wish, blake2b(digest_size=16)
        for member in members:
            digest.update(f"{member.name}\0{member.size}\0{member.crc}\0".encode())
        if wish.password or wish.format is Format.ISO:
            digest.update(secrets.token_bytes(16))
        return digest.hexdigest()

    def _pages(self, members: Sequence[Member], troubles: Sequence[str]) -> list[Member]:
        """What stands beside the objects and their pictures."""
        asked = self._asked
        language = pages.Language(asked.wish.language, asked.wish.words)
        objects = [one for one in members if one.record]
        files = {
            "README.TXT": pages.readme(
                f"{asked.at.astimezone(self._bank.settings.zone):%Y-%m-%d}", len(objects), asked.told, troubles
            ),
            "INDEX.HTM": pages.index(language, asked.told, members),
            "DICOMDIR": self._directory(objects),
            f"{pages.FOLDER}/VIEWER.CSS": pages.STYLE.encode(),
            f"{pages.FOLDER}/VIEWER.JS": pages.SCRIPT.encode(),
        }
        for place, seen in _by_series(members).items():
            files[pages.page_of(place)] = pages.series(language, _study_of(asked.told, place), place, seen)
        return [self._sealed(Member(name, self._making.put([content], 0))) for name, content in files.items()]

    def _directory(self, objects: Sequence[Member]) -> bytes:
        names = {item.name: item.number for item in self._asked.items if item.kind is Kind.OBJECT}
        entries = []
        for one in objects:
            study, series, _, _ = self._asked.objects[names[one.name]]
            described = directory.Described(
                one.record, (one.records[0], one.records[1], one.records[2], one.records[3])
            )
            above = (one.patient, str(study), str(series))
            entries.append(directory.Entry(tuple(one.name.split("/")), *one.uids, above, described))
        uid = f"2.25.{int.from_bytes(blake2b(repr(self._asked.objects).encode(), digest_size=16).digest())}"
        return directory.write(entries, uid, _LABEL)


def _by_series(members: Sequence[Member]) -> dict[int, list[Member]]:
    found: dict[int, list[Member]] = {}
    for member in members:
        if member.kind is Kind.PICTURE:
            found.setdefault(member.series, []).append(member)
    return found


def _study_of(told: Sequence[StudyTold], place: int) -> StudyTold:
    return next(one for one in told if one.first <= place < one.first + len(one.series))
