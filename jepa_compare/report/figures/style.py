"""The style of figures, on paper and on the page: colours, dashes, markers, axes.

Colours are those of Okabe and Ito, two of them darkened for contrast on white; a marker and a dash
pattern say the same again, for readers who cannot tell the colours apart and for grey printers.
Every length is in points, which the page takes for CSS pixels.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, RULE, GRID, PAPER = "#1d1d1f", "#6a6a70", "#b9b9c0", "#e6e6ea", "#fffffe"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c08200", "#4a9fd8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (1.5, 1.8), (7, 2, 1.5, 2), (11, 3))

# On the page a colour follows the reader's light or dark scheme: style.css gives both values.
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", GRID: "--grid", PAPER: "--paper"} | {
    colour: f"--series-{index}" for index, colour in enumerate(COLOURS)
}

TEXT_SIZE = 10.5
SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so figures are the same everywhere
    "font.size": TEXT_SIZE,
    "text.parse_math": False,  # names of runs are text, not formulas
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.labelsize": TEXT_SIZE - 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # venues refuse Type 3 fonts
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RowStyle:
    """How one row, or one floor, is drawn everywhere."""

    colour: str = MUTED
    marker: str = ""
    """matplotlib's name; "" for lines without points."""
    dash: tuple[float, ...] = ()
    """Lengths of dash and gap in points; () is solid."""
    hollow: bool = False
    """Whether the marker is an outline."""

    @property
    def line(self) -> Any:
        """The dash pattern as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"

    @property
    def face(self) -> str:
        """Colour of the marker's inside."""
        return PAPER if self.hollow else self.colour

    @property
    def options(self) -> dict[str, Any]:
        """What `Axes.plot` is told of a line with points."""
        return {
            "color": self.colour,
            "linestyle": self.line,
            "marker": self.marker or "none",
            "markerfacecolor": self.face,
        }

    @property
    def points(self) -> dict[str, Any]:
        """The same without the line."""
        return self.options | {"linestyle": "none"}


def row_style(index: int) -> RowStyle:
    """The style of the row at `index`: no two of the first 210 share all three signs."""
    return RowStyle(
        colour=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        dash=DASHES[index % len(DASHES)],
    )


MARKER_PATHS = {
    "o": "M0-3.6a3.6 3.6 0 1 1 0 7.2a3.6 3.6 0 1 1 0-7.2z",
    "s": "M-3.2-3.2h6.4v6.4h-6.4z",
    "^": "M0-4L3.8 3.2H-3.8z",
    "D": "M0-4.3L4.3 0L0 4.3L-4.3 0z",
    "v": "M0 4L3.8-3.2H-3.8z",
    "P": "M-1.4-4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z",
    "X": "M-2.2-4L0-1.8L2.2-4L4-2.2L1.8 0L4 2.2L2.2 4L0 1.8L-2.2 4L-4 2.2L-1.8 0L-4-2.2z",
}
"""The markers around (0, 0), for legends on the page."""

REFERENCE_STYLES = {
    "random": RowStyle(dash=(1, 2)),
    "straight_line": RowStyle(dash=(4, 2)),
    "untrained": RowStyle(dash=(7, 2, 1.5, 2)),
    "true_dynamics_straight": RowStyle(dash=(13, 3)),
    "true_dynamics_geodesic": RowStyle(dash=(13, 3, 3, 3)),
    "door_script": RowStyle(),
}
OTHER_REFERENCE = RowStyle(dash=(2, 6))
"""Of a user's own policy."""


def short(text: str, most: int) -> str:
    """`text` with its middle left out if it is longer than `most`: names differ at both ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + "…" + text[-tail:]


def wrapped(label: str, width: int = 24) -> str:
    """A row's label in at most two lines of at most `width` characters."""
    if len(label) <= width:
        return label
    joined = label.replace(" · ", "\u00a0· ")  # the dot stays at the end of its line
    lines = textwrap.wrap(joined, width, break_on_hyphens=False, break_long_words=False)
    lines = [line.replace("\u00a0", " ") for line in lines]
    return "\n".join(short(line, width) for line in [lines[0], " ".join(lines[1:])] if line)


def number_text(value: float, _position: object = None) -> str:
    """A tick of a logarithmic axis: "0.01", "3", "10⁻⁵"."""
    exponent = math.log10(value) if value > 0 else 0.0
    if -3.5 < exponent < 5:
        return f"{value:g}"
    power = str(round(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    lead = value / 10 ** round(exponent)
    return ("" if abs(lead - 1) < 1e-6 else f"{lead:.1g}·") + f"10{power}"


def log_axis(axes: "Axes", which: str, low: float, high: float) -> None:
    """Make the "x" or "y" axis logarithmic, with few and readable ticks for values low to high."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    narrow = high / low < 200
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if narrow else (1.0,), numticks=6))
    axis.set_major_formatter(FuncFormatter(number_text))
    axis.set_minor_formatter(NullFormatter())


def linear_axis(axes: "Axes", which: str, ticks: int = 5) -> None:
    """A few round ticks."""
    from matplotlib.ticker import MaxNLocator

    getattr(axes, f"{which}axis").set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))


def row_axis(axes: "Axes", labels: Sequence[str], x_label: str) -> None:
    """Labels from top to bottom on the y axis, one for each whole number."""
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)


def label_width(labels: Sequence[str]) -> float:
    """Points to the left of the axes that the longest line of `labels` takes."""
    return 16 + 6.0 * max((len(line) for label in labels for line in label.split("\n")), default=0)
