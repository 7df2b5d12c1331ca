"""How a decoding process gives up every right that it does not need, for good."""

import ctypes
import platform
import resource
import struct
import sys
from typing import Final

_NO_NEW_PRIVILEGES: Final = 38
_FILTER_MODE: Final = 1
_ALL_THREADS: Final = 1
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # the last: answer EPERM

# System calls that computing and answering on an open channel need, by machine: the audit architecture, then numbers of
# read write close fstat newfstatat ppoll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
# sched_yield mremap madvise nanosleep getpid sendto recvfrom sendmsg recvmsg exit exit_group getrusage sysinfo
# gettimeofday sigaltstack gettid futex sched_getaffinity restart_syscall clock_gettime clock_getres clock_nanosleep
# set_robust_list getrandom membarrier rseq getcpu.
# fmt: off
_CALLS: Final = {
    "x86_64": (0xC000003E, (
        0, 1, 3, 5, 262, 271, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 35, 39, 44, 45, 46, 47, 60, 231, 98, 99,
        96, 131, 186, 202, 204, 219, 228, 229, 230, 273, 318, 324, 334, 309,
    )),
    "aarch64": (0xC00000B7, (
        63, 64, 57, 80, 79, 73, 62, 222, 226, 215, 214, 134, 135, 139, 124, 216, 233, 101, 172, 206, 207, 211, 212,
        93, 94, 165, 179, 169, 132, 178, 98, 123, 128, 113, 114, 115, 99, 278, 283, 293, 168,
    )),
}
# fmt: on


def confine(memory_bytes: int, cpu_s: int) -> bool:
    """Limit this process: memory, processor time, no file, no network, no other process. Whether a filter seals it.

    The limits hold everywhere. On Linux a system call filter seals them, so that not even root gets out; where the
    machine has none, they are all there is.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        # Everything is imported by now: without a further descriptor there is no file to read and no network.
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux" and platform.machine() in _CALLS:
        return _filter_calls(_SECCOMP[platform.machine()], *_CALLS[platform.machine()])
    return False


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _filter_calls(seccomp: int, architecture: int, calls: tuple[int, ...]) -> bool:
    """Answer every system call but these with EPERM, in all threads. Whether the kernel took the filter (seccomp(2))."""
    code = [
        _step(_LOAD, 4),
        _step(_JUMP_IF_EQUAL, architecture, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, 0),
        *(_step(_JUMP_IF_EQUAL, call, then=len(calls) - n) for n, call in enumerate(calls)),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]
    program = _Program(len(code), b"".join(code))
    libc = ctypes.CDLL(None, use_errno=True)
    # A kernel without filters refuses; the limits above still hold.
    return bool(
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        and libc.syscall(seccomp, _FILTER_MODE, _ALL_THREADS, ctypes.byref(program)) == 0
    )


def _step(code: int, value: int, then: int = 0) -> bytes:
    """One instruction of the packet filter: code, jump if true, jump if false, value."""
    return struct.pack("<HBBI", code, then, 0, value)
