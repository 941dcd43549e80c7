"""Every Python snippet of the documentation runs as it stands. (The README's runs in tests/test_readme.py.)"""

import re
import runpy
from pathlib import Path

import pytest

import bridge
from bridge import runtime

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = {"", "math", "yaml", "bash", "text", "json"}


def python_of(page: Path) -> str:
    """The page with everything blank that is not in a ```python block: lines keep their numbers."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in FENCE.finditer(text):
        if block[1] == "python":
            first = text.count("\n", 0, block.start(2))
            code = block[2].splitlines()
            lines[first : first + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fences_are_of_known_languages(page):
    """A snippet under another name (py, python3) would not be run."""
    assert {block[1] for block in FENCE.finditer(page.read_text())} <= NOT_RUN | {"python"}


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page).strip()], ids=lambda page: page.name)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    program = tmp_path / f"{page.stem}.py"  # a file: Taichi reads the source of its kernels
    program.write_text(python_of(page))
    try:
        runpy.run_path(str(program))
    finally:
        runtime.reset()  # a page may start a runtime of its own


def test_a_page_has_snippets():
    assert python_of(ROOT / "docs" / "api.md").count("import bridge") == 1


@pytest.mark.parametrize("name", bridge.__all__)
def test_every_public_name_has_its_place(name):
    assert re.search(rf"\b{name}\b", (ROOT / "docs" / "api.md").read_text())
