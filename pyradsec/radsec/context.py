"""The TLS context that users see, and how the engine's own context is made from it.

The engine runs OpenSSL itself and cannot use an `ssl.SSLContext`. A server still has one, as `ssl_ctx`: what is set
in it is taken over when the server starts, and what cannot be taken over is refused by name, so that no setting is
lost in silence.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Iterable
from typing import Any, Self

from pyradsec import _core

__all__ = ["ServerContext", "load_server_context", "reason_of", "take_over"]

# What ssl.SSLContext does not tell again once it was told: calls of these are remembered.
_WRITE_ONLY = {
    "set_alpn_protocols": "ALPN protocols (set_alpn_protocols)",
    "set_npn_protocols": "NPN protocols (set_npn_protocols)",
    "set_ecdh_curve": "an ECDH curve (set_ecdh_curve)",
    "load_dh_params": "DH parameters (load_dh_params)",
    "set_servername_callback": "a server name callback (set_servername_callback)",
    "set_psk_client_callback": "a PSK callback (set_psk_client_callback)",
    "set_psk_server_callback": "a PSK callback (set_psk_server_callback)",
    "load_default_certs": "the system's trusted certificates (load_default_certs)",
    "set_default_verify_paths": "the system's trusted certificates (set_default_verify_paths)",
}


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's words for what went wrong; errors that Python itself makes have none and speak for themselves."""
    return getattr(error, "reason", None) or str(error)


class ServerContext(ssl.SSLContext):
    """An SSLContext for servers that remembers what Python's own does not tell again."""

    certfile: Any = None
    keyfile: Any = None
    has_password: bool = False
    own_tickets: int = 0
    ca_path: Any = None
    untold: tuple[str, ...] = ()

    def __new__(cls) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "sni_callback":
            self.untold = (*self.untold, "a server name callback (sni_callback)")
        super().__setattr__(name, value)

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """As ssl.SSLContext.load_cert_chain."""
        super().load_cert_chain(certfile, keyfile, password)
        self.certfile, self.keyfile = certfile, keyfile if keyfile is not None else certfile
        self.has_password = password is not None

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """As ssl.SSLContext.load_verify_locations."""
        super().load_verify_locations(cafile, capath, cadata)
        if capath is not None:
            if self.ca_path is not None:
                self.untold = (*self.untold, "more than one directory of trusted certificates (load_verify_locations)")
            self.ca_path = capath


