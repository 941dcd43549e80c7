"""Arrays of Taichi memory: their end."""

from types import SimpleNamespace

import pytest
from taichi.lang import impl

from kernels import spares
from kernels.arrays import int_array


class _Program:
    """Stands in for a Taichi program."""

    def __init__(self):
        self.made, self.freed = 0, []

    def create_ndarray(self, _, shape, **__):
        self.made += 1
        return SimpleNamespace(shape=shape)

    def delete_ndarray(self, array):
        self.freed.append(array)


@pytest.fixture
def programs(monkeypatch):
    """Two programs, and what makes one of them (or none) the running one."""
    first, second = _Program(), _Program()

    def start(program):
        monkeypatch.setattr(impl, "get_runtime", lambda: SimpleNamespace(prog=program))

    monkeypatch.setattr("kernels.arrays._Array.fill", lambda array, value: None)
    monkeypatch.setattr("kernels.arrays.runs_on_cpu", lambda: True)
    start(first)
    return first, second, start


def test_the_next_array_of_the_kind_uses_an_ended_ones_memory(programs):
    first, _, _ = programs
    array = int_array(3)
    memory = array.arr
    del array
    other, same = int_array(4), int_array(3)
    assert other.arr is not memory
    assert same.arr is memory
    assert int_array(3).arr is not memory
    assert (first.made, first.freed) == (3, [])


def test_idle_memory_is_limited(programs, monkeypatch):
    first, _, _ = programs
    monkeypatch.setattr(spares, "LIMIT", 40)
    memory = [int_array(4).arr, int_array(5).arr, int_array(6).arr]
    assert first.freed == memory[:2]  # the last alone fits


def test_used_memory_is_zero_again():
    """A real program: what was written before is gone."""
    array = int_array(1000)
    array.fill(7)
    del array
    assert not int_array(1000).to_numpy().any()


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
