"""Which information object a picture, film or document becomes, and what that object has to say (PS3.3 annex A).

Chosen by the department and by what the file is. What nobody knows is left empty where the standard allows it, and
where it does not, the object is a Secondary Capture, which asks for nothing that a file cannot tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from PIL import ImageCms
from pydicom.dataset import Dataset

from imagebank.dicom.ecg import LEADS, Recording
from imagebank.dicom.kind import Kind
from imagebank.model.region import RETINA, WHOLE_BODY, Code
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department, Laterality, Technique

_CLASS: Final = "1.2.840.10008.5.1.4.1.1."
_FUNDUS_CAMERA: Final = Code("409898007", "SCT", "Fundus Camera")
_MILLIMETRE: Final = Code("mm", "UCUM", "mm")
_MICROVOLT: Final = Code("uV", "UCUM", "microvolt")


@dataclass(frozen=True, slots=True)
class Content:
    """What a file turned out to hold. Rows and frames are 0 for a document.

    `frame_ms` is how long a frame is shown, 0 for what does not move or does not say. `attributes` are those of the
    object, by keyword, that only the file knows.
    """

    kind: Kind
    rows: int = 0
    columns: int = 0
    samples: int = 0
    bits: int = 0
    frames: int = 0
    frame_ms: float = 0
    said: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    recording: Recording | None = None

    @property
    def is_film(self) -> bool:
        return self.kind.value.startswith("video/")

    @property
    def is_from_camera(self) -> bool:
        return bool(self.said.get("make") or self.said.get("model"))


@dataclass(frozen=True, slots=True)
class IOD:
    """An information object: its SOP class, its modality, and a function that adds what it has of its own."""

    sop_class: Uid
    modality: str
    fill: Callable[[Dataset, Content, About], None]


def iod_of(content: Content, about: About) -> IOD:
    """The object that a file becomes."""
    if content.recording is not None:
        return _ecg(content.recording)
    if content.kind in _DOCUMENTS:
        return _DOCUMENTS[content.kind]
    if content.is_film:
        return _FILMS.get(about.department, _FILMS[Department.OTHER])
    if content.frames == 1:
        return _still(content, about)
    return _TRUE_COLOUR if content.samples == 3 else _GREY_WORDS if content.bits > 8 else _GREY_BYTES


def _still(content: Content, about: About) -> IOD:
    if about.technique in _RADIOGRAPHS:
        return _RADIOGRAPHS[about.technique]
    if content.bits == 8 and content.samples == 3:
        return _PHOTOS.get(about.department, _PHOTO if content.is_from_camera else _CAPTURE)
    return _CAPTURE


def _item(code: Code) -> Sequence[Dataset]:
    """A code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return [item]


def _visible_light(ds: Dataset, _content: Content, about: About) -> None:
    """PS3.3 A.32: the VL Image module's own, and where it was taken of."""
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ""
    ds.AcquisitionContextSequence = []
    _where(ds, about)


def _where(ds: Dataset, about: About) -> None:
    """Region and side (PS3.3 10.5, C.7.3.1). A side that nobody said stands there empty, unless there is only one."""
    region, side = about.region, about.laterality
    if region is not None:
        ds.AnatomicRegionSequence = _item(region.code)
        ds.BodyPartExamined = region.term
    if side is not Laterality.UNKNOWN:
        ds.ImageLaterality = side.value
    elif region is None or region.is_paired:
        ds.Laterality = ""
    else:
        ds.ImageLaterality = "U"


def _film(ds: Dataset, content: Content, about: About) -> None:
    # PS3.3 A.32.5.3.1: a region is asked for in a film.
    _visible_light(ds, content, replace(about, region=about.region or WHOLE_BODY))
    _moving(ds, content)


def _moving(ds: Dataset, content: Content) -> None:
    """The Cine and Multi-frame modules (PS3.3 C.7.6.5, C.7.6.6)."""
    ds.NumberOfFrames = content.frames
    ds.FrameTime = f"{content.frame_ms or 1:.10g}"
    ds.FrameIncrementPointer = 0x00181063
    if content.frame_ms:
        ds.CineRate = max(1, round(1000 / content.frame_ms))


