"""Signals, forks, exits and interpreters: what a process does with a server in it, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from children import read_until, run_program, running_program

from wire import Peer, access_request, check_response

RUN = "asyncio.run(make().run())"


def address_of(process: subprocess.Popen[str]) -> tuple[str, int]:
    return ("127.0.0.1", int(read_until(process, "port")))


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status, the rest of the output, errors."""
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors


# --- signals ---


@pytest.mark.parametrize("has_clients", [False, True])
def test_ctrl_c_is_exit_status_0(has_clients: bool) -> None:
    with running_program(RUN) as process:
        address = address_of(process)
        peers = [Peer(address) for _ in range(3 if has_clients else 0)]
        for peer in peers:
            peer.probe()
        process.send_signal(signal.SIGINT)
        assert end(process) == (0, "", "")
        for peer in peers:
            assert peer.receive_rest() == []
            assert peer.end == "close_notify"  # TLS-11
            peer.close()


def test_ctrl_c_while_handlers_run() -> None:
    program = """
        class Slow(Server):
            async def handle_access_request(self, packet):
                print("handling", flush=True)
                await asyncio.sleep(3600)

        asyncio.run(make(Slow).run())
    """
    with running_program(program) as process, Peer(address_of(process)) as peer:
        peer.send(access_request())
        read_until(process, "handling")
        process.send_signal(signal.SIGINT)
        status, _, errors = end(process)
    assert status == 0
    assert "Traceback" not in errors


def test_ctrl_c_that_does_not_interrupt_the_loop_s_wait() -> None:
    """Another thread takes it, as it were right before the wait."""
    program = """
        def take():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            threading.Event().wait()

        threading.Thread(target=take, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        asyncio.run(make().run())
        assert signal.set_wakeup_fd(-1) == -1
    """
    with running_program(program) as process, Peer(address_of(process)) as peer:
        peer.probe()
        process.send_signal(signal.SIGINT)
        assert end(process) == (0, "", "")


def test_signals_wake_what_they_woke_before() -> None:
    program = """
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())

        async def main():
            running = asyncio.ensure_future(make().run())
            await asyncio.sleep(0)
            assert signal.set_wakeup_fd(writer.fileno()) == writer.fileno()
            running.cancel()
            await running

        asyncio.run(main())
        assert signal.set_wakeup_fd(-1) == writer.fileno()
    """
    with running_program(program) as process:
        address_of(process)
        assert end(process) == (0, "", "")


@pytest.mark.parametrize("is_installed", ["before", "while it runs"])
def test_a_signal_at_the_moment_when_it_is_found_out_whose_signals_are(is_installed: str) -> None:
    program = f"""
        set_wakeup_fd = signal.set_wakeup_fd
        caught = []

        def setting(fd, **options):
            before = set_wakeup_fd(fd, **options)
            if before != -1:
                signal.set_wakeup_fd = set_wakeup_fd
                signal.raise_signal(signal.SIGUSR1)
            return before

        async def main():
            loop, came = asyncio.get_running_loop(), asyncio.Event()

            def install():
                loop.add_signal_handler(signal.SIGUSR1, lambda: (caught.append(1), came.set()))

            if {is_installed == "before"}:
                install()
            signal.set_wakeup_fd = setting
            running = asyncio.ensure_future(make().run())
            await asyncio.sleep(0)
            if {is_installed != "before"}:
                signal.set_wakeup_fd = set_wakeup_fd
                install()
                signal.set_wakeup_fd = setting
            running.cancel()
            await running
            assert signal.set_wakeup_fd is set_wakeup_fd
            await asyncio.wait_for(came.wait(), 10)

        asyncio.run(main())
        assert caught
    """
    with running_program(program) as process:
        address_of(process)
        assert end(process) == (0, "", "")


def test_ctrl_c_under_uvloop() -> None:
    pytest.importorskip("uvloop")
    with running_program("import uvloop; uvloop.run(make().run())") as process, Peer(address_of(process)) as peer:
        peer.probe()
        process.send_signal(signal.SIGINT)
        assert end(process) == (0, "", "")


def test_sigterm_to_stop_with_grace() -> None:
    """The pattern for services: what was accepted is answered, then the process ends."""
    program = """
        gate = asyncio.Event()

        class Slow(Server):
            async def handle_access_request(self, packet):
                print("handling", flush=True)
                await gate.wait()
                return packet.create_reply()

        async def main():
            loop = asyncio.get_running_loop()
            server = make(Slow)
            done = asyncio.Event()
            loop.add_signal_handler(signal.SIGTERM, done.set)
            await server.start()
            await done.wait()
            print("stopping", flush=True)
            loop.call_later(0.1, gate.set)
            await server.stop(grace=10)

        asyncio.run(main())
    """
    with running_program(program) as process, Peer(address_of(process)) as peer:
        request = access_request()
        peer.send(request)
        read_until(process, "handling")
        process.send_signal(signal.SIGTERM)
        read_until(process, "stopping")
        (reply,) = peer.receive_rest()
        check_response(reply, request)
        assert peer.end == "close_notify"
        assert end(process) == (0, "", "")


