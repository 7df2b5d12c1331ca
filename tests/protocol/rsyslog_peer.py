"""Debian's rsyslog as an audit record repository on loopback, with certificates made here."""

import datetime as dt
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bank import free_port
from running import wait_for

NOW = dt.datetime.now(dt.UTC)
_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
       defaultNetstreamDriverCAFile="{folder}/ca.pem"
       defaultNetstreamDriverCertFile="{folder}/peer.pem" defaultNetstreamDriverKeyFile="{folder}/peer.key")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="{mode}" streamDriver.authMode="{authentication}")
module(load="imudp")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imudp" address="127.0.0.1" port="{port}")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{folder}/received" template="raw")
"""


def make_certificates(folder: Path, *names: str) -> None:
    """`ca.pem`, and a `NAME.pem` and `NAME.key` of 127.0.0.1 for each name, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = rsa.generate_private_key(65537, 2048)
    issuer = _name("Test authority")
    is_ca = x509.BasicConstraints(ca=True, path_length=0)
    _write(folder / "ca.pem", _builder(issuer, issuer, authority).add_extension(is_ca, critical=True), authority)
    for name in names:
        key = rsa.generate_private_key(65537, 2048)
        at = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        _write(folder / f"{name}.pem", _builder(_name(name), issuer, key).add_extension(at, critical=False), authority)
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        (folder / f"{name}.key").write_bytes(key.private_bytes(*pem))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=30))
    )


def _write(path: Path, builder: x509.CertificateBuilder, authority: rsa.RSAPrivateKey) -> None:
    path.write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@dataclass
class Rsyslog:
    """One rsyslog in a folder. It can be stopped and started again on the same port; TLS asks for a certificate."""

    folder: Path
    is_tls: bool = True
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        if not self.port:
            self.port = free_port()
            make_certificates(self.folder, "peer", "bank", "stranger")
        driver, mode, authentication = ("gtls", 1, "x509/certvalid") if self.is_tls else ("ptcp", 0, "anon")
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=self.folder, port=self.port, driver=driver, mode=mode, authentication=authentication
            )
        )
        command = ["/usr/sbin/rsyslogd", "-n", "-f", str(configuration), "-i", str(self.folder / "pid")]
        with (self.folder / "stderr").open("ab") as complaints:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaints)
        wait_for(self._listens, "rsyslog listens")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "stderr").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def received(self) -> list[bytes]:
        path = self.folder / "received"
        return path.read_bytes().splitlines() if path.is_file() else []

    def wait_for(self, number: int, timeout_s: float = 30) -> list[bytes]:
        """What has been received, when it is this many lines or more."""
        wait_for(lambda: len(self.received()) >= number, f"{number} messages", timeout_s)
        return self.received()
