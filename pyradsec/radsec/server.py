"""RadSecServer: a RADIUS/TLS server (RFC 6614) whose network side runs in C, and whose policy is a class of yours."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import ssl
import time
import warnings
import weakref
from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import Any, Literal, Self

from pyradsec import _core
from pyradsec.constants import ErrorCause, PacketType
from pyradsec.exceptions import PacketError, ServerPacketError
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, parse_packet
from pyradsec.radsec.context import load_server_context, take_over
from pyradsec.radsec.hosts import find_host
from pyradsec.radsec.listen import open_listeners
from pyradsec.radsec.settings import check_settings, default_max_connections
from pyradsec.radsec.signals import signals_wake
from pyradsec.radsec.v11 import RadiusVersion
from pyradsec.server import RemoteHost

__all__ = ["PacketError", "RadSecServer", "RemoteHost", "ServerPacketError", "UnknownHost"]

logger = logging.getLogger("pyradsec")

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_PROXY_STATE = 33
_EAP_MESSAGE = 79
_MESSAGE_AUTHENTICATOR = 80
_ERROR_CAUSE = 101
_ORIGINAL_PACKET_CODE = 4  # of Extended-Attribute-1 (RFC 7930 §4)
_RESPONSE_CODES = frozenset({2, 3, 11, 41, 42, 44, 45, 52})
_REQUEST_CODES = frozenset({1, 4, 5, 12, 40, 43})
# How long stop() waits for handlers that it had to cancel, in seconds.
_CANCEL_WAIT = 1.0
# Log records in a second for one reason and peer.
_LOG_BURST = 10
# Assigning one of these changes what the engine does with the next packet.
_POLICY_NAMES = frozenset(
    {
        "verify_packet",
        "require_message_authenticator",
        "require_eap_message_authenticator",
        "enable_coa",
        "enable_disconnect",
        "unknown_code",
        "handle_coa",
        "handle_disconnect",
        "packet_received",
    }
)


class UnknownHost(Exception):
    """A packet from an address that `hosts` has no entry for (PKT-5)."""


class RadSecServer:
    """A RADIUS/TLS server. Subclass it, override the handlers, `await run()`.

        class Server(RadSecServer):
            async def handle_access_request(self, packet):
                return packet.create_reply(Reply_Message="Hello")

            async def handle_accounting(self, packet):
                return packet.create_reply()

    A handler is a coroutine function that takes the request (its attributes are decoded as they are read;
    `packet.peer` says who sent it) and returns the reply, most often made with `packet.create_reply()`. Handlers of
    one connection run side by side; replies leave as they are ready. One that raises or returns None costs its own
    request its reply, is logged and counted, and nothing else happens.

    TLS, framing, verification, Status-Server, and CoA or Disconnect that nobody handles are dealt with in C on a
    thread of their own, which never takes the interpreter's lock. Handlers run on the event loop that `start()` was
    called on. All methods belong to that loop's thread.

    Parameters
    ----------
    listen_address: text, a name, None or "" for all addresses, or a list of these. "::" is IPv6 only.
    listen_port: TCP port; 0 takes a free one (see `addresses`).
    hosts: mapping from peer address, network ("10.0.0.0/8", "2001:db8::/32") or wildcard ("0.0.0.0", "::") to
        RemoteHost. Looked up when a peer connects, before its handshake, and with every batch of requests afterwards.
    dictionary: the Dictionary of the packets; the attribute is called `dict`.
    verify_packet: check the Request Authenticator of Accounting-, CoA- and Disconnect-Requests (PKT-4). A
        Message-Authenticator that is there is always checked.
    certfile, keyfile, ca_certfile: PEM files; the CA's certificates are what clients are trusted by.
    verify_mode: ssl.CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE.
    minimum_tls_version: ssl.TLSVersion; TLS 1.2 when left out. ciphers: OpenSSL's cipher list for TLS 1.2.
    allowed_client_fingerprints: SHA-256 fingerprints in any spelling; when given, others are refused even if trusted
    (TLS-5).
    connection_read_timeout: seconds that a connection may be idle with nothing in flight; None: for ever.
    max_packets_per_connection: accepted requests after which a connection ends in good order; None: no limit.
    require_message_authenticator: True: every request needs one, every reply carries one; "access": Access-Requests
        and their replies. Status-Server needs one always.
    require_eap_message_authenticator: packets with EAP-Message need one (PKT-15).
    enable_coa, enable_disconnect: False answers CoA-NAK or Disconnect-NAK with Error-Cause 406, whatever handlers
    there are.
    radius_versions: (RadiusVersion.V1_0,).

    Keyword-only; None is no limit; read by start():
    handshake_timeout (10 s from accept to the end of the handshake), max_handshakes (1024 half-open connections,
    past which the oldest gives way), max_new_connections_per_s (None), max_connections (10000, or 256 less than the
    process may have descriptors), max_connections_per_peer (None), packet_timeout (30 s from a packet's first octet
    to its last), max_in_flight (256 requests with handlers, per connection), max_in_flight_total (16384, over all),
    max_output (1048576 octets waiting for one peer to read), write_timeout (30 s without progress while they wait),
    backlog (1024 connections the kernel keeps for us), reuse_port (False; True: other servers of the same user that
    have it too listen on the same port, in processes of their own or on other event loops, and the kernel gives each
    new connection to one of them), session_tickets (0: no resumption), unknown_code ("ignore", or "protocol-error" to
    answer request codes that no server knows with Protocol-Error and Error-Cause 406).

    ValueError or TypeError for settings out of range, OSError and ssl.SSLError, which name the file, for certificates.
    """

    DEFAULT_MINIMUM_TLS_VERSION = ssl.TLSVersion.TLSv1_2

    def __init__(
        self,
        listen_address: str | Sequence[str] | None = "0.0.0.0",
        listen_port: int = 2083,
        hosts: Any = None,
        dictionary: Any = None,
        verify_packet: bool = False,
        certfile: Any = "certs/server/server.cert.pem",
        keyfile: Any = "certs/server/server.key.pem",
        ca_certfile: Any = "certs/ca/ca.cert.pem",
        verify_mode: ssl.VerifyMode = ssl.CERT_REQUIRED,
        minimum_tls_version: ssl.TLSVersion = DEFAULT_MINIMUM_TLS_VERSION,
        ciphers: str | None = None,
        allowed_client_fingerprints: Iterable[str] | None = None,
        connection_read_timeout: float | None = None,
        max_packets_per_connection: int | None = None,
        require_message_authenticator: bool | Literal["access"] = False,
        require_eap_message_authenticator: bool = True,
        enable_coa: bool = True,
        enable_disconnect: bool = True,
        radius_versions: Iterable[RadiusVersion] = (RadiusVersion.V1_0,),
        *,
        handshake_timeout: float | None = 10.0,
        max_handshakes: int | None = 1024,
        max_new_connections_per_s: float | None = None,
        max_connections: int | EllipsisType | None = ...,
        max_connections_per_peer: int | None = None,
        packet_timeout: float | None = 30.0,
        max_in_flight: int | None = 256,
        max_in_flight_total: int | None = 16384,
        max_output: int | None = 1 << 20,
        write_timeout: float | None = 30.0,
        backlog: int = 1024,
        reuse_port: bool = False,
        session_tickets: int = 0,
        unknown_code: Literal["ignore", "protocol-error"] = "ignore",
    ) -> None:
        self._engine: _core.Engine | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._last_stats: dict[str, int] = dict.fromkeys(_core.counter_names(), 0)  # each key, from the start
        self._log_window = 0.0
        self._log_counts: dict[tuple[str, str], int] = {}
        self._certificate_days = 0
        self._certificate_not_yet_valid = False
        self.radius_versions = tuple(radius_versions)
        if not self.radius_versions:
            raise ValueError("radius_versions: expected one version or more, found none")
        if self.radius_versions != (RadiusVersion.V1_0,):
            raise ValueError("radius_versions: RADIUS/1.1 is not spoken yet, expected (RadiusVersion.V1_0,)")
        self.listen_address = listen_address
        self.listen_port = listen_port
        self.hosts: Any = {} if hosts is None else hosts
        self.dict = dictionary
        self.verify_packet = verify_packet
        self.certfile = certfile
        self.keyfile = keyfile
        self.ca_certfile = ca_certfile
        self.verify_mode = verify_mode
        self.minimum_tls_version = minimum_tls_version
        self.ciphers = ciphers
        self.allowed_client_fingerprints = (
            None
            if allowed_client_fingerprints is None
            else {_core.normalize_fingerprint(text) for text in allowed_client_fingerprints}
        )
        self.connection_read_timeout = connection_read_timeout
        self.max_packets_per_connection = max_packets_per_connection
        self.require_message_authenticator = require_message_authenticator
        self.require_eap_message_authenticator = require_eap_message_authenticator
        self.enable_coa = enable_coa
        self.enable_disconnect = enable_disconnect
        self.handshake_timeout = handshake_timeout
        self.max_handshakes = max_handshakes
        self.max_new_connections_per_s = max_new_connections_per_s
        self.max_connections = (
            default_max_connections() if isinstance(max_connections, EllipsisType) else max_connections
        )
        self.max_connections_per_peer = max_connections_per_peer
        self.packet_timeout = packet_timeout
        self.max_in_flight = max_in_flight
        self.max_in_flight_total = max_in_flight_total
        self.max_output = max_output
        self.write_timeout = write_timeout
        self.backlog = backlog
        self.reuse_port = reuse_port
        self.session_tickets = session_tickets
        self.unknown_code = unknown_code
        check_settings(self)
        self.ssl_ctx: ssl.SSLContext
        try:
            self.setup_ssl(certfile, keyfile, ca_certfile, verify_mode, minimum_tls_version, ciphers)
        except OSError as error:
            logger.error("certificates cannot be loaded: %s", error)
            raise

    def setup_ssl(
        self,
        certfile: Any,
        keyfile: Any,
        ca_certfile: Any,
        verify_mode: ssl.VerifyMode,
        minimum_tls_version: ssl.TLSVersion,
        ciphers: str | None,
    ) -> None:
        """Sets `ssl_ctx` from the constructor's arguments. It can be called, but not overridden: change `ssl_ctx`
        afterwards, before start(), which takes over what can be and names what cannot."""
        self.ssl_ctx = load_server_context(
            certfile, keyfile, ca_certfile, verify_mode, minimum_tls_version, ciphers, self.session_tickets
        )

    # --- handlers ---

    async def handle_access_request(self, packet: AuthPacket) -> Packet | None:
        """Answers an Access-Request. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__}.handle_access_request")

    async def handle_accounting(self, packet: AcctPacket) -> Packet | None:
        """Answers an Accounting-Request (and gets an Accounting-Response that a client sends). To be overridden."""
        raise NotImplementedError(f"{type(self).__name__}.handle_accounting")

    async def handle_coa(self, packet: CoAPacket) -> Packet | None:
        """Answers a CoA-Request. Not overridden: CoA-NAK with Error-Cause 406, answered in C (COA-1)."""
        return self._nak(packet, PacketType.CoANAK)

    async def handle_disconnect(self, packet: CoAPacket) -> Packet | None:
        """Answers a Disconnect-Request. Not overridden: Disconnect-NAK with Error-Cause 406, answered in C (COA-1)."""
        return self._nak(packet, PacketType.DisconnectNAK)

    @staticmethod
    def _nak(packet: Packet, code: int) -> Packet:
        reply = packet.create_reply()
        reply.code = code
        reply[_ERROR_CAUSE] = [ErrorCause.UnsupportedExtension.to_bytes(4, "big")]
        return reply

    # --- life ---

    async def run(self) -> None:
        """Serves until cancelled, then ends everything at once and returns normally: Ctrl-C under
        asyncio.run(server.run()) is exit status 0. Who wants the cancellation to go on uses start(), wait_closed()
        and stop()."""
        with signals_wake(asyncio.get_running_loop()):
            await self.start()
            try:
                await self.wait_closed()
            except asyncio.CancelledError:
                pass
            finally:
                try:
                    await self.stop(grace=0)
                finally:
                    self._close_engine()  # also when stop() itself is cancelled

    async def start(self) -> None:
        """Listens and serves from here on, on the running event loop. RuntimeError when it serves already; OSError
        with the address; ValueError names what of `ssl_ctx` cannot be taken over; ssl.SSLError."""
        loop = asyncio.get_running_loop()
        if self._engine is not None:
            if self._stopped is not None and not self._stopped.get_loop().is_closed():
                raise RuntimeError("the server is running already")
            warnings.warn("RadSecServer was not stopped before its loop was closed", ResourceWarning, stacklevel=2)
            self._close_engine()
        check_settings(self)
        if type(self).setup_ssl is not RadSecServer.setup_ssl or "setup_ssl" in vars(self):
            raise ValueError("setup_ssl is overridden: the engine has a context of its own, change ssl_ctx instead")
        tls = self._make_tls()
        sockets = open_listeners(self.listen_address, self.listen_port, self.backlog, self.reuse_port)
        try:
            engine = _core.Engine(self, loop, tls, self, self._policy())
            addresses = [sock.getsockname()[:2] for sock in sockets]
            loop.add_reader(engine.fileno(), engine.dispatch)
        except BaseException:
            _close_all(sockets)
            raise
        try:
            # The engine has them from here on, also when it fails.
            engine.start([sock.detach() for sock in sockets])
        except BaseException:
            loop.remove_reader(engine.fileno())
            engine.close()
            raise
        self._engine = engine
        self._addresses = addresses
        self._stopped = loop.create_future()
        _running.add(engine)
        logger.info("serving RADIUS/TLS on %s", ", ".join(f"{address} port {port}" for address, port in addresses))

    def _make_tls(self) -> object:
        keylog_path = os.environ.get("SSLKEYLOGFILE") or None
        if keylog_path is not None:
            logger.warning("SSLKEYLOGFILE is set: the keys of every connection are written to %s", keylog_path)
        pins = self.allowed_client_fingerprints
        tls, days, is_not_yet_valid = take_over(self.ssl_ctx, pins, self.session_tickets, keylog_path)
        self._certificate_days = days
        self._certificate_not_yet_valid = is_not_yet_valid
        certfile = getattr(self.ssl_ctx, "certfile", self.certfile)
        if days < 0:
            logger.error("%s: the server's certificate has expired; clients will refuse it", certfile)
        if is_not_yet_valid:
            logger.error("%s: the server's certificate is not valid yet; clients will refuse it", certfile)
        return tls

    async def stop(self, grace: float = 5.0) -> None:
        """Stops accepting and reading, lets the handlers that run finish for at most `grace` seconds, sends their
        replies, then close_notify and FIN (TLS-11). Handlers that still run then are cancelled.

        May be called twice; a second call can only shorten the time. Inside a handler it does not wait for that
        handler, whose reply is not sent. RuntimeError on another event loop than start()'s.
        """
        engine, stopped = self._engine, self._stopped
        if engine is None or stopped is None:
            return
        if asyncio.get_running_loop() is not stopped.get_loop():
            raise RuntimeError("stop() was called on another event loop than start()")
        engine.stop(grace)
        current = asyncio.current_task()
        await asyncio.sleep(0)  # a handler is among the engine's tasks from its first suspension on
        if current is not None:
            engine.abandon(current)
        await asyncio.shield(stopped)
        if self._engine is not engine:
            return  # another call of stop() was faster
        tasks = [task for task in engine.tasks() if task is not current]
        self._close_engine()
        for task in tasks:
            task.cancel()
        if tasks:
            _, stubborn = await asyncio.wait(tasks, timeout=_CANCEL_WAIT)
            if stubborn:
                logger.error("%d handlers do not end although they were cancelled", len(stubborn))

    def _close_engine(self) -> None:
        """Drops the engine: its thread is joined, its counters are kept."""
        engine, stopped = self._engine, self._stopped
        self._engine = None
        if engine is None:
            return
        self._last_stats = engine.stats()
        if stopped is not None and not stopped.get_loop().is_closed():
            stopped.get_loop().remove_reader(engine.fileno())
            self._on_stopped()
        engine.close()
        _running.discard(engine)

    async def wait_closed(self) -> None:
        """Waits until the server has stopped. Returns at once when it was not started."""
        if self._engine is not None and self._stopped is not None:
            await asyncio.shield(self._stopped)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses and ports it listens on; empty when it does not."""
        return list(self._addresses) if self._engine is not None else []

    def stats(self) -> dict[str, int]:
        """Counters of the engine since start(): connections, packets by code, events by reason, limits met, replies
        and where they went; gauges of what is open and in flight; `handler_errors`, `handler_no_replies`;
        `certificate_days_left` (negative once it has expired) and `certificate_not_yet_valid` of the server's
        certificate. A stopped server keeps its last ones."""
        stats = {**self._last_stats, **(self._engine.stats() if self._engine is not None else {})}
        stats["certificate_days_left"] = self._certificate_days
        stats["certificate_not_yet_valid"] = int(self._certificate_not_yet_valid)
        return stats

    # --- one packet by hand ---

    async def packet_received(
        self, data: bytes, host: str, radius_version: RadiusVersion = RadiusVersion.V1_0
    ) -> Packet | None:
        """The reply to the octets `data` of one packet from `host`, with the engine's own verdicts.

        UnknownHost, PacketError for what is malformed or does not verify, ServerPacketError for a code that is not
        answered, and whatever the handler raises.

        Overridden, it gets every packet that arrives, unverified and from anybody, and what it returns is sent as it
        is: a hook for those who want it all. The engine then does TLS and framing only.
        """
        remote = self._resolve(host)
        if remote is None:
            raise UnknownHost(f"{host} is not in hosts: unknown host")
        _core.check_packet(data)
        code = data[0]
        if code in _RESPONSE_CODES:
            raise ServerPacketError(f"{_core.code_name(code)} from {host}: a response code at a server")
        if code not in _REQUEST_CODES:
            if self.unknown_code == "ignore":
                raise ServerPacketError(f"{_core.code_name(code)} from {host}: unsupported request code")
            unknown = parse_packet(data, remote.secret, self.dict)
            return self._finish_reply(unknown, self._protocol_error(unknown))
        policy = self._policy()
        _core.check_request(
            data,
            remote.secret,
            policy["verify"],
            policy["require"],
            policy["require_access"],
            policy["require_eap"],
        )
        packet = parse_packet(data, remote.secret, self.dict, radius_version)
        reply = await self._handle(packet)
        return None if reply is None else self._finish_reply(packet, reply)

    async def _handle(self, packet: Any) -> Packet | None:
        match packet.code:
            case PacketType.AccessRequest:
                return await self.handle_access_request(packet)
            case PacketType.StatusServer:
                return packet.create_reply()  # type: ignore[no-any-return]
            case PacketType.CoARequest:
                return await self.handle_coa(packet) if self.enable_coa else self._nak(packet, PacketType.CoANAK)
            case PacketType.DisconnectRequest:
                if self.enable_disconnect:
                    return await self.handle_disconnect(packet)
                return self._nak(packet, PacketType.DisconnectNAK)
            case _:
                return await self.handle_accounting(packet)

    @staticmethod
    def _protocol_error(packet: Packet) -> Packet:
        reply = packet.create_reply()
        reply.code = PacketType.ProtocolError
        reply[241] = [bytes((_ORIGINAL_PACKET_CODE,)) + packet.code.to_bytes(4, "big")]
        reply[_ERROR_CAUSE] = [ErrorCause.UnsupportedExtension.to_bytes(4, "big")]
        return reply

    def _finish_reply(self, packet: Packet, reply: Packet) -> Packet:
        """Adds what the engine adds to a reply: Message-Authenticator, first, by the mirror rule (PKT-17);
        Proxy-State (PKT-11)."""
        policy = self._policy()
        wants = (
            packet.has_message_authenticator()
            or policy["sign_all_replies"]
            or (policy["sign_access_replies"] and packet.code == PacketType.AccessRequest)
            or (policy["require_eap"] and (_EAP_MESSAGE in packet or _EAP_MESSAGE in reply))
        )
        if wants and _MESSAGE_AUTHENTICATOR not in reply:
            reply[_MESSAGE_AUTHENTICATOR] = [bytes(16)]
            reply.move_to_end(_MESSAGE_AUTHENTICATOR, last=False)
        if wants:
            reply.message_authenticator = True
        if _PROXY_STATE in packet and _PROXY_STATE not in reply:
            reply[_PROXY_STATE] = list(packet[_PROXY_STATE])
        return reply

    # --- what the engine asks and tells ---

    def _policy(self) -> dict[str, bool]:
        require = self.require_message_authenticator
        return {
            "verify": bool(self.verify_packet),
            "require": bool(require) and require != "access",
            "require_access": bool(require),
            "require_eap": bool(self.require_eap_message_authenticator),
            "raw": self._is_overridden("packet_received"),
            "coa_to_python": bool(self.enable_coa) and self._is_overridden("handle_coa"),
            "disconnect_to_python": bool(self.enable_disconnect) and self._is_overridden("handle_disconnect"),
            "unknown_code_is_answered": self.unknown_code == "protocol-error",
            "sign_access_replies": bool(require),
            "sign_all_replies": bool(require) and require != "access",
        }

    def _is_overridden(self, name: str) -> bool:
        return name in vars(self) or getattr(type(self), name) is not getattr(RadSecServer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        engine = vars(self).get("_engine") if name in _POLICY_NAMES else None
        if engine is None:
            super().__setattr__(name, value)
            return
        before = dict(vars(self))
        super().__setattr__(name, value)
        try:
            check_settings(self)
        except (TypeError, ValueError):
            vars(self).pop(name, None)
            vars(self).update(before)
            raise
        engine.set_policy(self._policy())

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        engine = vars(self).get("_engine") if name in _POLICY_NAMES else None
        if engine is not None:
            engine.set_policy(self._policy())

    def _resolve(self, address: str) -> RemoteHost | None:
        """The host for a peer's address. A mapping that raises refuses the peer."""
        try:
            return find_host(self.hosts, address)  # type: ignore[no-any-return]
        except Exception:
            if self._may_log("raised", address):
                logger.exception("hosts: looking up %s raised, the peer is refused", address)
            return None

    def _on_bad_host(self, address: str) -> None:
        if self._may_log("secret", address):
            logger.error("hosts: the entry for %s has no secret of bytes, the peer is refused", address)

    def _may_log(self, reason: str, address: str) -> bool:
        """At most ten records a second for one reason and peer, as the engine's own."""
        now = time.monotonic()
        if now - self._log_window >= 1.0:
            self._log_window, self._log_counts = now, {}
        count = self._log_counts.get((reason, address), 0) + 1
        self._log_counts[reason, address] = count
        return count <= _LOG_BURST

    async def _packet_received(self, data: bytes, address: str) -> Packet | None:
        return await self.packet_received(data, address, RadiusVersion.V1_0)

    def _on_event(
        self, name: str, level: int, sentence: str, address: str, port: int, text: str, held_back: int
    ) -> None:
        """A log record from the engine; `name` is the counter of stats() that counts it."""
        where = f"[{address}]:{port} " if ":" in address else f"{address}:{port} " if address else ""
        more = f" ({held_back} more were held back)" if held_back else ""
        logger.log(_LEVELS[level], "%s%s%s%s", where, sentence, f": {text}" if text else "", more)

    def _on_failure(
        self, kind: str, error: BaseException | None, packet: Any, reply: Any, address: str, port: int
    ) -> None:
        """A handler that gave no usable reply."""
        what = self._describe(packet, address, port)
        exc_info = (type(error), error, error.__traceback__) if error is not None else None
        if kind == "misfit":
            logger.warning("%s: the handler's reply has code %s, sent as it is", what, _core.code_name(reply.code))
        elif kind == "none":
            logger.error("%s: the handler returned None, no reply is sent", what)
        elif isinstance(error, asyncio.CancelledError):
            logger.warning("%s: the handler was cancelled, no reply is sent", what)
        elif kind == "raised":
            logger.error("%s: the handler raised, no reply is sent", what, exc_info=exc_info)
        else:
            logger.error("%s: the handler's reply cannot be sent", what, exc_info=exc_info)

    @staticmethod
    def _describe(packet: Any, address: str, port: int) -> str:
        """Code, identifier, user name and peer of a request, for the log."""
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if isinstance(packet, bytes):
            return f"{_core.code_name(packet[0])} id {packet[1]} from {where}"
        if packet is None:
            return f"request from {where}"
        names = packet.get(1)
        name = names[0] if isinstance(names, list) and names else None  # a handler may have put anything there
        user = f" user {name.decode('utf-8', 'backslashreplace')!r}" if isinstance(name, bytes) else ""
        return f"{_core.code_name(packet.code)} id {packet.id}{user} from {where}"

    def _on_stopped(self) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)


def _close_all(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


# Engines whose threads run in this process.
_running: weakref.WeakSet[_core.Engine] = weakref.WeakSet()


@atexit.register
def _close_running() -> None:
    # Before OpenSSL cleans up behind the threads' backs.
    for engine in list(_running):
        engine.close()


def _after_fork_in_child() -> None:
    for engine in list(_running):
        engine._forked()
    _running.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
