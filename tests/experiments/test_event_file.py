"""Event files as TensorBoard reads them."""

import struct

from tensorboardX.proto.event_pb2 import Event

from experiments.event_file import EventFile


def events(path):
    """The records of a file: length, checksum, event, checksum."""
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event()
        event.ParseFromString(data[12 : 12 + length])
        yield event
        data = data[16 + length :]


def test_scalars_replace_those_of_an_earlier_run(tmp_path):
    for value in (1.0, 0.25):
        with EventFile(tmp_path) as file:
            file.add(300, {"terms/mass": value, "lr": 2.0})
    (path,) = tmp_path.iterdir()
    written = [(event.step, v.tag, v.simple_value) for event in events(path) for v in event.summary.value]
    assert written == [(300, "terms/mass", 0.25), (300, "lr", 2.0)]
