"""TensorBoard's event files, scalars only: a few bytes of framing need none of its packages.

A file is a sequence of TFRecords, each an ``Event`` of TensorFlow's event.proto in protobuf's wire format.
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path

_VERSION = b"brain.Event:2"


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


class EventFile:
    """Writes scalars to a new file in ``folder``, in the place of those of an earlier run; a context manager."""

    def __init__(self, folder: Path):
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.file = open(folder / f"events.out.tfevents.{int(time.time())}.diffmpm", "wb")  # noqa: SIM115
        self._write(_field(3, 2, _bytes(_VERSION)))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """One value for each name at a step."""
        values = b"".join(
            _field(1, 2, _bytes(_field(1, 2, _bytes(name.encode())) + _field(2, 5, struct.pack("<f", value))))
            for name, value in scalars.items()
        )
        self._write(_field(2, 0, _varint(step)) + _field(5, 2, _bytes(values)))
        self.file.flush()

    def _write(self, event: bytes) -> None:
        event = _field(1, 1, struct.pack("<d", time.time())) + event
        length = struct.pack("<Q", len(event))
        self.file.write(length + _masked(length) + event + _masked(event))

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(self, *exception) -> None:
        self.file.close()


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    """The checksum as TFRecords hold it, rotated and offset."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _field(number: int, kind: int, payload: bytes) -> bytes:
    return _varint(number << 3 | kind) + payload


def _bytes(payload: bytes) -> bytes:
    return _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
