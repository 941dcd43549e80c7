"""Memory of arrays that have ended, kept for the next of the same kind.

A rollout makes dozens of large arrays and lets them go with its graph, hundreds of times in an optimisation; asking the
system for their memory anew, page by page, takes longer than computing with it. Spares belong to one Taichi program and
end with it.
"""

import math
import weakref
from collections import OrderedDict
from typing import Any

LIMIT = 2**30
"""Bytes that may lie idle; beyond it the kinds that were not asked for the longest are freed."""

Kind = tuple[str, tuple[int, ...]]
"""Element type and shape."""
_BYTES = {"f32": 4, "i32": 4, "u32": 4, "f64": 8, "i64": 8}


class Spares:
    """Handles of Taichi memory, by kind."""

    def __init__(self) -> None:
        self._program: weakref.ref | None = None
        self._handles: OrderedDict[Kind, list[Any]] = OrderedDict()
        self._bytes = 0

    def take(self, program, kind: Kind) -> Any | None:
        """Memory of this kind that nobody uses, contents arbitrary; None if there is none."""
        if not self._belongs_to(program) or not self._handles.get(kind):
            return None
        self._bytes -= _size(kind)
        return self._handles[kind].pop()

    def give(self, program, kind: Kind, handle) -> None:
        """Keep what an ended array leaves."""
        if not self._belongs_to(program):
            self._program, self._handles, self._bytes = weakref.ref(program), OrderedDict(), 0
        self._handles.setdefault(kind, []).append(handle)
        self._handles.move_to_end(kind)
        self._bytes += _size(kind)
        while self._bytes > LIMIT:
            self._free_oldest(program)

    def _free_oldest(self, program) -> None:
        kind, handles = next(iter(self._handles.items()))
        if handles:
            program.delete_ndarray(handles.pop())
            self._bytes -= _size(kind)
        if not handles:
            del self._handles[kind]

    def _belongs_to(self, program) -> bool:
        return self._program is not None and self._program() is program


def _size(kind: Kind) -> int:
    return _BYTES[kind[0]] * math.prod(kind[1])
