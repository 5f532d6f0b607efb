"""Prepare a child process, then become it: `python -I -S launch.py --parent PID --signal N [--as MODE] -- COMMAND…`.

Run as a script by its path, so that it starts in some 20 ms and imports none of our packages. It does what a
`preexec_fn` would, without the dangers of running Python between fork and exec in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
# Told apart from the exit codes of the servers themselves.
REFUSED = 117


def become_nobody_in_namespace() -> None:
    """Enter a user namespace where our uid and gid appear as nobody's (user_namespaces(7)). Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")


def become_nobody() -> None:
    """Give up root for good. Raises OSError."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with(parent: int, signal_number: int) -> None:
    """Ask the kernel to signal this process when `parent`, the process that started it, is gone (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    # It may have died before the call above.
    if os.getppid() != parent:
        sys.exit(REFUSED)


def main(arguments: list[str]) -> None:
    """Parse, prepare, exec. Exits with REFUSED where the kernel refuses a step."""
    split = arguments.index("--")
    options, command = arguments[:split], arguments[split + 1 :]
    chosen = dict(zip(options[::2], options[1::2], strict=True))
    try:
        if chosen.get("--as") == "namespace":
            become_nobody_in_namespace()
        elif chosen.get("--as") == "nobody":
            become_nobody()
    except OSError as error:
        sys.stderr.write(f"launch: {error}\n")
        sys.exit(REFUSED)
    # After the change of identity: the kernel forgets the request at every change of credentials.
    if "--parent" in chosen:
        die_with(int(chosen["--parent"]), int(chosen["--signal"]))
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
