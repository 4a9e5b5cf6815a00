"""Configurations of FreeRADIUS 3 that use nothing of the installed one, and the running of radclient."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from programs import Process, program, run

SECRET = "between nas and freeradius"

# What every configuration here begins with. {base} is a directory of its own, {more} the rest.
COMMON = """
prefix = /usr
libdir = /usr/lib/freeradius
name = freeradius
logdir = {base}
run_dir = {base}
pidfile = {base}/freeradius.pid
max_request_time = 30
cleanup_delay = 2
max_requests = 16384
log {{
    destination = stdout
}}
security {{
    max_attributes = 200
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 2
    max_servers = 2
    min_spare_servers = 1
    max_spare_servers = 2
    max_requests_per_server = 0
}}
{more}
"""

# A NAS comes by UDP, every request goes to one home server over one TLS connection.
PROXY = """
proxy_requests = yes
proxy server {{
    default_fallback = no
}}
client nas {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
}}
home_server radsec {{
    type = auth+acct
    ipaddr = 127.0.0.1
    port = {server_port}
    proto = tcp
    secret = radsec
    response_window = 20
    status_check = none
    limit {{
        max_connections = 1
        max_requests = 0
        lifetime = 0
        idle_timeout = 0
    }}
    tls {{
        certificate_file = {certs.client}
        private_key_file = {certs.client_key}
        ca_file = {certs.ca}
        {tls}
    }}
}}
home_server_pool radsec {{
    type = fail-over
    home_server = radsec
}}
realm DEFAULT {{
    pool = radsec
    nostrip
}}
modules {{
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth_port}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct_port}
    }}
    authorize {{
        update control {{
            Proxy-To-Realm := "DEFAULT"
        }}
    }}
    preacct {{
        update control {{
            Proxy-To-Realm := "DEFAULT"
        }}
    }}
}}
"""

# A RADIUS/TLS server that knows one password, and signs each reply with a Message-Authenticator.
SERVER = """
proxy_requests = no
modules {{
    pap {{
    }}
    chap {{
    }}
    always ok {{
        rcode = ok
    }}
}}
clients radsec {{
    client nas {{
        ipaddr = 127.0.0.1
        proto = tls
        secret = radsec
    }}
}}
server default {{
    listen {{
        type = auth+acct
        ipaddr = 127.0.0.1
        port = {port}
        proto = tcp
        clients = radsec
        tls {{
            certificate_file = {certs.server}
            private_key_file = {certs.server_key}
            ca_file = {certs.ca}
            cipher_list = "DEFAULT"
            tls_min_version = "1.2"
            tls_max_version = "{version}"
            require_client_cert = yes
        }}
    }}
    authorize {{
        update control {{
            Cleartext-Password := "correct horse"
        }}
        chap
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
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
        update reply {{
            Message-Authenticator := 0x00
        }}
        ok
    }}
}}
"""


def start(base: Path, more: str) -> Process:
    """FreeRADIUS in the foreground with a configuration under `base`; it is ready when this returns."""
    base.mkdir()
    base.chmod(0o700)
    (base / "radiusd.conf").write_text(COMMON.format(base=base, more=more))
    process = Process([program("freeradius"), "-f", "-l", "stdout", "-d", str(base)])
    try:
        process.wait_for_line("Ready to process requests")
    except BaseException:
        process.end()
        raise
    return process


def request_file(path: Path, requests: Sequence[str]) -> Path:
    """A file of requests for radclient."""
    path.write_text("\n\n".join(requests) + "\n")
    return path


def radclient(
    port: int, kind: str, secret: str, requests: Path, *, parallel: int = 1, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs radclient with a summary of what came back. A request that gets no reply is sent once only."""
    return run(
        [
            *(program("radclient"), "-s", "-r", "1", "-t", "20", "-p", str(parallel), "-f", str(requests), *options),
            *(f"127.0.0.1:{port}", kind, secret),
        ]
    )


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """radclient's counts: Accepted, Rejected, Lost and so on."""
    return {name: int(number) for name, number in re.findall(r"^\s*(\w[\w ]*?)\s*: (\d+)$", done.stdout, re.MULTILINE)}
