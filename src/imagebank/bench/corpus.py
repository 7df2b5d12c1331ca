"""The corpus: files of studies that nobody had. The same seed and scale make the same bytes on every machine."""

import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from imagebank.bench import headers
from imagebank.model.uid import Uid

_FIRST_DAY: Final = date(2026, 1, 1)
_DAYS: Final = 120
"""Over how many days the small studies are spread."""
_FAMILIES: Final = 400
_SYLLABLES: Final = ("ba", "do", "fi", "ger", "hul", "ka", "len", "mo", "nar", "pe", "ros", "sti", "tur", "vel", "win")
LOOP_FRAMES: Final = 60


@dataclass(frozen=True, slots=True)
class Item:
    """One file. `pixels` is the SHA-256 of its pixel data, `frame` that of its first frame."""

    path: Path
    patient: str
    name: str
    day: str
    study: str
    series: str
    instance: str
    sop_class: str
    size: int
    pixels: str
    frame: str
    frames: int
    pixel_bytes: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """`parts` by name. Each part has one folder for each of its senders, with the files that it sends in order."""

    folder: Path
    seed: int
    scale: float
    parts: Mapping[str, tuple[tuple[Item, ...], ...]]

    def of(self, part: str) -> list[Item]:
        return [item for sender in self.parts[part] for item in sender]


@dataclass(frozen=True, slots=True)
class _Study:
    """What the files of one study have in common. `words` make its UIDs."""

    words: str
    patient: str
    name: str
    day: date
    modality: str
    birth: date = date(1970, 1, 1)
    sex: str = "O"


PARTS: Final = ("series", "devices", "request", "clients", "mr", "dx", "us", "small")


def make(
    folder: Path,
    seed: int,
    scale: float,
    parts: Collection[str] = PARTS,
    told: Callable[[str], None] = lambda _: None,
) -> Corpus:
    """Write the files of some parts. All of them are 1.2 GB at scale 1."""
    made = {}
    for name in PARTS:
        if name in parts:
            told(f"corpus: {name}")
            senders = enumerate(_senders(name, seed, scale))
            made[name] = tuple(_written(folder / name / str(number), one) for number, one in senders)
    return Corpus(folder, seed, scale, made)


def _senders(part: str, seed: int, scale: float) -> list[Iterator[tuple[_Study, Dataset]]]:
    """The studies of a part, one for each who sends at the same time."""

    def many(number: int, least: int) -> int:
        return max(least, round(number * scale))

    made: dict[str, Callable[[], list[Iterator[tuple[_Study, Dataset]]]]] = {
        "series": lambda: [_ct(seed, part, many(1000, 8))],
        "devices": lambda: [_ct(seed, f"{part} {number}", many(100, 2)) for number in range(4)],
        "request": lambda: [_ct(seed, part, many(200, 10))],
        "clients": lambda: [_ct(seed, f"{part} {number}", many(50, 10)) for number in range(4)],
        "mr": lambda: [_mr(seed, part, many(100, 2))],
        "dx": lambda: [_dx(seed, many(10, 2))],
        "us": lambda: [_us(seed)],
        "small": lambda: [_small(seed, many(2000, 60))],
    }
    return made[part]()


def _written(folder: Path, files: Iterator[tuple[_Study, Dataset]]) -> tuple[Item, ...]:
    folder.mkdir(parents=True)
    return tuple(_kept(folder / f"{number:05d}.dcm", *one) for number, one in enumerate(files))


def _kept(path: Path, study: _Study, ds: Dataset) -> Item:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    with io.BytesIO() as stream:
        dcmwrite(stream, ds, enforce_file_format=True)
        file = stream.getvalue()
    path.write_bytes(file)
    pixels = ds.PixelData
    frames = int(ds.get("NumberOfFrames", 1))
    frame = pixels[: len(pixels) // frames]
    uids = (str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID), str(ds.SOPClassUID))
    digests = (hashlib.sha256(pixels).hexdigest(), hashlib.sha256(frame).hexdigest())
    return Item(path, study.patient, study.name, _day(study.day), *uids, len(file), *digests, frames, len(pixels))


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def _of(seed: int, study: _Study, sop_class: str, number: int) -> Dataset:
    uid = Uid.derived("corpus", seed, study.words)
    ds = Dataset()
    ds.SOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = Uid.derived(uid, "instance", number)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid, Uid.derived(uid, "series")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _day(study.day)
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber = f"A{study.patient}"
    ds.Modality, ds.Manufacturer, ds.PatientOrientation = study.modality, "Imagebank", ""
    ds.StudyDescription = f"{study.modality} of nobody"
    ds.SeriesDescription = "Corpus"
    ds.PatientName, ds.PatientID = study.name, study.patient
    ds.PatientBirthDate, ds.PatientSex = _day(study.birth), study.sex
    ds.ReferringPhysicianName = "Referring^Robin"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, number
    return ds


def _large(words: str, modality: str) -> _Study:
    """One of the studies with large objects; no small study has its patient or its name."""
    return _Study(words, f"L{Uid.derived(words)[-8:]}", "Large^Corpus", _FIRST_DAY, modality)


