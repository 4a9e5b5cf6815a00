"""FreeRADIUS 3 as Debian packages it, with a configuration that uses nothing of the installed one.

The listener is the `tls` site that comes with it, without its limit of 16 connections; thread pool, request limits and
delays are those of its radiusd.conf. Only reject_delay is left at 0, which is a delay and no work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import RunningServer, SkippedError, checked, free_port, knock, started
from rig import BUILD, SERVER_FILES, Rig
from servers import Server, Settings

RADIUSD = """
prefix = /usr
libdir = /usr/lib/freeradius
name = freeradius
logdir = {base}
run_dir = {base}
pidfile = {base}/freeradius.pid
max_request_time = 30
cleanup_delay = 5
max_requests = 16384
proxy_requests = no
log {{
    destination = stdout
    auth = no
}}
security {{
    max_attributes = 200
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 5
    max_servers = 32
    min_spare_servers = 3
    max_spare_servers = 10
    max_requests_per_server = 0
}}
modules {{
    pap {{
    }}
    always ok {{
        rcode = ok
    }}
}}
clients radsec {{
    client benchmark {{
        ipaddr = 127.0.0.1
        proto = tls
        secret = radsec
        limit {{
            max_connections = 0
            lifetime = 0
            idle_timeout = 0
        }}
    }}
}}
server default {{
    listen {{
        type = auth+acct
        ipaddr = 127.0.0.1
        port = {port}
        proto = tcp
        clients = radsec
        limit {{
            max_connections = 0
            lifetime = 0
            idle_timeout = 0
        }}
        tls {{
            certificate_file = {cert}
            private_key_file = {key}
            ca_file = {ca}
            fragment_size = 8192
            cipher_list = "DEFAULT"
            tls_min_version = "1.2"
            tls_max_version = "1.3"
            require_client_cert = yes
            cache {{
                enable = {is_resuming}
                lifetime = 24
                name = "benchmark"
            }}
        }}
    }}
    authorize {{
        if (&User-Name =~ /^user([0-9][0-9][0-9][0-9])@/) {{
            update control {{
                Cleartext-Password := "hunter%{{1}}"
            }}
        }}
        pap
        Autz-Type Status-Server {{
            update reply {{
                Message-Authenticator := 0x00
            }}
            ok
        }}
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
    }}
    post-auth {{
        update reply {{
            Reply-Message := "Hello %{{User-Name}}"
            Message-Authenticator := 0x00
        }}
        Post-Auth-Type REJECT {{
            update reply {{
                Message-Authenticator := 0x00
            }}
        }}
    }}
    preacct {{
        ok
    }}
    accounting {{
        ok
    }}
}}
"""


def daemon(name: str) -> str:
    """The path of a daemon, which lives where a plain user's PATH does not look."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if path is None:
        raise SkippedError(f"{name} is not installed; on Debian: apt-get install {name}")
    return path


class FreeRadius(Server):
    name = "freeradius"
    title = "FreeRADIUS 3 of the distribution, same policy in unlang"
    is_peer = True
    max_conns = 500  # each connection is a listener, and its event loop looks at all of them
    takes_packed = False

    def prepare(self, rig: Rig) -> None:
        super().prepare(rig)
        self.path = daemon("freeradius")
        self.version = checked([self.path, "-v"], self.path).partition("Version ")[2].partition(",")[0]

    @contextlib.contextmanager
    def running(self, rig: Rig, settings: Settings) -> Iterator[RunningServer]:
        base = BUILD / "freeradius"
        base.mkdir(parents=True, exist_ok=True)
        base.chmod(0o700)
        port = free_port()
        files = {option.removeprefix("--"): path for option, path in SERVER_FILES.items()}
        is_resuming = "no" if settings.tickets is None else "yes"
        (base / "radiusd.conf").write_text(RADIUSD.format(base=base, port=port, is_resuming=is_resuming, **files))

        def listening(process: subprocess.Popen[str]) -> dict[str, Any] | None:
            return {"port": port, "library": f"FreeRADIUS {self.version}"} if knock(process, port) else None

        command: list[str | Path] = [self.path, "-f", "-l", "stdout", "-d", base]
        cpus = rig.server_cpus(settings.is_on_both)
        with started(self.name, command, self.log(), cpus, listening, is_told_by_input=False) as server:
            yield server
