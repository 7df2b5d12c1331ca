"""What a deposited study tells of its patient: read from an object's header, after the deposit."""

from typing import Any, Final

from imagebank.actions import open_file, persons
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import DataSet, Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid

_NAME: Final = "00100010"
_BIRTH_DATE: Final = "00100030"
_SEX: Final = "00100040"
_ADDRESS: Final = "00101040"
_PHONE: Final = "00102154"
_MOTHER: Final = "00101060"
_OTHERS: Final = "00101002"
_IDENTIFIER: Final = "00100020"
_ISSUER: Final = "00100021"


@InSteps
def hear_job(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """What the job `hear` does; a study that went meanwhile tells nothing, and hearing it again changes nothing."""
    found = bank.index.instances(Selection(study=Uid(payload["study"])), Scope(organizations=None))
    if not found or not found[0].patient.identifier:
        return
    try:
        header = _header(bank, found[0].location)
    except NotFound:
        return  # destroyed since its row was read
    yield from persons.hearing(bank, identity_of(found[0].patient, header))


def _header(bank: Bank, location: Any) -> DataSet:
    from imagebank.dicom.dicomjson import to_json  # noqa: PLC0415 - so that a command that only looks loads no parser
    from imagebank.dicom.read import Converted, open_header  # noqa: PLC0415 - the same

    with memoryview(open_file.opened(bank, location)) as data:
        opened = open_header(data)
        if isinstance(opened, Converted):
            return to_json(opened.data, opened.header, bulk=str)
        return to_json(data, opened, bulk=str)


def identity_of(patient: PatientId, header: DataSet) -> Identity:
    """The demographics in an object's header, as the record of this patient."""
    return Identity(
        patient,
        _name(header, _NAME),
        _text(header, _BIRTH_DATE),
        _text(header, _SEX),
        _text(header, _ADDRESS),
        _text(header, _PHONE),
        _name(header, _MOTHER).alphabetic,
        tuple(dict.fromkeys(each for item in _values(header, _OTHERS) for each in _identifier(item))),
        Origin.DICOM,
    )


def _identifier(item: Any) -> list[PatientId]:
    """An identifier of an item of OtherPatientIDsSequence, where it says who issued it."""
    issuer, identifier = _text(item, _ISSUER), _text(item, _IDENTIFIER)
    return [PatientId(issuer, identifier)] if issuer and identifier else []


def _values(dataset: DataSet, key: str) -> list[Any]:
    return [value for value in (dataset.get(key) or {}).get("Value") or () if value is not None]


def _text(dataset: DataSet, key: str) -> str:
    return next((str(value).strip(" \0") for value in _values(dataset, key) if isinstance(value, str)), "")


def _name(dataset: DataSet, key: str) -> PersonName:
    value = next(iter(_values(dataset, key)), None)
    if not isinstance(value, dict):
        return PersonName()
    return PersonName(*(str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")))
