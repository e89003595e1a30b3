"""An authority of the tests, and a certificate for 127.0.0.1 that it signed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files."""

    ca: Path
    certificate: Path
    key: Path
    both: Path
    """Certificate and key in one file, as Kafka takes them."""


def make_certificates(directory: Path) -> Certificates:
    """Makes them with the `openssl` command."""
    made = Certificates(
        directory / "ca.pem", directory / "server.pem", directory / "server.key", directory / "both.pem"
    )
    new_key: list[str | Path] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    new_key += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]  # Python 3.13 refuses others
    ca_key = directory / "ca.key"
    _openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", made.ca, "-days", "2", "-subj", "/CN=tests")
    name: list[str | Path] = [
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
    ]
    signed: list[str | Path] = ["-CA", made.ca, "-CAkey", ca_key, "-days", "2"]
    _openssl("req", "-x509", *new_key, *name, *signed, "-keyout", made.key, "-out", made.certificate)
    made.both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
