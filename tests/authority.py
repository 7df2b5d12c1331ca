"""Certificates made here, with their keys."""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LONG = dt.timedelta(days=3650)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    @property
    def der(self) -> bytes:
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).public_bytes(serialization.Encoding.DER)


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = _name("Test authority")
        own = (
            _builder(self._name, self._name, self._key.public_key(), self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
        )
        self.cert = folder / "ca.pem"
        self.cert.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def pair(self, name: str) -> Pair:
        key = rsa.generate_private_key(65537, 2048)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        builder = _builder(_name(name), self._name, key.public_key(), self._key.public_key())
        builder = builder.add_extension(names, critical=False)
        return _written(self._folder, name, builder.sign(self._key, hashes.SHA256()), key)


def self_signed(folder: Path, name: str, ends: dt.datetime = NOW + LONG) -> Pair:
    """A certificate that only its holder vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), _name(name), key.public_key(), key.public_key(), ends)
    return _written(folder, name, builder.sign(key, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: _PublicKey,
    issuers_key: _PublicKey,
    ends: dt.datetime = NOW + LONG,
) -> x509.CertificateBuilder:
    # Python 3.13 refuses certificates without the key identifiers that RFC 5280 4.2.1.1 and 4.2.1.2 ask for.
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - LONG)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers_key), critical=False)
    )


def _written(
    folder: Path, name: str, certificate: x509.Certificate, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> Pair:
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.TraditionalOpenSSL
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return pair
