"""What every test may ask for, and the rule that no test is skipped unless its reason is on the list."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["pytester"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LISTED = Path(__file__).with_name("skips.txt")

# A slow machine is no failure, so examples have no deadline; CI draws the same examples every time.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    max_examples=50,
    print_blob=True,
    derandomize="CI" in os.environ,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images beside the project; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real images beside the project (../shared/data) are absent")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--strict-skips`, which the environment variable CI switches on as well."""
    parser.addoption("--strict-skips", action="store_true", help="fail on a skip whose reason is not in skips.txt")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the skips where that is asked for; with several workers, in the process that hears from all of them."""
    wanted = config.getoption("--strict-skips") or "CI" in os.environ
    if wanted and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipWatch(listed_reasons(LISTED)), "skip-watch")


def listed_reasons(path: Path) -> list[str]:
    """The patterns of a list of skips: one a line, `*` for any words; lines that begin with # say why."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


class SkipWatch:
    """Collects skips whose reason nobody allowed, and fails the run for them."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = allowed
        self.strange: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test was skipped; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A whole file was skipped."""
        if report.skipped:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        reason = text.removeprefix("Skipped: ")
        if not any(fnmatchcase(reason, pattern) for pattern in self.allowed):
            self.strange.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A run that would have passed fails."""
        if self.strange and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name them, and what to do."""
        if not self.strange:
            return
        terminalreporter.section("skips that are not on the list", sep="=", red=True)
        for line in self.strange:
            terminalreporter.line(line)
        terminalreporter.line("Make these tests run, or allow the reason in tests/skips.txt and say why there.")