def test_the_io_thread_takes_no_signals() -> None:
    """They are Python's affair: every signal is blocked in a thread that never runs Python."""
    program = """
        async def main():
            async with make() as server:
                masks = {}
                for thread in os.listdir("/proc/self/task"):
                    with open(f"/proc/self/task/{thread}/status") as file:
                        fields = dict(line.split(":", 1) for line in file)
                    masks[int(thread)] = int(fields["SigBlk"], 16)
                own = masks.pop(os.getpid())
                (blocked,) = masks.values()
                # All but SIGKILL, SIGSTOP and the two that glibc keeps for itself.
                for number in set(range(1, 65)) - {9, 19, 32, 33}:
                    assert blocked >> (number - 1) & 1, number
                assert own == 0

        asyncio.run(main())
    """
    done = run_program(program)
    assert (done.returncode, done.stderr) == (0, "")


# --- exits ---

ENDS = {
    "stopped": "",
    "not stopped": "loop = asyncio.new_event_loop(); server = make(); loop.run_until_complete(server.start())",
    "not stopped, loop closed": """
loop = asyncio.new_event_loop()
server = make()
loop.run_until_complete(server.start())
loop.close()
""",
    "not stopped, handler suspended": """
class Slow(Server):
    async def handle_access_request(self, packet):
        loop.stop()
        await asyncio.sleep(3600)

loop = asyncio.new_event_loop()
server = make(Slow)
loop.run_until_complete(server.start())
loop.run_forever()
""",
    "exit in a handler": """
class Exiting(Server):
    async def handle_access_request(self, packet):
        sys.exit(0)

asyncio.run(make(Exiting).run())
""",
    "in a thread": """
loop = asyncio.new_event_loop()
server = make()
loop.run_until_complete(server.start())
asked = threading.Event()
server.handle_access_request = lambda packet: asked.set() or loop.create_future()
threading.Thread(target=loop.run_forever, daemon=True).start()
asked.wait()
""",
}
WITH_CLIENT = ("not stopped, handler suspended", "exit in a handler", "in a thread")


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS)
def test_the_interpreter_ends_cleanly(program: str, options: tuple[str, ...]) -> None:
    """The I/O thread is joined before OpenSSL cleans up behind its back; -X dev looks at the heap and warns."""
    if not program:
        program = "async def main():\n    async with make():\n        pass\nasyncio.run(main())"
    with running_program(program, *options) as process:
        address = address_of(process)
        if program in [ENDS[name] for name in WITH_CLIENT]:
            with Peer(address) as peer:
                peer.send(access_request())
                assert peer.receive_rest() == []
        status, _, errors = end(process)
    assert status == 0, errors
    assert "Fatal" not in errors
    assert "Segmentation" not in errors


@pytest.mark.parametrize("suspended", [False, True])
def test_a_loop_closed_without_stop_is_a_resource_warning(suspended: bool) -> None:
    """And the threads are joined."""
    program = f"""
        suspended = {suspended}

        class Slow(Server):
            async def handle_access_request(self, packet):
                loop.stop()
                if suspended:
                    await loop.create_future()
                return packet.create_reply()

        def threads():
            return len(os.listdir("/proc/self/task"))

        before = threads()
        loop = asyncio.new_event_loop()
        server = make(Slow)
        loop.run_until_complete(server.start())
        assert threads() == before + 1
        loop.run_forever()
        loop.close()
        del loop
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del server
            gc.collect()
        print([str(warning.message) for warning in caught if warning.category is ResourceWarning])
        del caught  # a warning holds what it is about
        gc.collect()
        print(threads() - before, _core.live_objects())
    """
    with running_program(program) as process, Peer(address_of(process)) as peer:
        peer.send(access_request())
        status, output, errors = end(process)
    assert status == 0, errors
    assert output.splitlines() == [
        "['RadSecServer was not stopped']",
        "0 {'connections': 0, 'requests': 0, 'peers': 0, 'engines': 0}",
    ]


