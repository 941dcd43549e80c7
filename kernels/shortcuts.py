"""Shorter ways through Taichi's compiler, which end where its own do.

Before it compiles anything, Taichi describes the place of every expression, for messages that hardly ever come, again
for each turn of an unrolled loop and each call of a function, whose lines it looks for each time too; and for every
decorated function it searches all modules for the line above, to see whether that is a class. Of a fresh process's
import and first gradient these took more than a third.
"""

import linecache
import sys

from taichi.lang import kernel_impl
from taichi.lang.ast.ast_transformer_utils import ASTTransformerContext

_describe = ASTTransformerContext.get_pos_info
_descriptions: dict[tuple, str] = {}
_find_lines = kernel_impl.getsourcelines
_lines: dict[tuple, tuple[list[str], int]] = {}


def _describe_once(context, node) -> str:
    """``get_pos_info``: file, line and function, and the source with the expression underlined."""
    place = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    key = (context.file, context.lineno_offset, context.func.func.__name__, *place)
    description = _descriptions.get(key)
    if description is None:
        description = _descriptions[key] = _describe(context, node)
    return description


def _find_lines_once(function) -> tuple[list[str], int]:
    """``getsourcelines``: a function's lines, and the number of the first."""
    code = function.__code__
    key = (code.co_filename, code)
    found = _lines.get(key)
    if found is None:
        found = _lines[key] = _find_lines(function)
    return found


def _is_class_above(level_of_class_stackframe: int) -> bool:
    """``_inside_class``: whether the frame so many levels up the stack is at the head of a class."""
    frame = sys._getframe(level_of_class_stackframe)
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return any(pattern.match(line) for pattern in kernel_impl._KERNEL_CLASS_STACKFRAME_STMT_RES)


def take_shortcuts() -> None:
    """From now on, in this process. (The names are those of Taichi 1.7.4, which pyproject.toml pins.)"""
    ASTTransformerContext.get_pos_info = _describe_once
    kernel_impl.getsourcelines = _find_lines_once
    kernel_impl._inside_class = _is_class_above
