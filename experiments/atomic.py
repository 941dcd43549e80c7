"""Files that are whole or not there: an interrupted run leaves no half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes that name at the end, or vanishes if the body fails."""
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A hidden name in the same folder with the same suffix: writers choose the format by it."""
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
