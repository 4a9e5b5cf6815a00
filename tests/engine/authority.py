"""A certificate authority made on the fly, for certificates that are expired, foreign, encrypted or otherwise odd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Identity"]

_CONFIG = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_crl_days = 30
policy = anything
unique_subject = no
[anything]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def _openssl(*args: str | Path, **kwargs: object) -> str:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, timeout=30, **kwargs)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key."""

    certfile: Path
    keyfile: Path


class Authority:
    """A CA in a folder of its own. `certfile` is what its certificates are trusted by."""

    def __init__(self, folder: Path, name: str = "test CA", parent: Authority | None = None) -> None:
        """A root CA, or one below `parent`."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._config = folder / "ca.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        self.certfile = folder / "ca.pem"
        if parent is not None:
            made = parent._sign(folder / "ca", name, extensions="authority")
            assert made.certfile == self.certfile
            return
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"),
            *("-subj", f"/CN={name}", "-keyout", folder / "ca.key", "-out", self.certfile),
        )

    def _sign(
        self,
        stem: Path,
        subject: str,
        extensions: str = "leaf",
        start: str = "20200101000000Z",
        end: str = "20491231235959Z",
        passphrase: str | None = None,
        curve: str = "P-256",
    ) -> Identity:
        made = Identity(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        request = stem.with_suffix(".csr")
        protection = ["-nodes"] if passphrase is None else ["-passout", f"pass:{passphrase}"]
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", *protection, "-utf8"),
            *("-subj", f"/CN={subject}", "-keyout", made.keyfile, "-out", request),
        )
        _openssl(
            *("ca", "-config", self._config, "-batch", "-notext", "-extensions", extensions, "-in", request),
            *("-startdate", start, "-enddate", end, "-out", made.certfile),
        )
        return made

    def issue(self, name: str, subject: str | None = None, **settings: str) -> Identity:
        """A certificate for servers and clients with the CN `subject`.

        start, end: its life, in GeneralizedTime; passphrase: its key is encrypted; curve: "P-256" when left out.
        """
        return self._sign(self._folder / name, subject or name, **settings)

    def revocation_list(self, revoked: Iterable[Identity] = ()) -> Path:
        """A CRL (RFC 5280) that names the `revoked` certificates."""
        for identity in revoked:
            _openssl("ca", "-config", self._config, "-revoke", identity.certfile)
        path = self._folder / "crl.pem"
        _openssl("ca", "-config", self._config, "-gencrl", "-out", path)
        return path

    def rehash(self, folder: Path) -> Path:
        """A directory of trusted certificates, as `openssl rehash` makes them, that holds this CA's."""
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.certfile.read_bytes())
        _openssl("rehash", folder)
        return folder
