"""The report, and its way into the documentation."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import publishing, report, results
from bench.tests.samples import gateway, result, sample


def test_a_figure_and_its_ratio_are_shown() -> None:
    """A row has the cost, its multiple of nginx and what a whole core would do."""
    text = report.markdown(result(gateway("nginx", 20, 20, 20), gateway("cloche", 50, 50, 50)))
    assert "| Cloche | 50.0 | 2.50 [2.50–2.50] | 20,000 |" in text


def test_bad_answers_are_loud() -> None:
    """A gateway that answered errors has "failed" where its figures would be, and a line that says what it answered."""
    broken = gateway("broken", 1)
    broken.samples["json"] = [sample(1, done=0, refused=9, first_bad_status=500)]
    text = report.markdown(result(gateway("nginx", 20), broken))
    assert "| Broken | **failed** | **failed** | **failed** |" in text
    assert "**BAD ANSWERS: broken, json, round 1: 9 answered 500, beside 0 good.**" in text


def test_growth_starts_after_the_warm_up() -> None:
    """Growth is counted from the first point, which lies behind the warm-up."""
    assert "| Nginx | 1,000 | 20.0 | 23.5 | +3.5 | 0 |" in report.markdown(result(gateway("nginx", 20)))


@pytest.mark.parametrize("field", ["stolen_percent", "foreign_percent"])
def test_a_noisy_machine_is_told(field: str) -> None:
    """Steal and foreign programs beyond a twentieth of the machine come with a warning."""
    quiet = result(gateway("nginx", 20))
    noisy = msgspec.structs.replace(quiet, conditions=msgspec.structs.replace(quiet.conditions, **{field: 20.0}))
    assert "trust only ratios" not in report.markdown(quiet)
    assert report.markdown(noisy).count("**") > report.markdown(quiet).count("**")


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    """What was saved is what is loaded."""
    kept = result(gateway("nginx", 20))
    results.save(kept, tmp_path / "a.json")
    assert kept == results.load(tmp_path / "a.json")


def test_publishing_fills_the_block_again_and_again(tmp_path: Path) -> None:
    """Only what lies between the marks changes, a second time too, and the raw result is kept."""
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    publishing.publish([result(gateway("nginx", 99)), result(gateway("nginx", 98))], tmp_path)
    assert page.read_text().count("| Nginx | 9") >= 2
    [raw] = publishing.publish([result(gateway("nginx", 20))], tmp_path)
    text = page.read_text()
    assert text.startswith("before\n<!-- results -->\n")
    assert text.endswith("<!-- /results -->\nafter\n")
    assert "old" not in text
    assert (text.count("| Nginx | 20.0 "), text.count("| Nginx | 99.0 ")) == (1, 0)
    assert result(gateway("nginx", 20)) == results.load(raw)


def test_publishing_needs_its_marks(tmp_path: Path) -> None:
    """A page without the block is left alone."""
    (tmp_path / "performance.md").write_text("nothing here")
    with pytest.raises(ValueError, match="no <!-- results -->"):
        publishing.publish([result(gateway("nginx", 20))], tmp_path)
