"""Starting, keeping and ending the one Taichi runtime."""

import os

import pytest
import taichi as ti
import torch

from bridge import runtime
from configs.errors import InputError


def test_the_same_again_changes_nothing():
    running = runtime.current()
    assert running.dtype == torch.float64
    assert runtime.init(running.backend, torch.float64) is running
    assert runtime.init("auto", torch.float64) is running


@pytest.mark.parametrize(
    "wishes",
    [
        {"dtype": torch.float32},
        {"dtype": torch.float32, "backend": "vulkan"},
        {"dtype": torch.float64, "deterministic": True},
    ],
)
def test_other_wishes_need_a_reset(wishes):
    with pytest.raises(RuntimeError, match=r"bridge\.reset\(\)"):
        runtime.init(**wishes)


def test_a_deterministic_runtime_serves_those_who_do_not_ask():
    runtime.reset()
    running = runtime.init("cpu", torch.float64, deterministic=True)
    assert running.deterministic
    assert runtime.init("cpu", torch.float64) is running
    runtime.reset()


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"backend": "metal"}, "backend is 'metal'; expected one of auto, cpu, cuda, vulkan"),
        ({"dtype": torch.float16}, r"dtype is torch\.float16"),
        ({"backend": "vulkan", "dtype": torch.float64}, "vulkan does not serve"),
        ({"backend": "cuda", "deterministic": True}, "needs backend cpu or auto"),
    ],
)
def test_bad_wishes(wishes, message):
    with pytest.raises(InputError, match=message):
        runtime.init(**wishes)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux says which cores a thread may run on")
def test_each_core_has_a_worker_thread_that_keeps_to_it():
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        pytest.skip("one core has nothing to share out")
    runtime.reset()
    runtime.init("cpu", torch.float64)
    allowed = [os.sched_getaffinity(int(name)) for name in os.listdir("/proc/self/task")]
    assert sorted(core for affinity in allowed if len(affinity) == 1 for core in affinity) == sorted(cores)
    assert os.sched_getaffinity(0) == cores


def test_a_runtime_of_the_user_is_adopted():
    runtime.reset()
    ti.init(arch=ti.cpu, default_fp=ti.f32, log_level=ti.ERROR)
    assert runtime.current() == runtime.Runtime("cpu", torch.float32, deterministic=False)
    runtime.reset()


def test_after_a_reset_the_next_use_starts_anew():
    runtime.reset()
    assert not runtime._alive()
    assert runtime.current().backend in ("cpu", "cuda")
    runtime.reset()
