"""The table of gradients that a user can run, and that it can fail."""

from dataclasses import replace

from experiments.gradient_flow import Check, run


def test_every_gradient_passes():
    checks = list(run())
    assert [check for check in checks if not check.passed] == []
    assert {"dF", "lam", "mu", "x", "F", "means", "viewmats", "Ks"} <= {check.leaf for check in checks}


def test_a_wrong_gradient_fails():
    good = Check("a", "b", norm=1.0, error=1e-9)
    assert good.passed
    assert not replace(good, error=1e-3).passed
    assert not replace(good, norm=0.0).passed
    assert not replace(good, norm=float("nan")).passed
