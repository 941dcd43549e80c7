"""Scalars of a run as TensorBoard reads them."""

from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter


class EventFile:
    """Writes scalars to a new file in ``folder``, in the place of those of an earlier run; a context manager."""

    def __init__(self, folder: Path):
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.writer = SummaryWriter(str(folder))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """One value for each name at a step."""
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(self, *exception) -> None:
        self.writer.close()
