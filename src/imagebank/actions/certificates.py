"""Certificates of devices and systems, as an operator registers them."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.certificate import fingerprint


def registered(bank: Bank, pem: bytes | None) -> str:
    """The fingerprint of a certificate to be registered, the first of a chain; empty where none is given.

    Raises Invalid for what is none, has ended, or comes with its private key.
    """
    if pem is None:
        return ""
    if b"PRIVATE KEY-----" in pem:
        raise Invalid("give the certificate only; its private key stays where it is, and is now to be replaced")
    try:
        found = x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise Invalid("this is no certificate in PEM that can be read") from error
    if found.not_valid_after_utc <= bank.now():
        raise Invalid("this certificate has ended, on {ended:%Y-%m-%d}", ended=found.not_valid_after_utc)
    return fingerprint(found.public_bytes(Encoding.DER))
