"""Pages: one style sheet and one frame for all of them, filled in by Jinja, with everything they show inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from isocenter.core.words import say

_HTML_LANGUAGES = {"en": "en", "zh": "zh-Hans"}
_OWN = "isocenter.drawing"


def rendered(template: str, *, package: str, lang: str, **values: Any) -> str:
    """A page as the text of one HTML file.

    Args:
        template: the file's name; it extends `base.html.j2` and is looked for in `package`, then here.
        package: where the template lies, as a dotted name.
        lang: `en` or `zh`.
        values: what the template shows; whatever stands in them is shown as text and never run.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def source(name: str) -> str | None:
        places = (files(one).joinpath(name) for one in (package, _OWN))
        return next((place.read_text(encoding="utf-8") for place in places if place.is_file()), None)

    environment = Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template(template).render(lang=_HTML_LANGUAGES[lang], **values)


def sentences(section: str, lang: str) -> Callable[..., str]:
    """What a template calls to speak: the sentences of one section in one language."""

    def sentence(key: str, **values: Any) -> str:
        return say(f"{section}.{key}", lang, **values)

    return sentence


def inlined(picture: bytes) -> str:
    """A picture (PNG or SVG) as an address that holds the picture itself."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{b64encode(picture).decode('ascii')}"
