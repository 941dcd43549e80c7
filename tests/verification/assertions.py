"""What every test of this folder asserts."""

from experiments.verification.case import Outcome


def assert_passes(outcome: Outcome) -> None:
    """Every claim of the case holds; the message lists those that do not."""
    assert any(check.tolerance is not None for check in outcome.checks)
    missed = [
        f"{check.name}: {check.measured:.6g}, expected {check.expected}, error {check.error:.3g} > {check.tolerance}"
        for check in outcome.checks
        if not check.passed
    ]
    assert not missed, "\n".join(missed)