def test_starting_again_after_the_loop_was_closed() -> None:
    """The old engine is told of and closed, and the server serves on the new loop."""
    program = """
        server = make()
        first = asyncio.new_event_loop()
        first.run_until_complete(server.start())
        first.close()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(server.run())
        print([warning.category.__name__ for warning in caught], len(os.listdir("/proc/self/task")))
    """
    with running_program(program) as process:
        read_until(process, "port")
        with Peer(address_of(process)) as peer:
            peer.probe()
        process.send_signal(signal.SIGINT)
        assert end(process) == (0, "['ResourceWarning'] 1\n", "")


# --- forks ---

FORK = """
class Forking(Server):
    async def handle_access_request(self, packet):
        if packet[1] == [b"fork"]:
            pid = os.fork()
            if pid == 0:
                child()
                os._exit(0)
            print("child", pid, flush=True)
        return packet.create_reply()

def child():
    # What a child does that lives on, without exec: it must not be heard by any peer.
    signal.pause()

asyncio.run(make(Forking).run())
"""


def test_a_fork_leaves_the_parents_clients_alone() -> None:
    """The child closes its copies without TLS traffic; the parent goes on, and its FIN is not held back by them."""
    with running_program(
        FORK, "-W", "ignore::DeprecationWarning"
    ) as process:  # Python warns of every fork with threads
        address = address_of(process)
        with Peer(address) as peer, Peer(address) as other:
            other.probe()
            assert peer.ask(access_request("fork")).code == 2
            child = int(read_until(process, "child"))
            try:
                assert peer.ask(access_request(id=1)).code == 2
                other.probe()
                with Peer(address) as late:
                    assert late.ask(access_request()).code == 2
                # The child holds none of the parent's sockets.
                assert sockets_of(child) == set()
                process.send_signal(signal.SIGINT)
                for one in (peer, other):
                    assert one.receive_rest() == []
                    assert one.end == "close_notify"
                    one.sock.settimeout(2)
                    one.wait_fin()
                os.kill(child, 0)  # still there
            finally:
                os.kill(child, signal.SIGKILL)
        status, _, errors = end(process)
        assert (status, errors) == (0, "")


def sockets_of(pid: int) -> set[str]:
    """The TCP sockets that a process has, by their inodes' names. asyncio's own self-pipe is no TCP."""
    with open(f"/proc/{pid}/net/tcp") as file:
        tcp = {f"socket:[{line.split()[9]}]" for line in file.readlines()[1:]}
    folder = f"/proc/{pid}/fd"
    return {os.readlink(f"{folder}/{name}") for name in os.listdir(folder)} & tcp


def test_a_forked_child_can_end_and_have_a_server_of_its_own() -> None:
    """The parent's engine is dead there: collecting it, and exiting, disturb nobody."""
    program = """
        def is_at_rest():
            # What the engine's thread locks while it begins (a sanitizer's allocator, say) stays locked in the child.
            for tid in os.listdir("/proc/self/task"):
                with open(f"/proc/self/task/{tid}/stat") as stat:
                    state = stat.read().rpartition(")")[2].split()[0]
                if state != "S" and int(tid) != os.getpid():
                    return False
            return True

        async def serve_once():
            async with make(RadSecServer) as server:
                return len(server.addresses)

        async def main():
            server = make()
            await server.start()
            keys = server.stats().keys()
            while not is_at_rest():
                await asyncio.sleep(0)
            pid = os.fork()
            if pid == 0:
                asyncio.events._set_running_loop(None)
                status = 99
                try:
                    assert asyncio.run(serve_once()) == 1
                    assert server.stats().keys() == keys
                    server.__dict__.clear()
                    gc.collect()
                    assert len(os.listdir("/proc/self/task")) == 1
                    status = 0
                finally:
                    os._exit(status)
            _, status = os.waitpid(pid, 0)
            print("child", os.waitstatus_to_exitcode(status), flush=True)
            await server.wait_closed()

        asyncio.run(main())
    """
    with running_program(program) as process:
        address = address_of(process)
        assert read_until(process, "child") == "0"
        with Peer(address) as peer:
            assert peer.ask(access_request()).code == 2
        process.terminate()
        end(process)


def test_a_subprocess_gets_none_of_the_sockets() -> None:
    """CLOEXEC on all of them."""
    program = """
        import subprocess

        class Listing(Server):
            async def handle_access_request(self, packet):
                done = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
                print("inherited", sum("socket:" in line or "eventfd" in line or "eventpoll" in line
                                       for line in done.stdout.splitlines()), flush=True)
                return packet.create_reply()

        asyncio.run(make(Listing).run())
    """
    with running_program(program) as process, Peer(address_of(process)) as peer:
        peer.ask(access_request())
        assert read_until(process, "inherited") == "0"


# --- interpreters ---


