"""Fill a template of this room; a page loads nothing, and its policy forbids all but its own script."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """A template with values, in which only Markup is taken for HTML."""
    return _environment().get_template(template).render(**values).lstrip()


def policy_of(script: str) -> str:
    """The source by which a content security policy lets this script run, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script, style = (TEMPLATES.joinpath(name).read_text("utf-8") for name in ("sort.js", "style.css"))
    environment.globals |= {"script": Markup(script), "style": Markup(style), "script_source": policy_of(script)}
    return environment