def _rng(seed: int, *words: object) -> np.random.Generator:
    digest = hashlib.sha256(repr((seed, *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _ct(seed: int, words: str, slices: int) -> Iterator[tuple[_Study, Dataset]]:
    study, body = _large(words, "CT"), _body(512, 24, 1064)
    ds = _of(seed, study, CTImageStorage, 1)
    ds.FrameOfReferenceUID = Uid.derived(ds.StudyInstanceUID, "frame of reference")
    ds.BodyPartExamined, ds.PixelSpacing = "CHEST", ["0.703125", "0.703125"]
    ds.ImagePositionPatient, ds.SliceLocation = ["0", "0", "0"], "0"
    _pixels(ds, body, 12)
    headers.scanner(ds, _rng(seed, words))
    for number in range(1, slices + 1):
        ds.SOPInstanceUID, ds.InstanceNumber = Uid.derived(ds.StudyInstanceUID, "instance", number), number
        place = f"{number * 0.625:.3f}"
        ds.ImagePositionPatient, ds.SliceLocation = ["-180.0", "-180.0", place], place
        ds.AcquisitionTime = ds.ContentTime = f"1015{number % 60:02d}.{number:06d}"
        ds.PixelData = _noisy(body, 20, _rng(seed, words, number), 4095)
        yield study, ds


def _mr(seed: int, words: str, slices: int) -> Iterator[tuple[_Study, Dataset]]:
    study, body = _large(words, "MR"), _body(256, 0, 900)
    for number in range(1, slices + 1):
        ds = _of(seed, study, MRImageStorage, number)
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "500", "15", 1
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.WindowCenter, ds.WindowWidth = [1, 1], "600", "1200"
        _pixels(ds, body, 12)
        ds.PixelData = _noisy(body, 20, _rng(seed, words, number), 4095)
        yield study, ds


def _dx(seed: int, pictures: int) -> Iterator[tuple[_Study, Dataset]]:
    study, body = _large("dx", "DX"), _body(2048, 300, 9000)
    for number in range(1, pictures + 1):
        ds = _of(seed, study, DigitalXRayImageStorageForPresentation, number)
        ds.ImageType, ds.LossyImageCompression = ["ORIGINAL", "PRIMARY"], "00"
        ds.PresentationIntentType, ds.BodyPartExamined, ds.ViewPosition = "FOR PRESENTATION", "CHEST", "PA"
        ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
        ds.WindowCenter, ds.WindowWidth, ds.PresentationLUTShape = "6000", "12000", "IDENTITY"
        _pixels(ds, body, 14)
        ds.PixelData = _noisy(body, 60, _rng(seed, "dx", number), 16383)
        yield study, ds


def _us(seed: int) -> Iterator[tuple[_Study, Dataset]]:
    study, shape = _large("us", "US"), (480, 640, 3)
    ds = _of(seed, study, UltrasoundMultiFrameImageStorage, 1)
    ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = LOOP_FRAMES, "40", 0x00181063
    ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 3, 0, "RGB"
    ds.Rows, ds.Columns = shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    speckle = _rng(seed, "us").integers(20, 160, shape[:2], dtype=np.uint8)
    frames = (np.repeat(np.roll(speckle, number, 0)[..., None], 3, 2) for number in range(LOOP_FRAMES))
    ds.PixelData = b"".join(frame.tobytes() for frame in frames)
    ds["PixelData"].VR = "OB"
    yield study, ds


def _small(seed: int, studies: int) -> Iterator[tuple[_Study, Dataset]]:
    """Studies of one small image each, so that an index has something to search."""
    body = _body(32, 24, 1064)
    families = list(dict.fromkeys(_name(_rng(seed, "family", number), 3) for number in range(2 * _FAMILIES)))[
        :_FAMILIES
    ]
    for number in range(studies):
        rng = _rng(seed, "person", number)
        birth, sex = date(1930, 1, 1) + timedelta(int(rng.integers(30_000))), "FM"[int(rng.integers(2))]
        name, day = f"{families[number % _FAMILIES]}^{_name(rng, 2)}", _FIRST_DAY + timedelta(number * 7 % _DAYS)
        study = _Study(f"small {number}", f"S{number:06d}", name, day, "CT", birth, sex)
        ds = _of(seed, study, CTImageStorage, 1)
        ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
        _pixels(ds, body, 12)
        ds.PixelData = _noisy(body, 14, _rng(seed, "small", number), 4095)
        yield study, ds


def _name(rng: np.random.Generator, syllables: int) -> str:
    return "".join(_SYLLABLES[int(one)] for one in rng.integers(len(_SYLLABLES), size=syllables)).capitalize()


def _pixels(ds: Dataset, image: np.ndarray[Any, Any], bits: int) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0


def _body(size: int, around: float, within: float) -> np.ndarray[Any, Any]:
    """A trunk with two lungs and a spine; what lies outside the circle that a scanner reconstructs is 0."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    image = np.full((size, size), around, dtype=np.float32)
    image[x**2 / 0.7 + y**2 / 0.4 < 1] = within
    for side in (-1, 1):
        image[(x - side * 0.4) ** 2 / 0.07 + y**2 / 0.18 < 1] = within * 0.2 + around
    image[x**2 / 0.01 + (y - 0.45) ** 2 / 0.01 < 1] = within * 1.6
    image[x**2 + y**2 >= 1] = 0
    return image


def _noisy(image: np.ndarray[Any, Any], sigma: float, rng: np.random.Generator, most: int) -> bytes:
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(sigma)
    return np.clip(np.where(image > 0, image + noise, 0), 0, most).astype("<u2").tobytes()
