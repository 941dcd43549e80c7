"""The Kirchhoff stress of particles, by the kernels with which the simulator computes it."""

import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from bridge.exchange import from_torch, to_torch
from bridge.mpm_state import MPMState, check_state, pack
from kernels.arrays import real_array
from kernels.lock import launch_lock
from mpm.constants import DT, INERTIA, make_constants
from mpm.rollout import NO_CONTROL


def kirchhoff_stress(
    sim: DiffMPM, state: MPMState, material_id: Tensor | None = None, params: dict[str, Tensor | float] | None = None
) -> Tensor:
    """τ [N, 3, 3] of a state, that of ``bulk_viscosity`` included, outside every graph. Unit: pressure.

    Args:
        material_id, params: as of ``sim.forward``.

    Raises:
        InputError: as ``sim.forward`` does for the same arguments.
    """
    with torch.no_grad():
        x = state.x.detach()
        parts = {name: value for name, value in state.detach().inputs().items() if name != "x"}
        n = check_state(x, parts, len(sim.internal_names))
        rows = sim._material_rows(x, 1.0, 1.0, material_id, params or {})
        rows["mass"] = torch.zeros_like(rows["mass"])
        laws = sim._laws(x, material_id)
        numbers = make_constants(sim.config, 1.0)
        numbers[DT], numbers[INERTIA] = 1.0, -1.0  # what is scattered is −k dt V τ + m C: now τ
        with launch_lock:
            arrays = [
                from_torch(value.contiguous())
                for value in (pack(x, parts, len(sim.internal_names)), torch.cat(list(rows.values())))
            ]
            packed, material = arrays
            numbers_array, law_array = from_torch(torch.from_numpy(numbers)), from_torch(laws.contiguous())
            controls, affine = real_array(1, 1, 3, 3), real_array(9 * n)
            for kernels in sim.solver.stresses:
                kernels.stress(packed, n, controls, NO_CONTROL, material, law_array, affine, numbers_array)
            tau = to_torch(affine, (9, n), x.device)
    return tau.T.reshape(n, 3, 3)
