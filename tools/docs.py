"""Make the reference pages that follow from the code, and check every link of the documentation.

python tools/docs.py            write the pages of docs/reference that `PAGES` names
python tools/docs.py --check    say which page is out of date and which link leads nowhere
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docs_learning import (
    explainers_page,
    features_page,
    metrics_page,
    models_page,
    recipe_page,
    steps_page,
    tasks_page,
)
from docs_parts import made_page, table

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path("docs", "reference")
PLACES = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`+[^`\n]*`+")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is wrong")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.check:
        write_pages(options.root)
        return 0
    complaints = [*stale_pages(options.root), *broken_links(options.root)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def write_pages(root: Path) -> None:
    """Write the pages that are made from the code."""
    for name, page in PAGES.items():
        place = root / REFERENCE / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page(), encoding="utf-8")


def stale_pages(root: Path) -> Iterator[str]:
    """The pages that no longer say what the code does."""
    for name, page in PAGES.items():
        place = root / REFERENCE / name
        if not place.is_file() or place.read_text(encoding="utf-8") != page():
            yield f"{REFERENCE / name}: is not what the code says; run `make docs`"


def broken_links(root: Path) -> Iterator[str]:
    """Every relative link whose file or heading is not there."""
    for pattern in PLACES:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            for link in links(text):
                reason = _broken(path, link)
                if reason:
                    yield f"{path.relative_to(root).as_posix()}: {link}: {reason}"


def links(text: str) -> list[str]:
    """The targets of links and pictures, without those in code and those that lead out of the project."""
    plain = _CODE.sub("", _FENCED.sub("", text))
    return [link for link in (*_LINK.findall(plain), *_REFERENCE.findall(plain)) if not _ELSEWHERE.match(link)]


def anchors(text: str) -> set[str]:
    """What a link may name after #: headings, in the form that code hosts give them, and explicit anchors."""
    plain = _FENCED.sub("", text)
    found: set[str] = set(_ANCHOR.findall(plain))
    for heading in _HEADING.findall(plain):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        unused, number = name, 0
        while unused in found:
            number += 1
            unused = f"{name}-{number}"
        found.add(unused)
    return found


def _broken(page: Path, link: str) -> str | None:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    if not target.exists():
        return "is not there"
    if anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
        return "no such heading"
    return None


def commands_page() -> str:
    """Every command with its options, from the settings."""
    import click

    from isocenter.cli import commands
    from isocenter.cli.app import app
    from isocenter.core.registry import get

    names = app.list_commands(click.Context(app))
    return made_page(
        "Commands",
        "Every command also takes `--json` (one JSON document on stdout and nothing else), `--debug` (where in the\n"
        "code a refusal came from) and `--help`. Exit codes and documents are in [json.md](json.md). From Python, a\n"
        "command is the function of its name in `isocenter`, and its options are keywords.",
        *(part for name in names for part in _command_parts(name, get(commands, name))),
    )


def _command_parts(name: str, command: Any) -> list[str]:
    from isocenter.cli._command import parameters

    fields = command.verb.settings.model_fields
    given = [one for one in parameters(command.verb.settings) if one.name in fields]
    given.sort(key=lambda one: (one.param_type_name != "argument", not one.required))
    usage = " ".join(["isocenter", name, *filter(None, (_usage(one, fields[one.name]) for one in given)), "[OPTIONS]"])
    rows = [
        (_spelled(one), _value(one, field), _default(one, field), field.description)
        for one, field in ((one, fields[one.name]) for one in given)
    ]
    text = inspect.cleandoc(command.verb.__doc__ or "")
    shown = [table(("option", "value", "default", "meaning"), rows)] if rows else []
    return [f"## {name}", text, f"```sh\n{usage}\n```", *shown]


def _usage(parameter: Any, field: Any) -> str:
    """How the parameter stands in the one-line usage; nothing for what may be left out."""
    if parameter.param_type_name == "argument":
        name = f"{parameter.name.upper()}{'...' if parameter.nargs == -1 else ''}"
        return name if parameter.required else f"[{name}]"
    value = "PATH" if "Path" in str(field.annotation) else parameter.metavar
    return f"{parameter.opts[0]} {value}" if parameter.required else ""


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{one}`" for one in parameter.opts if one.startswith("-"))


def _value(parameter: Any, field: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "flag"
    named = {"INT": "whole number", "FLOAT": "number"}.get(getattr(parameter, "metavar", None) or "")
    kind = named or ("path" if "Path" in str(field.annotation) else "text")
    several = parameter.nargs == -1 or parameter.multiple
    return f"{kind}, repeatable" if several else kind


def _default(parameter: Any, field: Any) -> str:
    if parameter.required:
        return "required"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default is False or default == () else f"`{default}`"


def formats_page() -> str:
    """Every format: what it is, its endings, and whether it is written."""
    from isocenter.core.registry import blurb, get, names
    from isocenter.data import formats

    rows = []
    for name in names(formats):
        form = get(formats, name)
        endings = " ".join(f"`{suffix}`" for suffix in form.suffixes)
        rows.append((f"`{name}`", blurb(formats, name), endings, "read, written" if form.write else "read"))
    return made_page(
        "Formats",
        "A file is recognised by its content wherever its format has a signature; endings are only a hint.\n"
        "`isocenter list formats` prints this list.",
        table(("name", "what it is", "usual endings", "may be"), rows),
    )


def layouts_page() -> str:
    """Every layout and archive, in the order in which they are asked."""
    from isocenter.data import archives, layouts

    return made_page(
        "Layouts and archives",
        "How folders are arranged. All layouts look at the same source in this order, and each adds what it\n"
        "understands; `--layout NAME` asks for one. `isocenter list layouts` prints this list.",
        table(("name", "what it recognises"), _ranked(layouts)),
        "## Archives",
        "Where the files may come from.",
        table(("name", "what it is"), _ranked(archives)),
    )


def _ranked(shelf: Any) -> list[tuple[str, str]]:
    from isocenter.core.registry import blurb, get, names

    order = sorted(names(shelf), key=lambda name: (get(shelf, name).rank, name))
    return [(f"`{name}`", blurb(shelf, name)) for name in order]


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "explainers.md": explainers_page,
    "features.md": features_page,
    "formats.md": formats_page,
    "layouts.md": layouts_page,
    "metrics.md": metrics_page,
    "models.md": models_page,
    "recipe.md": recipe_page,
    "steps.md": steps_page,
    "tasks.md": tasks_page,
}


if __name__ == "__main__":
    sys.exit(main())
