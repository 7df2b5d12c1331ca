"""Sample files with pixels, second opinions on them, and files made from arrays."""

import subprocess
import warnings
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from samples import sample_data

SETS = (
    "transfer-syntaxes",
    "us-multiframe",
    "xa",
    "mg",
    "cr-dx",
    "secondary-capture",
    "mr-enhanced",
    "mr-other",
    "nm-pt",
    "dental",
    "endoscopy",
    "pathology",
    "rt-small",
    "ct-abdomen-seg",
    "ct-other",
    "objects",
    "ophthalmic",
)
NO_FREE_REFERENCE = ("4.51", "4.53", "4.55", "4.57", "4.70", "4.201", "4.203", "4.100", "4.102")
"""Ends of transfer syntaxes for which no second free decoder is installed."""


def dataset(file: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file, force=True)


def has_pixels(ds: Dataset) -> bool:
    return any(keyword in ds for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


@lru_cache
def images() -> list[Path]:
    """Every sample image, in a stable order."""
    root = sample_data()
    files = (p for folder in SETS for p in sorted((root / folder).rglob("*")) if p.is_file())
    return [p for p in files if has_pixels(dataset(p))]


@lru_cache
def syntax(file: Path) -> str:
    """The transfer syntax that the file names."""
    return str(dataset(file).file_meta.TransferSyntaxUID)


def name(file: Path) -> str:
    return str(file.relative_to(sample_data()))


def reference(ds: Dataset) -> NDArray[Any]:
    """What pydicom with its free plug-ins decodes, as (frames, rows, columns, samples)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = ds.pixel_array
    return cells.reshape(-1, ds.Rows, ds.Columns, ds.get("SamplesPerPixel", 1))


def dcmtk_decoded(file: Path, folder: Path) -> Dataset:
    """The JPEG file decompressed by dcmtk."""
    out = folder / "plain.dcm"
    subprocess.run(["dcmdjpeg", str(file), str(out)], check=True, capture_output=True)
    return dataset(out)


def image(cells: NDArray[Any], *, stored: int | None = None, **attributes: Any) -> bytes:
    """A secondary capture of an array (rows, columns), (rows, columns, 3) or, with NumberOfFrames, more of them."""
    implicit = attributes.pop("implicit", False)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    is_colour = cells.shape[-1] == 3 and cells.ndim > 2
    ds.Rows, ds.Columns = cells.shape[-3:-1] if is_colour else cells.shape[-2:]
    ds.SamplesPerPixel = 3 if is_colour else 1
    ds.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = cells.dtype.itemsize * 8
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(cells.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.PixelData = cells.tobytes() + b"\0" * (cells.nbytes % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def noise(*shape: int) -> NDArray[np.uint8]:
    """Cells that follow from their shape, smooth enough to have long and short codes."""
    rng = np.random.default_rng(shape)
    slope = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) / 11
    return ((slope[(..., *[None] * (len(shape) - 2))] + rng.integers(0, 40, shape)) % 256).astype(np.uint8)


def at_once(cells: NDArray[np.uint8], quality: int = 90) -> bytes:
    """A JPEG picture in one piece, by Pillow."""
    out = BytesIO()
    chroma = -1 if cells.ndim == 2 else 0 if quality >= 90 else 2
    Image.fromarray(cells).save(out, "JPEG", quality=quality, subsampling=chroma)
    return out.getvalue()
