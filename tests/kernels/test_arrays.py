"""Arrays of Taichi memory: their end."""

from types import SimpleNamespace

import pytest
from taichi.lang import impl

from kernels.arrays import int_array


class _Program:
    """Stands in for a Taichi program."""

    def __init__(self):
        self.freed = []

    def create_ndarray(self, *_, **__):
        return SimpleNamespace(shape=(3,))

    def delete_ndarray(self, array):
        self.freed.append(array)


@pytest.fixture
def programs(monkeypatch):
    """Two programs, and what makes one of them (or none) the running one."""
    first, second = _Program(), _Program()

    def start(program):
        monkeypatch.setattr(impl, "get_runtime", lambda: SimpleNamespace(prog=program))

    monkeypatch.setattr("kernels.arrays._Array.fill", lambda array, value: None)
    start(first)
    return first, second, start


def test_the_end_of_an_array_frees_its_memory(programs):
    first, _, _ = programs
    array = int_array(3)
    memory = array.arr
    del array
    assert first.freed == [memory]


def test_an_array_that_outlives_its_runtime_frees_nothing_of_the_next(programs):
    """Taichi knows memory by its address, and the next runtime may have reused one: freeing it would be a crash."""
    first, second, start = programs
    array = int_array(3)
    start(second)
    del array
    assert first.freed == second.freed == []


def test_an_array_may_outlive_all_runtimes(programs):
    first, _, start = programs
    array = int_array(3)
    start(None)
    del array
    assert first.freed == []
