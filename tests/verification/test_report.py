"""The report: every case has its test, a missed claim shows, results of other cases stay."""

import json
from pathlib import Path

import pytest

from experiments.verification.case import Case, Curve, Outcome, Panel, relative, reported, vanishing
from experiments.verification.cases import CASES
from experiments.verification.page import page
from experiments.verification.report import RESULTS, main, record
from tests.verification.assertions import assert_passes


def test_every_case_has_a_test_of_its_name():
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    modules = {case.run.__module__.rpartition(".")[2] for case in CASES}
    assert {f"test_{module}" for module in modules} | {"test_report"} == tests


def test_a_number_that_is_off_or_not_a_number_is_missed():
    assert relative("a", 1.03, 1.0, 0.02).passed is False
    assert vanishing("b", float("nan"), 1.0).passed is False
    with pytest.raises(AssertionError, match=r"a: 1\.03"):
        assert_passes(Outcome([relative("a", 1.03, 1.0, 0.02)]))


def test_a_page_is_written_and_other_results_stay(tmp_path):
    curve = Curve("", [0, 1], [0, 1])
    one = Outcome([relative("height", 1.03, 1.0, 0.02), reported("|x|", 2.0)], [Panel("p", "x", "y", [curve])])
    first, second = (Case(case.name, case.title, "Text.", case.run) for case in CASES[:2])
    record(tmp_path, first, one)
    record(tmp_path, second, Outcome([vanishing("drift", 0.0, 1e-5)]))
    text = (tmp_path / "verification.md").read_text()
    assert "| height | 1.03 | 1 | 0.03 | 0.02 | **missed** |" in text
    assert "| \\|x\\| | 2 |  |  |  |  |" in text
    assert f"images/verification/{first.name}.png" in text
    assert (tmp_path / "images" / "verification" / f"{first.name}.png").stat().st_size > 1000
    results = json.loads((tmp_path / "images" / "verification" / RESULTS).read_text())
    assert set(results) == {first.name, second.name}


def test_the_page_in_the_documentation_is_that_of_its_results():
    docs = Path(__file__).parents[2] / "docs"
    results = json.loads((docs / "images" / "verification" / RESULTS).read_text())
    assert set(results) == {case.name for case in CASES}
    assert page(results) == (docs / "verification.md").read_text()


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["perpetual_motion"])
    assert "unknown case perpetual_motion" in capsys.readouterr().err
