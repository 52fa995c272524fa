"""No test is skipped for a reason that nobody allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

SKIPPING = """
    import pytest

    def test_that_runs():
        pass

    @pytest.mark.skip(reason="the moon is full")
    def test_that_is_skipped():
        pass

    @pytest.mark.xfail(reason="not yet")
    def test_that_is_expected_to_fail():
        assert False
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small project with our conftest and a test that is skipped."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest((HERE / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(SKIPPING)
    return pytester


def run(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:randomly", "-p", "no:cacheprovider", *options)


def test_a_skip_that_is_not_on_the_list_fails_a_strict_run(project: pytest.Pytester) -> None:
    result = run(project, "--strict-skips")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*skips that are not on the list*", "*::test_that_is_skipped: the moon is full"])
    result.stdout.no_fnmatch_line("*test_that_is_expected_to_fail:*")


def test_ci_is_strict_by_itself_and_everyone_else_is_not(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(project).ret == pytest.ExitCode.OK
    monkeypatch.setenv("CI", "true")
    assert run(project).ret == pytest.ExitCode.TESTS_FAILED


def test_a_reason_on_the_list_passes(project: pytest.Pytester) -> None:
    (project.path / "skips.txt").write_text("# It rises anyway.\nthe moon is *\n", encoding="utf-8")
    assert run(project, "--strict-skips").ret == pytest.ExitCode.OK


def test_a_worker_is_as_strict(project: pytest.Pytester) -> None:
    result = run(project, "--strict-skips", "-n", "1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*::test_that_is_skipped: the moon is full"])


def test_a_whole_file_that_is_skipped_counts(project: pytest.Pytester) -> None:
    project.makepyfile(test_whole="import pytest\npytest.skip('no moon', allow_module_level=True)\n")
    result = run(project, "--strict-skips")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["test_whole.py: no moon"])


def test_each_reason_on_our_list_says_why() -> None:
    lines = (HERE / "skips.txt").read_text(encoding="utf-8").splitlines()
    unexplained = [
        line
        for line, above in zip(lines[1:], lines, strict=False)
        if line.strip() and not line.startswith("#") and not above.startswith("#")
    ]
    assert unexplained == []
