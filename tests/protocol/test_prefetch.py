"""A prior reaches the reading station by C-STORE once its order was heard, before the new study comes."""

from datetime import timedelta
from pathlib import Path

from bank import keep
from imagebank.actions import orders
from imagebank.app import transfer_work
from imagebank.model.access import Scope
from imagebank.model.event import Act
from imagebank.model.order import Code, Order, Ordered, Patient
from imagebank.model.person import PatientId
from imagebank.worker import WORK
from make import a_file
from protocol.dimse_peers import a_site, a_storescp, register


def test_a_prior_is_on_the_station_before_the_new_study_comes(tmp_path: Path) -> None:
    file, station = tmp_path / "prefetch.toml", tmp_path / "station"
    file.write_text(
        "priors = 3\nwarm = true\nwarm_a_day = 9\nfresh_days = 7\nagain_days = 7\n[[push]]\ndevice = 'READ1'\n", "utf-8"
    )
    with a_storescp(station) as port, a_site(tmp_path / "bank", prefetch_file=file) as site:
        register(site, "READ1", port)
        about = {"StudyInstanceUID": "1.1", "StudyDate": "20260101", "StudyDescription": "CT HEAD"}
        keep(site.bank, a_file(PatientID="ADA", BodyPartExamined="", **about))
        ordered = Ordered(Code("", "CT HEAD WO", ""))
        ada = Patient(PatientId("local", "ADA"))
        orders.hear(
            site.bank, [Order("local", ada, site.bank.now(), filler="F1", modality="CT", ordered=ordered)], "RIS"
        )
        later = site.bank.now() + timedelta(minutes=1)
        wanted = {**WORK, **transfer_work()}
        for job in ("prefetch", "prefetch-push"):
            while (claimed := site.bank.jobs.claim([job], later, 60)) is not None:
                wanted[job](site.bank, claimed.payload)
                site.bank.jobs.finish(claimed)
        sent = [one for one in site.bank.index.events(Scope(None)) if one.act is Act.SENT]

    assert len(list(station.iterdir())) == 1
    assert [(one.principal, one.study, one.count) for one in sent] == [("prefetch", "1.1", 1)]
