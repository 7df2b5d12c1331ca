"""A SOP class is kept or refused alike by whatever way its objects come."""

from collections.abc import Iterator

import httpx
import pytest
from pydicom import Dataset

from bank import a_token, bearer, keep
from make import a_file, read
from protocol.dicomweb_site import store, values
from protocol.dimse_peers import associate
from protocol.whole_site import Site, a_site

CT, HANGING_PROTOCOL, PRIVATE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.38.1", "1.2.3.4.5"
WORKLIST, TRIAL = "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.4.1.1.88.1"


@pytest.fixture(scope="module", params=[True, False])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("classes"), private_sop_classes=request.param) as site:
        yield site


def deposited(site: Site, file: bytes) -> httpx.Response:
    return httpx.post(
        f"{site.url}/api/v1/deposits", files={"file": ("one.dcm", file)}, headers=bearer(a_token(site.bank)), timeout=60
    )


@pytest.mark.parametrize("sop_class", [CT, TRIAL, HANGING_PROTOCOL, WORKLIST, PRIVATE])
def test_every_way_in_has_the_same_answer(site: Site, sop_class: str) -> None:
    is_taken = sop_class in (CT, TRIAL) or (sop_class == PRIVATE and site.bank.settings.private_sop_classes)
    web, form, imported = (a_file(SOPClassUID=sop_class) for _ in range(3))

    stow = store(site.http, web)
    (receipt,) = keep(site.bank, imported)
    association = associate(site.dimse, sop_class, "1.2.840.10008.1.1")
    agreed = [str(context.abstract_syntax) for context in association.accepted_contexts]
    stored = association.send_c_store(read(web)) if sop_class in agreed else Dataset()
    association.release()

    # The worklist is a service: it is agreed to, and nothing can be stored by it.
    assert (sop_class in agreed) == (is_taken or sop_class == WORKLIST)
    assert sop_class != WORKLIST or stored.Status == 0x0211
    assert stow.status_code == (200 if is_taken else 409)
    assert deposited(site, form).status_code == (200 if is_taken else 207)
    assert receipt.is_kept == is_taken


def test_the_refusal_says_what_and_why(site: Site) -> None:
    answer = store(site.http, a_file(SOPClassUID=HANGING_PROTOCOL)).json()
    (failure,) = answer["00081198"]["Value"]

    assert values(failure, "00081150") == HANGING_PROTOCOL
    assert values(failure, "00081197") == 0x0122
    assert "belong to no study" in values(failure, "00091001")
