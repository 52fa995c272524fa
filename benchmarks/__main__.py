"""Runs the benchmarks, prints what they measured beside what is wanted, and keeps it as JSON."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from benchmarks._shared import Bench, print_table, save

HERE = Path(__file__).parent


def benches() -> list[str]:
    """The names of all benchmarks: one file each."""
    modules = [module for module in iter_modules([str(HERE)]) if not module.ispkg]
    return [module.name for module in modules if not module.name.startswith("_")]


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmarks, or all; returns 1 where something wanted was not reached."""
    known = benches()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(known)} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the work, to see that it runs; decides nothing"
    )
    options = parser.parse_args(arguments)
    strangers = sorted(set(options.names) - set(known))
    if strangers:
        parser.error(f"unknown: {', '.join(strangers)}; known: {', '.join(known)}")
    reached = True
    for name in options.names or known:
        bench: Bench = import_module(f"benchmarks.{name}").BENCH
        print(f"{name}: {bench.title}", file=sys.stderr)
        result = bench.run(options.quick)
        print_table(result)
        print(f"written to {save(name, result, HERE / 'results', quick=options.quick)}", file=sys.stderr)
        reached = reached and all(one.reached is not False for one in result.measures)
    return 0 if reached or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
