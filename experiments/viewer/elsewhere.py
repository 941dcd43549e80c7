"""A folder to go to while GGUI does what may write ``imgui.ini`` into, or read it from, the working directory."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


class Elsewhere:
    """A temporary folder, removed with ``close``. Relative paths mean what they meant once one is back."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="diffmpm-")

    @contextlib.contextmanager
    def visit(self) -> Iterator[None]:
        """The working directory is that folder."""
        here = os.getcwd()
        os.chdir(self._folder.name)
        try:
            yield
        finally:
            os.chdir(here)

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()
