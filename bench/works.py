"""The kinds of work that servers are measured at: what is asked of them, and what is looked at."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from processes import RigError, RunningServer
from rig import Rig
from servers import AS_SHIPPED, BareLoop, PythonServer, Server, Settings, Timing

IDLE_CONNS, IDLE_CONNS_SMOKE = 10_000, 50
IDLE_SPARE_DESCRIPTORS = 256
SHARE_OF_LOAD = 5  # beside a storm, a server gets a fifth of what it can do
STORM_PER_S = 200
ENOUGH_OF_STORM = 0.9
# The second generator must never hold up the one that takes the time, as even a niced process may for a slice: it runs
# when nobody else wants the processor.
IDLE_PRIORITY = ("chrt", "--idle", "0")
# What one run lost, or found wrong, in the names of radsec_load.
COUNTS = ("lost", "unanswered", "errors", "bad", "unexpected")


@dataclass(frozen=True)
class Work:
    """One kind of work. `columns` says which table its figures go to."""

    name: str
    title: str
    settings: Settings = AS_SHIPPED
    columns: str = "load"
    most_rounds: int | None = None  # of work that takes long and varies little

    def wants(self, server: Server) -> bool:
        return not server.is_yardstick and (self.settings.is_on_both or not server.needs_both)

    def refusal(self, server: Server) -> str | None:
        """Why this server is left out; None: it is not."""
        return server.refusal(self.settings)

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        """One measurement of a running server."""
        raise NotImplementedError


@dataclass(frozen=True)
class LoadWork(Work):
    """The load generator, and what it says."""

    conns: int = 1
    window: int = 1
    options: tuple[str, ...] = ()

    def refusal(self, server: Server) -> str | None:
        in_flight = self.conns * self.window
        if server.max_in_flight is not None and in_flight > server.max_in_flight:
            return f"at most {server.max_in_flight} requests in flight"
        return super().refusal(server)

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        options = [f"--conns={self.conns}", f"--window={self.window}", *self.options, *timing.options()]
        if "status" in self.options and not server.signs_status:
            options.append("--full-check=0")
        run = rig.load(running, options, timing.seconds)
        if server.needs_both:
            # Of one of its processes only.
            run.pop("server_cpu_us", None)
            run.pop("server_busy", None)
        return run


@dataclass(frozen=True)
class ResumingWork(LoadWork):
    """Handshakes that resume a session, if the server lets them."""

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        run = super().measure(rig, server, running, timing)
        if run["resumed_rate"] < 0.9 * run["handshake_rate"]:
            run["remark"] = f"{run['resumed_rate']:.0f} of {run['handshake_rate']:.0f} handshakes resumed a session"
        return run


@dataclass(frozen=True)
class WaitingWork(LoadWork):
    """A handler that waits, and beside it the same tasks without a server around them."""

    columns: str = "waiting"

    def wants(self, server: Server) -> bool:
        return server.is_yardstick or (server.is_python and super().wants(server))

    def measure_alone(self, rig: Rig, server: BareLoop, timing: Timing) -> dict[str, Any]:
        return server.measure(rig, self.settings, self.conns * self.window, timing)


@dataclass(frozen=True)
class IdleWork(Work):
    """Connections on which nothing happens: what each costs in memory, and all of them in processor time."""

    columns: str = "idle"
    most_rounds: int | None = 1

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        wanted = IDLE_CONNS_SMOKE if timing.is_smoke else IDLE_CONNS
        conns = min(wanted, rig.descriptors - IDLE_SPARE_DESCRIPTORS, server.max_conns or wanted)
        before_kb = running.resident_kb()
        with rig.company(running, [f"--conns={conns}", "--hold=1"]) as process:
            opened = rig.heard(running, process)
            time.sleep(timing.warm_s)
            begin_s, begin_sleeps = running.scheduled()
            begin = time.monotonic()
            time.sleep(timing.seconds)
            end_s, end_sleeps = running.scheduled()
            passed = time.monotonic() - begin
            resident_kb = running.resident_kb()
        run = {
            "conns": conns,
            "resident_kb": resident_kb,
            "conn_kb": (resident_kb - before_kb) / conns,
            "idle_cpu_percent": 100 * (end_s - begin_s) / passed,
            "wake_ups": (end_sleeps - begin_sleeps) / passed,
            "errors": opened["errors"],
            "first_error": opened["first_error"],
        }
        if conns < wanted:
            run["remark"] = f"{conns} connections, " + (
                "as many as it is given" if conns == server.max_conns else "for want of descriptors (ulimit -n)"
            )
        return run


@dataclass(frozen=True)
class DisturbedWork(Work):
    """Established connections at a fifth of what the server can do, quiet, and beside a second generator."""

    columns: str = "disturbed"
    company: tuple[str, ...] = ()

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        calibration = Timing(timing.warm_s, min(timing.seconds, 1.0))
        full = rig.load(running, ["--conns=16", "--window=16", *calibration.options()], timing.seconds)
        if full["rate"] <= 0:
            raise RigError(f"{server.name} answers nothing")
        steady = ["--conns=16", f"--rate={max(10.0, full['rate'] / SHARE_OF_LOAD):.0f}", *timing.options()]
        quiet = rig.load(running, steady, timing.seconds)
        # Begins before the steady load and goes on a little longer than that.
        length = Timing(0.0, 2 * timing.warm_s + timing.seconds + 0.5)
        disturbance = ["--conns=32", "--handshakes=1", f"--rate={STORM_PER_S}", *self.company, *length.options()]
        with rig.company(running, disturbance, IDLE_PRIORITY) as process:
            time.sleep(timing.warm_s)
            run = rig.load(running, steady, timing.seconds)
            beside = rig.heard(running, process)
        run["quiet_p50_us"], run["quiet_p99_us"] = quiet["p50_us"], quiet["p99_us"]
        run["quiet_cpu_us"] = quiet.get("server_cpu_us", 0.0)
        run["beside_per_s"] = beside["handshake_rate"]
        if run["beside_per_s"] < ENOUGH_OF_STORM * STORM_PER_S:
            run["remark"] = f"of {STORM_PER_S} connections a second beside, fewer than {ENOUGH_OF_STORM:.0%} came about"
        run["disturbed"] = quiet["disturbed"]
        run["first_error"] = run["first_error"] or quiet["first_error"] or beside["first_error"]
        for name in COUNTS:
            run[name] += quiet[name]
        # A packet that does not verify must not be answered, and a full handshake must come about.
        for name in ("bad",) if self.company else ("bad", "unexpected", "errors"):
            run[name] += beside[name]
        return run


@dataclass(frozen=True)
class StartWork(Work):
    """From the start of the process until it listens, and what of that is the import."""

    columns: str = "start"

    def measure(self, rig: Rig, server: Server, running: RunningServer, timing: Timing) -> dict[str, Any]:
        run: dict[str, Any] = {"start_ms": running.start_ms, "resident_kb": running.resident_kb()}
        if isinstance(server, PythonServer):
            modules = f"{server.environment}.radsec.server"
            server.import_ms(rig, modules)  # compiles what has not been compiled
            pairs = [(server.import_ms(rig, modules), server.import_ms(rig, "asyncio, ssl")) for _ in range(3)]
            run["import_ms"] = statistics.median(pair[0] for pair in pairs)
            run["base_import_ms"] = statistics.median(pair[1] for pair in pairs)
        return run


_PACKED = Settings(is_packed=True)
_TICKETS = Settings(tickets=2)


def load_work(
    name: str, title: str, conns: int, window: int, options: str = "", settings: Settings = AS_SHIPPED
) -> LoadWork:
    return LoadWork(name, title, settings, conns=conns, window=window, options=tuple(options.split()))


_ALL: Sequence[Work] = (
    load_work("auth-1x1", "Access-Request, one at a time", 1, 1),
    load_work("auth-16x1", "Access-Request, 16 connections x 1 in flight", 16, 1),
    load_work("auth-1x32", "Access-Request, 1 connection x 32 in flight", 1, 32),
    load_work("auth-16x16", "Access-Request, 16 connections x 16 in flight", 16, 16),
    load_work("auth-256x4", "Access-Request, 256 connections x 4 in flight", 256, 4),
    load_work("auth-packed", "Access-Request, 16 x 16, packed into TLS records", 16, 16, "--coalesce 1", _PACKED),
    load_work("acct-16x8", "Accounting-Request, 16 connections x 8 in flight", 16, 8, "--kind acct"),
    load_work("status-16x8", "Status-Server, 16 connections x 8 in flight", 16, 8, "--kind status"),
    load_work("mix-16x16", "Access- and Accounting-Requests, as chance has it, 16 x 16", 16, 16, "--kind mix"),
    load_work("handshakes", "Full handshake, one Access-Request, close; 8 at a time", 8, 1, "--handshakes 1"),
    ResumingWork(
        name="resumed",
        title="Resumed handshake, one Access-Request, close; 8 at a time, servers give two tickets",
        settings=_TICKETS,
        conns=8,
        options=("--handshakes=1", "--resume=1"),
    ),
    LoadWork(
        name="both-64x16",
        title="Access-Request, 64 connections x 16 in flight, server and load generator on both processors",
        settings=Settings(is_on_both=True),
        columns="both",
        conns=64,
        window=16,
    ),
    WaitingWork(
        name="await-5ms",
        title="Access-Request, the handler waits 5 ms first, 1 connection x 256 in flight",
        settings=Settings(await_ms=5.0),
        window=256,
    ),
    DisturbedWork("storm", f"A steady fifth of the load, beside {STORM_PER_S} full handshakes a second"),
    DisturbedWork(
        name="flood",
        title=f"A steady fifth of the load, beside {STORM_PER_S} connections a second with 64 bad packets each",
        company=("--spoil=1",),
    ),
    IdleWork("idle", "Idle connections, 10 000 where they can be had"),
    StartWork("start", "From the start of the process until it listens"),
)

WORKS = {work.name: work for work in _ALL}
