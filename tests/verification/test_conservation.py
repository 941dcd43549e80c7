"""Mass, momentum and angular momentum: one step in float64, a thousand in float32."""

import pytest

from experiments.verification import conservation
from tests.verification.assertions import assert_passes


def test_transfers():
    assert_passes(conservation.run_transfers())


@pytest.mark.runtime("cpu", "float32")
def test_drift_in_single_precision():
    assert_passes(conservation.run_drift())
