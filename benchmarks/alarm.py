"""Wakes an event loop at a moment, to some microseconds: the loops' own timers count in milliseconds. Linux."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_SECOND_NS: Final = 1_000_000_000


class _Spec(ctypes.Structure):
    """struct itimerspec: interval, then value."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """One timerfd on the clock of `time.monotonic_ns`; `ring` is called in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._ring = ring
        self._loop = loop
        self._file = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._file, self._woken)

    def set(self, moment_ns: int) -> None:
        """Ring then, or at once if that is past; an earlier setting is forgotten."""
        spec = _Spec(0, 0, moment_ns // _SECOND_NS, moment_ns % _SECOND_NS)
        if self._libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Never ring again."""
        self._loop.remove_reader(self._file)
        os.close(self._file)

    def _woken(self) -> None:
        os.read(self._file, 8)
        self._ring()
