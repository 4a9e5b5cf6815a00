"""radsecproxy as Debian packages it, RADIUS/TLS in and RADIUS/UDP out, in front of a trivial server (udp_server.c).

The server behind it runs on the load generator's processor: what is measured is the proxy, and its CPU time is the
proxy's alone. A RADIUS/UDP server has 256 Identifiers for one peer, and so has the proxy for what is in flight.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freeradius_peer import daemon
from processes import RunningServer, checked, clean_environment, end, free_port, knock, pinned, started
from rig import BUILD, SERVER_FILES, Rig
from servers import Server, Settings, announced

CONFIG = """
ListenTLS 127.0.0.1:{port}
tls benchmark {{
    CertificateFile {cert}
    CertificateKeyFile {key}
    CACertificateFile {ca}
}}
client benchmark {{
    host 127.0.0.1
    type tls
    tls benchmark
    secret radsec
    CertificateNameCheck off
}}
server home {{
    host 127.0.0.1
    port {udp_port}
    type udp
    secret radsec
}}
realm * {{
    server home
    accountingServer home
}}
"""


class RadsecProxy(Server):
    name = "radsecproxy"
    title = "radsecproxy of the distribution, in front of a trivial UDP server on the other processor"
    is_peer = True
    max_conns = 1000  # it has threads for each connection
    max_in_flight = 256
    signs_status = False

    def prepare(self, rig: Rig) -> None:
        super().prepare(rig)
        self.path = daemon("radsecproxy")
        rig.compile("udp_server")
        self.version = checked([self.path, "-v"], self.path).splitlines()[0].removeprefix("radsecproxy revision ")

    @contextlib.contextmanager
    def running(self, rig: Rig, settings: Settings) -> Iterator[RunningServer]:
        with pinned(rig.load_cpu):
            home = subprocess.Popen(
                [BUILD / "udp_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=clean_environment(),
            )
        try:
            hello = announced(home)
            udp_port = hello["port"] if hello is not None else 0
            port = free_port()
            files = {option.removeprefix("--"): path for option, path in SERVER_FILES.items()}
            config = BUILD / "radsecproxy.conf"
            config.write_text(CONFIG.format(port=port, udp_port=udp_port, **files))

            def listening(process: subprocess.Popen[str]) -> dict[str, Any] | None:
                return {"port": port, "library": f"radsecproxy {self.version}"} if knock(process, port) else None

            command: list[str | Path] = [self.path, "-f", "-c", config]
            cpus = rig.server_cpus(settings.is_on_both)
            with started(self.name, command, self.log(), cpus, listening, is_told_by_input=False) as server:
                server.helpers.append(home)
                yield server
        finally:
            end(home)
