"""The floor of every measurement: a program of three instructions, without a C library, that only ends."""
import os
import struct

# exit_group(0), by machine: ELF's number of it and the code.
CODE = {
    "x86_64": (62, bytes.fromhex("31ff b8e7000000 0f05")),
    "aarch64": (183, bytes.fromhex("000080d2 c80b80d2 010000d4")),
}
BASE, HEADERS = 0x400000, 64 + 56


def write_program(path):
    """Makes the static executable at path; False where this machine's code is not known."""
    if os.uname().machine not in CODE:
        return False
    machine, code = CODE[os.uname().machine]
    size = HEADERS + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    path.write_bytes(header + segment + code)
    path.chmod(0o755)
    return True