def test_a_subinterpreter_with_its_own_gil_is_refused() -> None:
    """Py_mod_multiple_interpreters claims nothing: an interpreter that shares nothing does not get the module."""
    program = """
        try:
            import _interpreters as interpreters
        except ImportError:
            try:
                import _xxsubinterpreters as interpreters
            except ImportError:
                print("skip"); sys.exit()
        code = '''if True:
            import sys
            sys.path[:] = %r
            try:
                import pyradsec._core
            except ImportError as error:
                assert "subinterpreters" in str(error), error
                print("refused", flush=True)
            else:
                print("imported", flush=True)
        ''' % sys.path
        id = interpreters.create()
        interpreters.run_string(id, code)
        interpreters.destroy(id)
        async def main():
            async with make():
                pass
        asyncio.run(main())  # the main interpreter is none the worse
    """
    done = run_program(program)
    if done.stdout.startswith("skip"):
        pytest.skip("no module for subinterpreters")
    assert done.returncode == 0, done.stderr
    # Before Python 3.12 all interpreters share the one GIL, which is what the module counts on.
    assert done.stdout.splitlines()[0] == ("refused" if sys.version_info >= (3, 12) else "imported")


def test_the_module_can_be_imported_twice() -> None:
    """Multi-phase initialisation: each import after a removal has types of its own, and neither breaks the other."""
    program = """
        import importlib
        first = sys.modules.pop("pyradsec._core")
        second = importlib.import_module("pyradsec._core")
        assert first is not second
        assert first.Engine is not second.Engine
        assert first.live_objects() == second.live_objects()  # the process's
        del first, second
        gc.collect()
        async def main():
            async with make():
                pass
        asyncio.run(main())
    """
    done = run_program(program, "-X", "dev")
    assert done.returncode == 0, done.stderr


# --- descriptors and idleness ---


def test_without_descriptors_the_listener_pauses_and_goes_on() -> None:
    """EMFILE: tried again, told, and never spun on. Who was waiting is served when a descriptor is free."""
    program = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        import logging
        logging.basicConfig(stream=sys.stdout, format="log %(levelname)s %(message)s", level=logging.WARNING)

        async def main():
            server = make(max_connections=None, handshake_timeout=None)
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGTERM, lambda: asyncio.ensure_future(server.stop(grace=0))
            )
            await server.start()
            while server.stats()["accept_paused"] < 5:
                await asyncio.sleep(0.01)
            print("paused", flush=True)
            used = time.process_time()
            await asyncio.sleep(1.0)
            print("cpu", time.process_time() - used, flush=True)
            await server.wait_closed()

        asyncio.run(main())
    """
    with running_program(program) as process:
        address = address_of(process)
        peers = [Peer(address, handshake=False) for _ in range(60)]
        assert "cannot accept connections" in read_until(process, "log")
        read_until(process, "paused")
        assert float(read_until(process, "cpu")) < 0.25
        for peer in peers[:50]:
            peer.sock.close()
        # The last ones were in the kernel's queue all the time.
        peers[-1].handshake()
        peers[-1].probe()
        for peer in peers[50:]:
            peer.close()
        process.terminate()
        assert end(process)[0] == 0


def test_an_idle_server_does_not_wake_up() -> None:
    """No thread of it does, with idle connections either: what happens is what wakes it."""
    program = """
        def switches():
            # The kernel counts how often each thread gave up its processor.
            counts = {}
            for thread in os.listdir("/proc/self/task"):
                with open(f"/proc/self/task/{thread}/status") as file:
                    fields = dict(line.split(":", 1) for line in file)
                counts[int(thread)] = int(fields["voluntary_ctxt_switches"])
            return counts

        def look():
            # What is under way settles first.
            time.sleep(0.3)
            before = switches()
            time.sleep(1.5)
            after = switches()
            own = threading.get_native_id()
            print("woken", sum(after[thread] - before[thread] for thread in before if thread != own), flush=True)

        class Looking(Server):
            async def handle_access_request(self, packet):
                if packet[1] == [b"look"]:
                    threading.Thread(target=look).start()
                return packet.create_reply()

        asyncio.run(make(Looking, connection_read_timeout=3600).run())
    """
    with running_program(program) as process:
        address = address_of(process)
        peers = [Peer(address) for _ in range(5)]
        for peer in peers:
            peer.probe()
        for id in range(200):  # one at a time: enough for the event loop's thread to do the reading itself
            peers[0].ask(access_request(id=id))
        peers[0].ask(access_request("look"))
        woken = int(read_until(process, "woken"))
        for peer in peers:
            peer.close()
        process.send_signal(signal.SIGINT)
        end(process)
    assert woken == 0