def _remember_calls(name: str, words: str) -> None:
    original = getattr(ssl.SSLContext, name, None)
    if original is None:
        return  # not in this version of Python

    @functools.wraps(original)
    def method(self: ServerContext, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        self.untold = (*self.untold, words)
        return result

    setattr(ServerContext, name, method)


for _name, _words in _WRITE_ONLY.items():
    _remember_calls(_name, _words)


def _check_readable(kind: str, path: Any, all_paths: str) -> None:
    """OSError with the path and the reason; FileNotFoundError names the other files as well."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, f"{kind} not found (looked for {all_paths})", os.fspath(path)) from None
    except OSError as error:
        raise type(error)(error.errno, f"{kind} cannot be read: {error.strerror}", os.fspath(path)) from None


def load_server_context(
    certfile: Any,
    keyfile: Any,
    ca_certfile: Any,
    verify_mode: ssl.VerifyMode,
    minimum_tls_version: ssl.TLSVersion,
    ciphers: str | None,
    tickets: int,
) -> ServerContext:
    """A context with these files and settings, and with nothing that one Python version sets and another does not.

    FileNotFoundError, PermissionError and other OSErrors for files that cannot be read; ssl.SSLError with the file
    and the reason for those that are no certificate, no key, or do not belong together.
    """
    paths = f"certificate {certfile}, private key {keyfile}, trusted certificates {ca_certfile}"
    _check_readable("certificate", certfile, paths)
    _check_readable("private key", keyfile, paths)
    _check_readable("trusted certificates", ca_certfile, paths)
    context = ServerContext()
    context.minimum_version = minimum_tls_version
    context.verify_mode = verify_mode
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if ciphers is not None:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise ssl.SSLError(f"ciphers {ciphers!r}: {reason_of(error)}") from None
    try:
        context.load_verify_locations(ca_certfile)
    except ssl.SSLError as error:
        raise ssl.SSLError(f"{ca_certfile}: no trusted certificates can be loaded: {reason_of(error)}") from None
    # The engine's loader says which file is at fault; Python's does not.
    _core.TLS(certfile, keyfile, (), None, 0, 0, 0, 0, 0, None, None, 0, None, None)
    context.load_cert_chain(certfile, keyfile, _no_password)
    context.has_password = False
    context.num_tickets = context.own_tickets = tickets
    return context


def _no_password() -> str:
    # Without it, Python would ask the terminal for the passphrase of an encrypted key.
    raise ssl.SSLError("the private key is encrypted, and a server has nobody to ask for its passphrase")


def _refusals(context: ServerContext) -> Iterable[str]:
    """What is set in `context` that the engine cannot take over, in words."""
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yield from context.untold
    if context.certfile is None:
        yield "no certificate (load_cert_chain was not called)"
    if context.has_password:
        yield "a private key with a passphrase (load_cert_chain)"
    if context.post_handshake_auth:
        yield "post-handshake authentication (post_handshake_auth)"  # TLS-3
    if context.check_hostname:
        yield "check_hostname, which clients have"
    for name in ("sslsocket_class", "sslobject_class"):
        if getattr(context, name) is not getattr(plain, name):
            yield f"a class of its own ({name})"
    stats = context.cert_store_stats()
    if stats["crl"] > 0:
        yield "certificate revocation lists (load_verify_locations)"
    if stats["x509"] != len(context.get_ca_certs(binary_form=True)):
        yield "a trusted certificate that is no CA certificate (load_verify_locations)"


def _version_number(version: ssl.TLSVersion) -> int:
    """A protocol number for OpenSSL, 0 for "whatever the library has"."""
    return 0 if version < 0 else int(version)


def take_over(
    context: Any, pins: Iterable[str] | None, tickets: int, keylog_path: str | None
) -> tuple[object, int, bool]:
    """The engine's TLS context with everything that is set in `context`: versions, verify_mode, verify_flags, options,
    ciphers, trusted certificates, certificate and key, key log.

    Returns it, the days until the certificate expires (negative: it has), and whether it is not valid yet.
    ValueError names what cannot be taken over; ssl.SSLError names the file that cannot be loaded.
    """
    if not isinstance(context, ServerContext):
        raise ValueError(
            "ssl_ctx was replaced: settings can be changed in the SSLContext that the server made, not in another"
        )
    refused = list(_refusals(context))
    if context.num_tickets != context.own_tickets:
        refused.append("a number of session tickets (num_tickets): use session_tickets")
    if refused:
        raise ValueError("ssl_ctx has what the engine cannot take over: " + "; ".join(refused))
    known = context.get_ciphers()
    suites = [cipher["name"] for cipher in known if cipher["protocol"] == "TLSv1.3"]
    ciphers = [cipher["name"] for cipher in known if cipher["protocol"] != "TLSv1.3"]
    return _core.TLS(
        context.certfile,
        context.keyfile,
        context.get_ca_certs(binary_form=True),
        None if context.ca_path is None else os.fspath(context.ca_path),
        int(context.verify_mode),
        int(context.verify_flags),
        _version_number(context.minimum_version),
        _version_number(context.maximum_version),
        int(context.options),
        ":".join([*ciphers, f"@SECLEVEL={context.security_level}"]) if ciphers else None,
        ":".join(suites) if suites else None,
        tickets,
        context.keylog_filename or keylog_path,
        None if pins is None else sorted(pins),
    )
