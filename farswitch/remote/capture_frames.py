"""Copy the frames that a filter chooses to standard output, as they pass all interfaces.

Usage: python3 capture_frames.py SECONDS SIZE PROGRAM   (PROGRAM: classic BPF, in hexadecimal)
It listens until its input has a line or ends; SECONDS end it in any case. SIZE bytes are kept of a
frame at most. Each frame is a RECORD and the bytes that were kept. Two records have no interface
and no bytes: the first one of all, when it listens, and the last, whose length is how many frames
the kernel had no room for.

A frame comes in before any rule but XDP's sees it, and goes out when no queue and no rule of its
interface is left. A tag of VLAN that the kernel keeps beside a frame is put back.

Only what starts fast is imported: under emulation the library's larger modules cost seconds.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys

from farswitch.remote.packet_bytes import attach

ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100  # linux/if_ether.h
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8  # linux/if_packet.h
VLAN_VALID, TPID_VALID = 1 << 4, 1 << 6
BUFFER = 32 << 20
BATCH, LAST = 256, 4096
"""Frames that are written at once, and those of the end that are taken yet."""
TIME = struct.Struct("@ll")
"""`struct timespec`: seconds and nanoseconds since 1970."""
AUXDATA = struct.Struct("=IIIHHHH")
"""`struct tpacket_auxdata`: status, length, kept, two offsets, VLAN's tag and type."""
RECORD = struct.Struct("<Q16sIIB")
"""Nanoseconds since 1970, interface (IFNAMSIZ), length, bytes kept, kind (PACKET_HOST, …)."""
ANCILLARY = socket.CMSG_SPACE(TIME.size) + socket.CMSG_SPACE(AUXDATA.size)


def opened(program: bytes) -> socket.socket:
    """Return a socket that gets what the program chooses, of all interfaces."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.settimeout(0)
    attach(raw, program)
    raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    try:
        while True:  # what came before the program was attached
            raw.recv(1)
    except BlockingIOError:
        return raw


def record(
    view: memoryview, ancillary: list[tuple[int, int, bytes]], name: str, kind: int
) -> bytes:
    """Return the record of a frame, with its bytes."""
    seconds = nanoseconds = 0
    frame, length = bytes(view), len(view)
    for level, what, data in ancillary:
        if (level, what) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = TIME.unpack(data)
        elif (level, what) == (SOL_PACKET, PACKET_AUXDATA):
            status, length, _, _, _, tag, tpid = AUXDATA.unpack(data)
            if status & VLAN_VALID:
                ethertype = tpid if status & TPID_VALID else ETH_P_8021Q
                frame = frame[:12] + struct.pack("!HH", ethertype, tag) + frame[12:]
                length += 4
    time = seconds * 10**9 + nanoseconds
    return RECORD.pack(time, name.encode(), length, len(frame), kind) + frame


def taken(raw: socket.socket, buffer: bytearray, most: int) -> bytes:
    """Return the records of the frames that wait, not more than so many."""
    view, records = memoryview(buffer), []
    for _ in range(most):
        try:
            size, ancillary, _, address = raw.recvmsg_into([buffer], ANCILLARY)
        except BlockingIOError:
            break
        except OSError as error:  # an interface went down: the socket reports it, and goes on
            print(error, file=sys.stderr)
            continue
        name, _, kind, *_ = address
        records.append(record(view[:size], ancillary, name, kind))
    return b"".join(records)


def write(data: bytes) -> None:
    """Write all of the data to standard output."""
    left = memoryview(data)
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


def main() -> None:
    """Copy frames until told to end."""
    seconds, size, program = sys.argv[1:]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.alarm(int(seconds))
    buffer = bytearray(int(size))
    with opened(bytes.fromhex(program)) as raw:
        write(RECORD.pack(0, b"", 0, 0, 0))
        while True:
            ready, _, _ = select.select([raw, sys.stdin], [], [])
            write(taken(raw, buffer, LAST if sys.stdin in ready else BATCH))
            if sys.stdin in ready:
                break
        statistics = raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        write(RECORD.pack(0, b"", struct.unpack("II", statistics)[1], 0, 0))


if __name__ == "__main__":
    main()
