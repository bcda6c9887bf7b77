"""Jinja2 templates: each lies beside the module that renders it, and reads as what it makes."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_ENVIRONMENT = Environment(
    loader=PackageLoader("farswitch", ""),
    autoescape=select_autoescape(enabled_extensions=("xml.j2", "html.j2", "svg.j2"), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["n"] = "{:.6g}".format


def render_template(path: str, **values: object) -> str:
    """Return what a template makes of the values; a value that is missing is an error.

    Args:
        path: Of the template below `farswitch/`, as in `guests/domain.xml.j2`; what HTML and XML
            would read as their own is escaped.
        values: What the template names.
    """
    return _ENVIRONMENT.get_template(path).render(values)