def _eye(ds: Dataset, content: Content, about: About) -> None:
    """Ophthalmic Photography 8 Bit (PS3.3 A.41): what only the camera would know is there and empty."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "", "COLOR"]
    ds.PatientOrientation = ""
    ds.ImageLaterality = about.laterality.value or "B"
    _moving(ds, content)
    ds.SynchronizationFrameOfReferenceUID = Uid.derived(ds.StudyInstanceUID, "synchronization")
    ds.SynchronizationTrigger, ds.AcquisitionTimeSynchronized = "NO TRIGGER", "N"
    ds.AcquisitionDateTime = f"{ds.ContentDate}{ds.ContentTime}"
    ds.BurnedInAnnotation = "NO"
    ds.AnatomicRegionSequence = _item((about.region or RETINA).code)
    ds.AcquisitionDeviceTypeCodeSequence = _item(_FUNDUS_CAMERA)
    ds.DetectorType = ""
    ds.PatientEyeMovementCommanded = ds.HorizontalFieldOfView = ds.PupilDilated = None
    ds.EmmetropicMagnification = ds.IntraOcularPressure = None
    ds.RefractiveStateSequence = ds.IlluminationTypeCodeSequence = ds.LensesCodeSequence = []
    ds.LightPathFilterTypeStackCodeSequence = ds.ImagePathFilterTypeStackCodeSequence = []


def _capture(ds: Dataset, content: Content, about: About) -> None:
    """PS3.3 A.8: a picture that nobody calls anything else. A scanned one cannot be told from a drawn one."""
    ds.ConversionType = "DI" if content.is_from_camera else "WSD"
    ds.PatientOrientation = ""
    _where(ds, about)


def _frames(ds: Dataset, content: Content, about: About) -> None:
    """The multi-frame Secondary Captures (PS3.3 A.8.2 to A.8.5)."""
    _capture(ds, content, about)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.BurnedInAnnotation = "YES"
    _moving(ds, content)
    if content.samples == 1:
        ds.PresentationLUTShape, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "IDENTITY", "0", "1", "US"


def _document(ds: Dataset, content: Content, about: About) -> None:
    """Encapsulated PDF and CDA (PS3.3 A.45)."""
    ds.SeriesNumber = 1
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.AcquisitionDateTime = None
    ds.DocumentTitle = about.description[:1024]
    ds.ConceptNameCodeSequence = []
    ds.MIMETypeOfEncapsulatedDocument = content.kind.value
    if content.kind is Kind.CDA:
        ds.MIMETypeOfEncapsulatedDocument = "text/XML"
        ds.HL7InstanceIdentifier = content.said["id"]


def _model(ds: Dataset, content: Content, about: About) -> None:
    """Encapsulated STL and OBJ (PS3.3 A.85): units are millimetres, which their makers mean and do not write."""
    ds.SeriesNumber = 1
    ds.ContentDescription = about.description[:64]
    ds.BurnedInAnnotation = "NO"
    ds.AcquisitionDateTime = None
    ds.DocumentTitle = about.description[:1024]
    ds.ConceptNameCodeSequence = []
    ds.FrameOfReferenceUID = Uid.derived(ds.SOPInstanceUID, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.MeasurementUnitsCodeSequence = _item(_MILLIMETRE)
    ds.ManufacturerModelName = ds.get("ManufacturerModelName") or "unknown"
    ds.DeviceSerialNumber = ds.get("DeviceSerialNumber") or "unknown"
    ds.SoftwareVersions = "unknown"
    ds.Manufacturer = ds.Manufacturer or "unknown"
    ds.MIMETypeOfEncapsulatedDocument = content.kind.value
    if content.kind is Kind.OBJ:
        # The colours of its materials are those of screens.
        ds.ICCProfile = _srgb()


def _ecg(recording: Recording) -> IOD:
    """The 12-lead ECG where it keeps to that one's bounds, the General or the Ambulatory ECG elsewhere (PS3.3 A.34.3)."""
    if recording.hertz < 200:
        return _AMBULATORY_ECG
    return _TWELVE_LEADS if len(recording.samples) <= 16_384 else _GENERAL_ECG


