"""What stands in the ledger of devices that search, and of those that are refused."""

from pathlib import Path

from bank import keep
from imagebank.model.access import Right, Scope
from imagebank.model.event import Act
from make import a_dataset, a_file
from protocol.dimse_peers import a_site, associate, dcmtk, register

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def test_searches_and_refusals_of_devices_stand_in_the_ledger(tmp_path: Path) -> None:
    asked = a_dataset(PixelData=None)
    asked.clear()
    asked.QueryRetrieveLevel, asked.PatientName, asked.StudyInstanceUID = "STUDY", "Doe*", ""
    with a_site(tmp_path, open_loopback=False) as site:
        keep(site.bank, a_file())
        register(site, "FINDER")
        register(site, "SENDER", rights=frozenset({Right.STORE}))
        dcmtk("echoscu", site, aet="STRANGER")
        for aet in ("FINDER", "SENDER"):
            association = associate(site, STUDY_FIND, aet=aet)
            list(association.send_c_find(asked, STUDY_FIND))
            association.release()
        site.bank.reads.flush()
        events = site.bank.index.events(Scope(organizations=None))

    noted = {(event.act, event.principal, event.detail) for event in events}
    assert (Act.SEARCHED, "FINDER", "C-FIND: study by PatientName") in noted
    assert (Act.REFUSED, "SENDER", "C-FIND: not allowed") in noted
    assert (Act.REFUSED, "STRANGER", "DIMSE: association rejected") in noted
    assert not any("Doe" in event.detail for event in events)
