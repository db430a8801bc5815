"""Figures as data, and their three forms: inline SVG for the page, PNG and PDF for a paper.

A figure is a set of panels that share a legend. On paper the panels stand in a grid; on the page
each is a picture of its own, so that a phone can put them below one another at full size.
"""

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jepa_compare.report.figures.style import MUTED, SETTINGS, TEXT_SIZE, VARIABLES, RowStyle, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_POINTS = 72.0  # per inch
_PNG_DPI = 200
_TITLE, _LEGEND_LINE = 24.0, 18.0
_LONGEST_KEY = 40  # characters of a legend's entry
_SVG_ID = re.compile(r' id="([^"]*)"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    draw: Callable[[Any], None]
    """Draws into empty matplotlib axes."""
    about: str
    """What a screen reader says."""
    width: float = 290
    height: float = 190
    """Of the whole panel, title and labels included, in points."""
    left: float = 46
    right: float = 10
    bottom: float = 38
    """Margins for labels, in points."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One entry of a legend."""

    label: str
    style: RowStyle


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Panels with a common legend, and the words beside them."""

    title: str
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()
    how: str
    """How to read it."""
    notes: tuple[str, ...] = ()
    """What is not in it, and why."""
    columns: int = 3
    """Panels side by side on paper."""


@contextmanager
def _settings(salt: str) -> Iterator[None]:
    import matplotlib

    # Embedding a font in a PDF takes a hundred lines at INFO, the level at which runs are logged.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    parameters: Any = {**SETTINGS, "svg.hashsalt": salt}
    with (
        matplotlib.rc_context(parameters),
        warnings.catch_warnings(),
    ):
        # A name may hold signs that the font lacks: they become boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _canvas(width: float, height: float) -> "Canvas":
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width / _POINTS, height / _POINTS))


def _place(canvas: "Canvas", panel: Panel, x: float, y: float) -> None:
    """Draw `panel` with its lower left corner at (x, y) points."""
    width, height = canvas.get_size_inches() * _POINTS
    box = (
        (x + panel.left) / width,
        (y + panel.bottom) / height,
        (panel.width - panel.left - panel.right) / width,
        (panel.height - panel.bottom - _TITLE) / height,
    )
    panel.draw(canvas.add_axes(box))
    canvas.text(
        (x + 2) / width,
        (y + panel.height - 4) / height,
        panel.title,
        va="top",
        fontsize=TEXT_SIZE + 0.5,
        fontweight="bold",
    )


def panel_svg(panel: Panel, salt: str) -> str:
    """`panel` as one inline `<svg>` element that takes its colours from the page's variables.

    `salt` must differ between the panels of a page: it keeps their internal names apart.
    """
    with _settings(salt):
        canvas = _canvas(panel.width, panel.height)
        _place(canvas, panel, 0, 0)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.savefig(stream, format="svg", transparent=True, metadata=nothing)
    return _inline(stream.getvalue(), panel)


def _inline(text: str, panel: Panel) -> str:
    """matplotlib's document as an element of a page: no header, no fixed size or colour."""
    from html import escape

    body = text[text.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    for pattern in (r"<!--.*?-->", r"<metadata>.*?</metadata>", r"<style.*?</style>"):
        body = re.sub(pattern, "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href").replace("<defs/>", "")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = _SVG_ID.sub(lambda match: match.group() if match.group(1) in used else "", body)
    body = re.sub(r"font: ([^;\"]*?)([\d.]+)px '[^;\"]*", _font, body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    body = re.sub(r">\s+<", "><", body.strip())
    label = escape(f"{panel.title}: {panel.about}", quote=True)
    size = f'viewBox="0 0 {panel.width:g} {panel.height:g}"'
    width = f'style="--width:{panel.width:g}px"'
    return f'<svg class="panel" role="img" aria-label="{label}" {size} {width}>{body}</svg>'


def _font(match: "re.Match[str]") -> str:
    weight = ";font-weight:600" if re.search("bold|700", match.group(1)) else ""
    return f"font-size:{float(match.group(2)):g}px{weight}"


def paper(figure: Figure) -> "Canvas":
    """All panels in a grid above the legend."""
    columns = min(figure.columns, len(figure.panels))
    lines = [figure.panels[i : i + columns] for i in range(0, len(figure.panels), columns)]
    width = max(sum(panel.width for panel in line) for line in lines)
    heights = [max(panel.height for panel in line) for line in lines]
    keys_per_line = max(1, int(width // _key_width(figure.keys)))
    legend = _LEGEND_LINE * -(-len(figure.keys) // keys_per_line) + (4 if figure.keys else 0)
    canvas = _canvas(width, sum(heights) + legend)
    top = sum(heights) + legend
    for line, height in zip(lines, heights, strict=True):
        x = 0.0
        for panel in line:
            _place(canvas, panel, x, top - panel.height)
            x += panel.width
        top -= height
    if figure.keys:
        _legend(canvas, figure.keys, keys_per_line)
    return canvas


def _key_width(keys: Sequence[Key]) -> float:
    longest = max((len(short(key.label, _LONGEST_KEY)) for key in keys), default=0)
    return 46 + 5.4 * longest


def _legend(canvas: "Canvas", keys: Sequence[Key], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linewidth=1.4, markersize=5, **key.style.options) for key in keys]
    canvas.legend(
        handles,
        [short(key.label, _LONGEST_KEY) for key in keys],
        loc="lower center",
        ncols=columns,
        frameon=False,
        labelcolor=MUTED,
        fontsize=TEXT_SIZE - 0.5,
        handlelength=2.8,
        borderaxespad=0.2,
        borderpad=0,
        labelspacing=0.35,
    )


def paper_files(figure: Figure, name: str) -> dict[str, bytes]:
    """{"png": ..., "pdf": ...}: the same bytes for the same comparison and `name`."""
    contents = {}
    with _settings(name):
        canvas = paper(figure)
        for form, fields in (("png", ("Software",)), ("pdf", ("CreationDate", "Creator"))):
            stream = io.BytesIO()
            canvas.savefig(stream, format=form, dpi=_PNG_DPI, metadata=dict.fromkeys(fields))
            contents[form] = stream.getvalue()
    return contents
