"""What BPF programs a cgroup has."""
import ctypes
import os
import platform
import struct

SYSTEM_CALL = {"x86_64": 321, "aarch64": 280}
PROG_QUERY, CGROUP_DEVICE = 16, 6


def device_programs(directory):
    """The ids of the device programs that are attached to a cgroup2 directory."""
    ids = (ctypes.c_uint32 * 64)()
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        attributes = ctypes.create_string_buffer(struct.pack("=IIIIQI", fd, CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), len(ids)), 64)
        if ctypes.CDLL(None, use_errno=True).syscall(SYSTEM_CALL[platform.machine()], PROG_QUERY, attributes, 64) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
    finally:
        os.close(fd)
    return list(ids[:struct.unpack_from("=I", attributes, 24)[0]])
