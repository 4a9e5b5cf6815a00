"""Signals that come while the event loop is about to wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def signals_wake(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Has signals wake `loop`, which runs, until the end of the block.

    asyncio.run() handles Ctrl-C between two steps of the interpreter. A signal that another thread takes, or that comes
    between the last step and the loop's wait, would be noticed with the next event only, and an idle server may have
    none for hours. Nothing is changed where signals wake something already (a loop with add_signal_handler(), uvloop),
    and outside of the main thread, where there are none.
    """
    with contextlib.ExitStack() as stack:
        reader, writer = (stack.enter_context(end) for end in socket.socketpair())
        reader.setblocking(False)
        writer.setblocking(False)
        try:
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        except ValueError:  # another thread's, or another interpreter's
            yield
            return
        if before != -1:
            _give_back(before, reader)
            yield
            return
        loop.add_reader(reader, reader.recv, 4096)
        try:
            yield
        finally:
            loop.remove_reader(reader)
            # To ourselves once more, to learn whose it is: a signal is written to somebody at any time.
            current = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            if current == writer.fileno():
                signal.set_wakeup_fd(-1)
            else:
                _give_back(current, reader)  # somebody else's by now


def _give_back(fd: int, reader: socket.socket) -> None:
    """Has signals written to `fd` again, and those that came to `reader` meanwhile. -1: nobody is woken any more."""
    signal.set_wakeup_fd(fd)
    with contextlib.suppress(BlockingIOError):
        while fd != -1 and (came := reader.recv(4096)):
            os.write(fd, came)
