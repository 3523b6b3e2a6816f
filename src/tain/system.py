"""Small facts of the operating system that several rooms need."""

from __future__ import annotations

import os


def umask() -> int:
    """The umask of this process. Where the kernel reports it, it is never changed on the way."""
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"Umask:"):
                    return int(line[6:], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def system_text(error: OSError | int) -> str:
    """``No such file or directory (2)``: the end of a line about a failed system call (spec: output 3)."""
    number = error if isinstance(error, int) else error.errno or 0
    return f"{os.strerror(number)} ({number})"