def _curves(ds: Dataset, content: Content, _about: About) -> None:
    """One multiplex group with all leads (PS3.3 C.10.8, C.10.9)."""
    recording = content.recording
    assert recording is not None, "an electrocardiogram has a recording"
    ds.AcquisitionDateTime = f"{ds.ContentDate}{ds.ContentTime}"
    ds.AcquisitionContextSequence = []
    ds.SynchronizationFrameOfReferenceUID = Uid.derived(ds.StudyInstanceUID, "synchronization")
    ds.SynchronizationTrigger, ds.AcquisitionTimeSynchronized = "NO TRIGGER", "N"
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(recording.leads)
    group.NumberOfWaveformSamples = len(recording.samples)
    group.SamplingFrequency = f"{recording.hertz:.10g}"
    group.ChannelDefinitionSequence = [_channel(lead, recording) for lead in recording.leads]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = recording.samples.tobytes()
    group["WaveformData"].VR = "OW"
    ds.WaveformSequence = [group]


def _channel(lead: str, recording: Recording) -> Dataset:
    channel = Dataset()
    channel.ChannelSourceSequence = _item(Code(LEADS[lead], "MDC", f"Lead {lead}"))
    channel.ChannelSensitivity = f"{recording.microvolts:.10g}"
    channel.ChannelSensitivityUnitsSequence = _item(_MICROVOLT)
    channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", "0"
    channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
    return channel


def _srgb() -> bytes:
    """A profile of the sRGB colour space, without the time at which it was made (ICC.1 7.2.8)."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]


def _iod(suffix: str, modality: str, fill: Callable[[Dataset, Content, About], None]) -> IOD:
    return IOD(Uid(_CLASS + suffix), modality, fill)


_PHOTO: Final = _iod("77.1.4", "XC", _visible_light)
_PHOTOS: Final = {
    Department.DENTAL: _PHOTO,
    Department.DERMATOLOGY: _PHOTO,
    Department.SURGERY: _PHOTO,
    Department.ENDOSCOPY: _iod("77.1.1", "ES", _visible_light),
    Department.OPHTHALMOLOGY: _iod("77.1.5.1", "OP", _eye),
    Department.PATHOLOGY: _iod("77.1.2", "GM", _visible_light),
}
_FILMS: Final = {
    Department.ENDOSCOPY: _iod("77.1.1.1", "ES", _film),
    Department.PATHOLOGY: _iod("77.1.2.1", "GM", _film),
    Department.OTHER: _iod("77.1.4.1", "XC", _film),
}
# A picture of a radiograph knows nothing of detector, dose or scale, which the objects of digital radiography demand.
_RADIOGRAPHS: Final = {
    Technique.XRAY: _iod("7", "RG", _capture),
    Technique.INTRA_ORAL: _iod("7", "IO", _capture),
    Technique.PANORAMIC: _iod("7", "PX", _capture),
}
_TWELVE_LEADS: Final = _iod("9.1.1", "ECG", _curves)
_GENERAL_ECG: Final = _iod("9.1.2", "ECG", _curves)
_AMBULATORY_ECG: Final = _iod("9.1.3", "ECG", _curves)
_CAPTURE: Final = _iod("7", "OT", _capture)
_GREY_BYTES: Final = _iod("7.2", "OT", _frames)
_GREY_WORDS: Final = _iod("7.3", "OT", _frames)
_TRUE_COLOUR: Final = _iod("7.4", "OT", _frames)
_DOCUMENTS: Final = {
    Kind.PDF: _iod("104.1", "DOC", _document),
    Kind.CDA: _iod("104.2", "DOC", _document),
    Kind.STL: _iod("104.3", "M3D", _model),
    Kind.OBJ: _iod("104.4", "M3D", _model),
}
