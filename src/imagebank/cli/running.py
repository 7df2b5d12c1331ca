"""`imagebank serve` and `imagebank demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imagebank import stem
from imagebank.cli.console import ALL_WELL, HERE, Common
from imagebank.settings import Settings, environment, load


@dataclass(frozen=True, slots=True)
class Server:
    """Every role of a bank, to be run."""

    settings: Settings

    def run(self, *, is_program: bool) -> int:
        """Run them until SIGTERM; the exit status. As the program itself they share what they load."""
        if is_program and stem.is_possible():
            stem.become("imagebank.trunk", environment(self.settings, with_unknown=True))
        from imagebank import serve as serving

        return serving.supervise(self.settings)


def serve(
    *,
    common: Common = HERE,
    role: Literal["web", "dimse", "worker", "hl7"] | None = None,
    http: str | None = None,
    dimse: str | None = None,
    ae_title: str | None = None,
    dimse_tls: str | None = None,
    mllp: str | None = None,
    mllp_tls: str | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_ca: Path | None = None,
) -> int | Server:
    """Run the bank until SIGTERM; ready when /readyz answers 200.

    Example: imagebank serve --data /srv/imagebank --http 127.0.0.1:8080 --dimse 127.0.0.1:11112

    Parameters
    ----------
    role
        Run one part of the server only; all without it.
    http
        HOST:PORT of the web server.
    dimse
        HOST:PORT of the DIMSE server.
    ae_title
        Our application entity title.
    dimse_tls
        HOST:PORT of a TLS listener for DIMSE.
    mllp
        HOST:PORT of the listener for HL7 v2 messages.
    mllp_tls
        HOST:PORT of a TLS listener for them.
    tls_cert
        The certificate chain of both TLS listeners, PEM.
    tls_key
        Their private key, PEM.
    tls_ca
        Authorities of client certificates, PEM; with it a client certificate is required.
    """
    settings = common.settings(
        http=http,
        dimse=dimse,
        ae_title=ae_title,
        dimse_tls=dimse_tls,
        mllp=mllp,
        mllp_tls=mllp_tls,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
    )
    if role is None:
        return Server(settings)
    from imagebank import serve as serving

    serving.run(settings, role)
    return ALL_WELL


def demo(*, common: Common = HERE, http: str | None = None, dimse: str | None = None) -> int:
    """Run a bank with sample people and studies, and say where to look.

    Example: imagebank demo --data demo-data

    Parameters
    ----------
    http
        HOST:PORT of the web server.
    dimse
        HOST:PORT of the DIMSE server.
    """
    from imagebank import demo as demonstration

    data = common.data or Path("demo-data")
    return demonstration.run(load(common.config, data=data, http=http, dimse=dimse, mllp=""))
