"""The filter, decided by a small reading of the kernel's rules (man 2 seccomp, linux/filter.h)."""

import itertools
import struct
import sys

import pytest

from reft_lab.errors import BadInput
from reft_lab.programs.seccomp import filter_program, require_a_jail

PIPE, MOST = 3, 9
ALLOWED, REFUSED, KILLED = "allowed", "refused", "killed"
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
NUMBERS = {
    "x86_64": {
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
        "rt_sigaction": 13, "ioctl": 16, "writev": 20, "mremap": 25, "madvise": 28, "dup2": 33, "socket": 41,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "exit": 60, "kill": 62, "ptrace": 101, "prctl": 157,
        "exit_group": 231, "openat": 257, "newfstatat": 262, "process_vm_writev": 311, "seccomp": 317,
        "memfd_create": 319, "execveat": 322, "pidfd_open": 434, "io_uring_setup": 425, "clone3": 435, "openat2": 437,
    },
    "aarch64": {
        "ioctl": 29, "openat": 56, "close": 57, "read": 63, "write": 64, "writev": 66, "newfstatat": 79, "exit": 93,
        "exit_group": 94, "ptrace": 117, "kill": 129, "rt_sigaction": 134, "prctl": 167, "socket": 198, "brk": 214,
        "munmap": 215, "mremap": 216, "clone": 220, "execve": 221, "mmap": 222, "mprotect": 226, "madvise": 233,
        "process_vm_writev": 271, "seccomp": 277, "memfd_create": 279, "execveat": 281, "io_uring_setup": 425,
        "pidfd_open": 434, "clone3": 435, "openat2": 437,
    },
}  # fmt: skip
FREE = {"munmap", "brk", "mremap", "madvise", "mprotect", "exit", "exit_group"}
NO_FILES = {"open", "stat", "openat", "newfstatat"}


def decide(program: bytes, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> str:
    """What the filter says about one system call."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("=HBBI", program))
    assert len(instructions) < 4096
    accumulator = at = 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == 0x06:  # ret
            return {0x7FFF0000: ALLOWED, 0x00050000 | 13: REFUSED, 0x80000000: KILLED}[operand]
        if code == 0x20:  # ld [k]
            (accumulator,) = struct.unpack_from("<I", data, operand)
            continue
        outcome = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x45: bool(accumulator & operand)}[code]
        at += if_true if outcome else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_only_memory_and_the_end_are_free(machine: str) -> None:
    program, architecture = filter_program(machine, PIPE, MOST), ARCHITECTURES[machine]
    verdicts = {name: decide(program, architecture, number) for name, number in NUMBERS[machine].items()}
    assert verdicts == {name: ALLOWED if name in FREE else REFUSED if name in NO_FILES else KILLED for name in verdicts}
    allowed = {number for number in range(-1, 1024) if decide(program, architecture, number) == ALLOWED}
    assert allowed == {NUMBERS[machine][name] for name in FREE}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_writes_go_to_the_pipe_and_are_short(machine: str) -> None:
    program, architecture, write = (
        filter_program(machine, PIPE, MOST),
        ARCHITECTURES[machine],
        NUMBERS[machine]["write"],
    )
    for file, size in itertools.product((0, 1, 2, PIPE, 4, -1 & 0xFFFFFFFF), (0, 1, MOST, MOST + 1, 1 << 32, 1 << 63)):
        verdict = decide(program, architecture, write, (file, 0xDEADBEEF, size))
        assert verdict == (ALLOWED if file == PIPE and size <= MOST else KILLED), (file, size)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_memory_is_anonymous_and_never_executable(machine: str) -> None:
    program, architecture, numbers = filter_program(machine, PIPE, MOST), ARCHITECTURES[machine], NUMBERS[machine]
    for protection, flags in itertools.product(range(8), (0x1, 0x2, 0x22, 0x21, 0x4022)):
        verdict = decide(program, architecture, numbers["mmap"], (0, 4096, protection, flags))
        assert verdict == (ALLOWED if flags & 0x20 and not protection & 4 else KILLED), (protection, flags)
        verdict = decide(program, architecture, numbers["mprotect"], (0, 4096, protection))
        assert verdict == (KILLED if protection & 4 else ALLOWED)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_conventions_are_killed(machine: str) -> None:
    program = filter_program(machine, PIPE, MOST)
    (other,) = set(ARCHITECTURES.values()) - {ARCHITECTURES[machine]}
    for architecture in (other, 0x40000003, 0x40000028, 0):  # 0x40000003: 32-bit x86
        assert {decide(program, architecture, number) for number in range(512)} == {KILLED}
    x32 = {decide(program, ARCHITECTURES[machine], 0x40000000 | number) for number in range(600)}
    assert x32 == {KILLED}


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")])
def test_elsewhere_there_is_no_jail(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(BadInput, match=r"programs\.fallback=jail needs Linux on x86_64 or aarch64"):
        require_a_jail()
