"""RadSecClient: sends requests over RADIUS/TLS (RFC 6614) and waits for their replies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Iterable
from typing import Any, Self

from pyradsec import _core, tools
from pyradsec.exceptions import PacketError
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, StatusPacket
from pyradsec.radsec.context import reason_of
from pyradsec.radsec.v11 import NoCommonRadiusVersion, RadiusVersion, negotiate

__all__ = ["PacketError", "RadSecClient", "RadiusVersion"]

logger = logging.getLogger("pyradsec")

# Seconds for the peer to answer our close_notify (TLS-11); FreeRADIUS never does.
_SHUTDOWN_WAIT = 0.5


class RadSecClient:
    """A RADIUS/TLS client: one connection, one request at a time, kept open between requests.

    server, port: where to connect. secret: b"radsec" unless another one was agreed (RFC 6614 §2.3). dict: the
    Dictionary.
    retries: attempts, at least one. timeout: seconds for connecting, and again for the reply, in each attempt.
    certfile, keyfile: what the client shows; certfile_server: the CA certificates that the server is trusted by.
    check_hostname: the server's certificate has to name `server`, in its subjectAltName (TLS-4).
    minimum_tls_version, ciphers: ssl.TLSVersion, OpenSSL's cipher list for TLS 1.2.
    allowed_server_fingerprints: SHA-256 fingerprints in any spelling; when given, other servers are refused (TLS-5).
    reuse_connection: False connects anew for every request. reconnect_backoff: seconds between attempts.
    radius_versions: (RadiusVersion.V1_0,).

    All methods belong to one event loop. FileNotFoundError and ssl.SSLError for certificates, ValueError for settings.
    """

    DEFAULT_MINIMUM_TLS_VERSION = ssl.TLSVersion.TLSv1_2

    def __init__(
        self,
        server: str = "127.0.0.1",
        port: int = 2083,
        secret: bytes = b"radsec",
        dict: Any = None,
        retries: int = 3,
        timeout: float = 5,
        certfile: Any = "certs/client/client.cert.pem",
        keyfile: Any = "certs/client/client.key.pem",
        certfile_server: Any = "certs/ca/ca.cert.pem",
        check_hostname: bool = True,
        minimum_tls_version: ssl.TLSVersion = DEFAULT_MINIMUM_TLS_VERSION,
        ciphers: str | None = None,
        allowed_server_fingerprints: Iterable[str] | None = None,
        reuse_connection: bool = True,
        reconnect_backoff: float = 0.25,
        radius_versions: Iterable[RadiusVersion] = (RadiusVersion.V1_0,),
    ) -> None:
        self.radius_versions = tuple(radius_versions)
        if not self.radius_versions:
            raise ValueError("radius_versions: expected one version or more, found none")
        if self.radius_versions != (RadiusVersion.V1_0,):
            raise ValueError("radius_versions: RADIUS/1.1 is not spoken yet, expected (RadiusVersion.V1_0,)")
        self.server = server
        self.port = port
        self.secret = secret
        self.dict = dict
        self.retries = retries
        self.timeout = timeout
        self.certfile = certfile
        self.keyfile = keyfile
        self.certfile_server = certfile_server
        self.check_hostname = check_hostname
        self.minimum_tls_version = minimum_tls_version
        self.ciphers = ciphers
        self.allowed_server_fingerprints = (
            None
            if allowed_server_fingerprints is None
            else {_core.normalize_fingerprint(text) for text in allowed_server_fingerprints}
        )
        self.reuse_connection = reuse_connection
        self.reconnect_backoff = reconnect_backoff
        self.last_error: BaseException | None = None
        self._negotiated_version: RadiusVersion | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock: asyncio.Lock | None = None
        self.ssl_ctx: ssl.SSLContext
        self.setup_ssl(certfile, keyfile, certfile_server, check_hostname, minimum_tls_version, ciphers)

    def setup_ssl(
        self,
        certfile: Any,
        keyfile: Any,
        certfile_server: Any,
        check_hostname: bool,
        minimum_tls_version: ssl.TLSVersion,
        ciphers: str | None,
    ) -> None:
        """Sets `ssl_ctx` from the constructor's arguments; may be overridden."""
        paths = f"certificate {certfile}, private key {keyfile}, CA certificates {certfile_server}"
        for path in (certfile, keyfile, certfile_server):
            if not os.path.exists(path):
                raise FileNotFoundError(2, f"not found (looked for {paths})", os.fspath(path))
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.minimum_version = minimum_tls_version
        ctx.check_hostname = check_hostname
        ctx.hostname_checks_common_name = False  # TLS-4
        ctx.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if ciphers is not None:
            try:
                ctx.set_ciphers(ciphers)
            except ssl.SSLError as error:
                raise ssl.SSLError(f"ciphers {ciphers!r}: {reason_of(error)}") from None
        try:
            ctx.load_verify_locations(certfile_server)
        except ssl.SSLError as error:
            raise ssl.SSLError(f"{certfile_server}: no CA certificates can be loaded: {reason_of(error)}") from None
        try:
            ctx.load_cert_chain(certfile, keyfile)
        except ssl.SSLError as error:
            raise ssl.SSLError(f"{certfile}, {keyfile}: cannot be loaded: {reason_of(error)}") from None
        self.ssl_ctx = ctx

    # --- packets ---

    def create_packet(self, id: int | None, **args: Any) -> Packet:
        """A Packet with this client's secret and dictionary."""
        return Packet(id=id, **self._defaults(args))

    def create_auth_packet(self, **args: Any) -> AuthPacket:
        """An Access-Request."""
        return AuthPacket(**self._defaults(args, id=Packet.create_id()))

    def create_acct_packet(self, **args: Any) -> AcctPacket:
        """An Accounting-Request."""
        return AcctPacket(**self._defaults(args, id=Packet.create_id()))

    def create_coa_packet(self, **args: Any) -> CoAPacket:
        """A CoA-Request; a Disconnect-Request with `code=40`."""
        return CoAPacket(**self._defaults(args, id=Packet.create_id()))

    def create_status_packet(self, **args: Any) -> StatusPacket:
        """A Status-Server request."""
        return StatusPacket(**self._defaults(args, id=Packet.create_id()))

    def _defaults(self, args: dict[str, Any], **more: Any) -> dict[str, Any]:
        defaults = {"secret": self.secret, "dict": self.dict, **more}
        return {**defaults, **{name: value for name, value in args.items() if name != "id" or value is not None}}

    # --- sending ---

    async def send_packet(self, packet: Any) -> Any:
        """Sends a request and returns its verified reply, or None: `last_error` then says why.

        Lost connections, TLS errors and timeouts are tried again, `retries` attempts in all; a reply that does not
        verify is not, and ends the connection. Requests wait for each other.
        """
        if (getattr(packet, "auth_type", None) or "pap").startswith("eap-"):
            raise ValueError(f"auth_type {packet.auth_type!r}: this client does not speak EAP, expected 'pap'")
        if self._lock is None:
            self._lock = asyncio.Lock()
        lock = self._lock
        await lock.acquire()  # `async with` needs memory to let it go again
        try:
            self.last_error = None
            for attempt in range(max(1, self.retries)):
                if attempt > 0:
                    await asyncio.sleep(self.reconnect_backoff)
                try:
                    return await self._exchange(packet)
                except (OSError, EOFError, TimeoutError) as error:  # ssl.SSLError is an OSError
                    self.last_error = error
                    logger.debug("%s port %d, attempt %d: %r", self.server, self.port, attempt + 1, error)
                    await self._close()
                except (PacketError, NoCommonRadiusVersion) as error:
                    self.last_error = error
                    await self._close()
                    return None
                except BaseException:
                    # Cancelled in the middle of an exchange: the stream cannot be used for another one.
                    await self._close()
                    raise
                finally:
                    if not self.reuse_connection:
                        await self._close()
            return None
        finally:
            lock.release()

    async def _exchange(self, packet: Any) -> Any:
        async with asyncio.timeout(self.timeout):
            reader, writer = await self._connect()
        packet.radius_version = RadiusVersion.V1_0
        packet.token = None
        async with asyncio.timeout(self.timeout):
            writer.write(packet.request_packet())
            await writer.drain()
            while True:
                try:
                    raw = await tools.read_radius_packet(reader)
                except ValueError as error:
                    raise PacketError(f"reply from {self.server} port {self.port}: {error}") from error
                if raw[1] == packet.id:
                    break
                # The late reply to a request that was given up.
        reply = packet.create_reply(packet=raw)
        reply.request_authenticator = packet.authenticator
        if not packet.verify_reply(reply, raw):
            raise PacketError(
                f"reply from {self.server} port {self.port} to {_core.code_name(packet.code)} id {packet.id} "
                "does not verify: another shared secret?"
            )
        return reply

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is not None and self._writer is not None:
            if not self._reader.at_eof() and not self._writer.is_closing():
                return self._reader, self._writer
            await self._close()
        server_hostname = self.server if self.check_hostname else ""
        self._reader, self._writer = await asyncio.open_connection(
            self.server,
            self.port,
            ssl=self.ssl_ctx,
            server_hostname=server_hostname,
            ssl_shutdown_timeout=_SHUTDOWN_WAIT,
        )
        ssl_object = self._writer.get_extra_info("ssl_object")
        if self.allowed_server_fingerprints is not None:
            der = ssl_object.getpeercert(binary_form=True)
            if der is None or not tools.cert_fingerprint_matches(der, self.allowed_server_fingerprints):
                seen = "none" if der is None else tools.get_cert_fingerprint(der)
                raise PacketError(f"{self.server} port {self.port}: fingerprint not listed, seen {seen}")
        self._negotiated_version = negotiate(self.radius_versions, ssl_object.selected_alpn_protocol())
        return self._reader, self._writer

    async def _close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        self._negotiated_version = None
        if writer is not None:
            if not writer.is_closing():  # else CPython 3.11.2 would forget what there is to abort
                writer.close()
            # The peer's last words are of no interest any more, nor is how it went.
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                async with asyncio.timeout(2 * _SHUTDOWN_WAIT):
                    await writer.wait_closed()
            writer.transport.abort()

    async def close(self) -> None:
        """Closes the connection, after the request that is being sent. The client can be used again."""
        if self._lock is None:
            await self._close()
            return
        lock = self._lock
        await lock.acquire()  # as above
        try:
            await self._close()
        finally:
            lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
