"""Taichi's compiler says the same by the shorter ways as by its own."""

import ast

import pytest
import taichi as ti
from taichi.lang import kernel_impl
from taichi.lang.ast.ast_transformer_utils import ASTTransformerContext

from kernels import shortcuts


def test_places_are_described_as_taichi_does(monkeypatch):
    pairs = []

    def describe_both(context, node):
        pairs.append((shortcuts._describe_once(context, node), shortcuts._describe(context, node), type(node)))
        return pairs[-1][0]

    monkeypatch.setattr(ASTTransformerContext, "get_pos_info", describe_both)

    @ti.kernel
    def several_lines(a: ti.types.ndarray(ndim=1)):
        for i in a:
            if a[i] > 0:
                for j in ti.static(range(3)):
                    a[i] += ti.sqrt(
                        a[i]
                        + j
                    )  # fmt: skip

    several_lines(ti.ndarray(ti.f64, 2))
    assert len(pairs) > 20
    assert {ast.For, ast.If, ast.AugAssign} <= {kind for *_, kind in pairs}
    assert all(ours == theirs for ours, theirs, _ in pairs)
    assert any("in several_lines" in ours and "^^^" in ours for ours, *_ in pairs)


def test_a_mistake_in_a_kernel_names_its_line():
    @ti.kernel
    def mistaken(a: ti.types.ndarray(ndim=1)):
        a[0] = no_such_name  # noqa: F821

    with pytest.raises(ti.TaichiCompilationError, match=r"(?s)test_shortcuts.py.*in mistaken:.*no_such_name.*\^\^\^"):
        mistaken(ti.ndarray(ti.f64, 1))


def test_kernels_of_classes_are_told_from_functions():
    @ti.data_oriented
    class Doubler:
        def __init__(self):
            self.values = ti.field(ti.f64, 2)

        @ti.kernel
        def double(self):
            for i in self.values:
                self.values[i] = 2.0 * self.values[i]

    assert kernel_impl._inside_class is shortcuts._is_class_above
    doubler = Doubler()
    doubler.values.fill(3.0)
    doubler.double()
    assert doubler.values.to_numpy().tolist() == [6.0, 6.0]
