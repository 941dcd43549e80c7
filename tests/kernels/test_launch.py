"""Prepared launches do what Taichi's own do, whatever changes between them."""

import threading

import numpy as np
import pytest
import taichi as ti
from taichi.lang import impl

from kernels.arrays import from_numpy, real_array
from kernels.launch import prepared
from kernels.lock import launch_lock


@ti.kernel
def _add(a: ti.types.ndarray(), b: ti.types.ndarray(), n: ti.i32, scale: float):
    for i in range(n):
        b[i] += scale * a[i]


add = prepared(_add)


def test_arguments_may_change_between_launches():
    ones, twos, sums = from_numpy(np.ones(5)), from_numpy(np.full(5, 2.0)), real_array(5)
    add(ones, sums, 5, 1.0)
    add(twos, sums, 3, 10.0)
    np.testing.assert_array_equal(sums.to_numpy(), [21, 21, 21, 1, 1])


def test_arrays_of_other_types_and_with_gradients_get_plans_of_their_own():
    counts, sums, graded = from_numpy(np.arange(4)), real_array(4), real_array(4, needs_grad=True)
    add(counts, sums, 4, 0.5)
    add(sums, graded, 4, 2.0)
    np.testing.assert_array_equal(graded.to_numpy(), np.arange(4))
    np.testing.assert_array_equal(graded.grad.to_numpy(), 0)


def test_what_no_plan_is_made_for_is_launched_by_taichi():
    numbers = np.zeros(3)
    add(np.ones(3), numbers, 3, np.float64(2.0))
    np.testing.assert_array_equal(numbers, 2)


def test_it_launches_from_another_thread():
    ones, sums = from_numpy(np.ones(3)), real_array(3)

    def work():
        with launch_lock:
            add(ones, sums, 3, 1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(sums.to_numpy(), 4)


def test_it_notices_a_new_runtime():
    from bridge import runtime

    current = runtime.current()
    for _ in range(2):
        sums = real_array(3)
        add(from_numpy(np.ones(3)), sums, 3, 1.0)
        np.testing.assert_array_equal(sums.to_numpy(), 1)
        del sums
        runtime.reset()
        runtime.init(current.backend, current.dtype)


def test_a_tape_still_records_the_kernel():
    array, loss = from_numpy(np.ones(2), needs_grad=True), ti.field(float, shape=(), needs_grad=True)
    with pytest.MonkeyPatch.context() as patch:
        recorded = []
        with ti.ad.Tape(loss=loss, clear_gradients=False) as tape:
            patch.setattr(tape, "insert", lambda kernel, arguments: recorded.append(arguments))
            add(array, array, 2, 1.0)
            patch.setattr(tape, "calls", [])
    assert impl.get_runtime().target_tape is None
    assert len(recorded) == 1
