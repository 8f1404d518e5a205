"""The system calls that a jailed program may make, as a seccomp-BPF filter (Linux, man 2 seccomp)."""

from __future__ import annotations

import errno
import platform
import struct
import sys
from dataclasses import dataclass

from reft_lab.errors import BadInput

# Classic BPF: load a 32-bit word of struct seccomp_data; jump on equality, order, bits; return a verdict.
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _REFUSE, _KILL_PROCESS = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_PROT_EXEC, _MAP_ANONYMOUS = 0x4, 0x20


@dataclass(frozen=True, slots=True)
class _Machine:
    """AUDIT_ARCH_* of a machine, and its numbers of the system calls that pure computation needs."""

    architecture: int
    write: int
    mmap: int
    mprotect: int
    plain: tuple[int, ...]  # munmap, brk, mremap, madvise, exit, exit_group
    files: tuple[int, ...]  # openat, newfstatat, and where they exist open, stat, lstat


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, write=1, mmap=9, mprotect=10, plain=(11, 12, 25, 28, 60, 231), files=(257, 262, 2, 4, 6)
    ),
    "aarch64": _Machine(
        0xC00000B7, write=64, mmap=222, mprotect=226, plain=(215, 214, 216, 233, 93, 94), files=(56, 79)
    ),
}

_Check = tuple[int, int, int, bool]  # offset of a word, comparison, operand, wanted result


def require_a_jail() -> None:
    """Raise BadInput where a jail is impossible: without Linux, or on a processor that is not in the table."""
    if not sys.platform.startswith("linux") or platform.machine() not in _MACHINES:
        raise BadInput(
            f"programs.fallback=jail needs Linux on {' or '.join(_MACHINES)}, and this is {sys.platform} on "
            f"{platform.machine()}; leave programs.fallback=null here."
        )


def filter_program(machine: str, pipe: int, most: int) -> bytes:
    """The filter, as an array of `struct sock_filter` in this machine's byte order.

    Allowed are memory that is neither backed by a file nor executable, writes to one pipe, and the end of the process.
    Opening a file is refused as lacking permission, since the compiler tries to read the line that it complains about.
    Any other call, and any call by the convention of another architecture, kills the process (SIGSYS).

    Args:
        machine: x86_64 or aarch64, as platform.machine() has it.
        pipe: the file descriptor that may be written to.
        most: bytes of the longest write.
    """
    numbers = _MACHINES[machine]
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, numbers.architecture), (_RETURN, 0, 0, _KILL_PROCESS)]
    program.append((_LOAD, 0, 0, _NUMBER))
    for number in numbers.plain:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in numbers.files:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    not_executable = (_word(2), _ANY_BIT, _PROT_EXEC, False)
    program += _allow_if(numbers.mmap, not_executable, (_word(3), _ANY_BIT, _MAP_ANONYMOUS, True))
    program += _allow_if(numbers.mprotect, not_executable)
    program += _allow_if(
        numbers.write,
        (_word(0), _EQUAL, pipe, True),
        (_word(2), _ABOVE, most, False),
        (_word(2) + 4, _EQUAL, 0, True),
    )
    program.append((_RETURN, 0, 0, _KILL_PROCESS))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _word(argument: int) -> int:
    """Offset of the low half of an argument of a system call; the high half is 4 bytes further on."""
    return _ARGUMENTS + 8 * argument


def _allow_if(number: int, *checks: _Check) -> list[tuple[int, int, int, int]]:
    """Allow the system call `number` where all checks hold, and kill the process where one does not."""
    block = []
    for left, (offset, comparison, operand, wanted) in zip(range(len(checks) - 1, -1, -1), checks, strict=True):
        to_the_kill = 2 * left + 1
        block += [
            (_LOAD, 0, 0, offset),
            (comparison, 0, to_the_kill, operand) if wanted else (comparison, to_the_kill, 0, operand),
        ]
    block += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL_PROCESS)]
    return [(_EQUAL, 0, len(block), number), *block]
