"""The picture as text that other programs draw: Mermaid, and DOT of Graphviz."""

from __future__ import annotations

from farswitch.graph.picture import Format, Picture
from farswitch.graph.rows import good
from farswitch.graph.svg import place, render, title
from farswitch.templates import render_template

TEMPLATES: dict[Format, str] = {
    "svg": "graph/picture.svg.j2",
    "mermaid": "graph/picture.mmd.j2",
    "dot": "graph/picture.dot.j2",
}


def draw(picture: Picture, form: Format) -> str:
    """Return the picture in a format."""
    if form == "svg":
        return render(picture)
    return render_template(
        TEMPLATES[form], picture=picture, place=place, title=title, label=label, style=style
    )


def label(name: str, state: str) -> str:
    """Return a name, with its state where that is not as it should be."""
    return f"{name}: {state}" if good(state) is False else name


def style(*states: str) -> str:
    """Return the class of what is in the worst of some states; empty where nobody looked."""
    known = [good(state) for state in states if state]
    return "" if not known else "bad" if False in known else "unknown" if None in known else "up"
