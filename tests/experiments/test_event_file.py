"""Event files as TensorBoard reads them: records, checksums, scalars."""

import struct

import pytest

from experiments.event_file import EventFile, crc32c


def test_checksum():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C, RFC 3720
    assert crc32c(bytes(32)) == 0x8A9136AA


def records(data: bytes):
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        for part, stored in ((data[:8], data[8:12]), (data[12 : 12 + length], data[12 + length : 16 + length])):
            crc = crc32c(part)
            rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
            assert struct.unpack("<I", stored)[0] == (rotated + 0xA282EAD8) % 2**32
        yield data[12 : 12 + length]
        data = data[16 + length :]


def test_scalars(tmp_path):
    (tmp_path / "events.out.tfevents.1.diffmpm").write_bytes(b"old")
    with EventFile(tmp_path) as events:
        events.add(300, {"terms/mass": 0.25, "lr": 2.0})
    (path,) = tmp_path.iterdir()
    version, event = records(path.read_bytes())
    assert version.endswith(b"\x1a\x0dbrain.Event:2")
    # step 300 as varint; a summary of two values, each a tag and a float32
    mass = b"\x0a\x11\x0a\x0aterms/mass\x15" + struct.pack("<f", 0.25)
    lr = b"\x0a\x09\x0a\x02lr\x15" + struct.pack("<f", 2.0)
    assert event[9:] == b"\x10\xac\x02\x2a" + bytes([len(mass + lr)]) + mass + lr
    assert event[0] == 9
    assert struct.unpack("<d", event[1:9])[0] > 1.7e9


def test_nothing_is_kept_of_an_earlier_run(tmp_path):
    for _ in range(2):
        with EventFile(tmp_path) as events:
            events.add(0, {"objective": 1.0})
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="closed"):
        events.add(1, {})
