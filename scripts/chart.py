# SPDX-License-Identifier: Apache-2.0
"""Small figures for pages (scripts/page.py), as inline SVG without scripts: points in a plane, several series of them, and
how often what came.

    chart.scatter([(x, y, tooltip), ...], "requested, ms", "slept, ms", title)
    chart.plot([("Takt", [(x, y), ...]), ...], "requested, ms", "late, us", title, tenfold=True, bounds=[("bound", 1.3)])
    chart.histogram([values ...], "us", title)

Each is one well-formed <svg>; what it shows has to stand beside it as text, too.
"""
import math

from gantt import LETTER, PALETTE, number, step_of
from page import Html, escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 76, 14, 12, 44
COLUMNS = 40  # of a histogram, at most

STYLE = """
svg.chart{font:11px ui-sans-serif,system-ui,sans-serif;max-width:48rem;width:100%;height:auto;display:block}
svg.chart text{fill:currentColor}
svg.chart .grid{stroke:currentColor;stroke-opacity:.18}
svg.chart .ink{fill:#0e7cab;fill-opacity:.75}
svg.chart .bound{stroke:currentColor;stroke-dasharray:6 4}
svg.chart .dots{fill:none;stroke-width:4;stroke-linecap:round;stroke-opacity:.75}
svg.chart .square{stroke-linecap:square}
svg.chart .line{fill:none;stroke-width:2}
""" + "".join(f"svg.chart .s{i}{{stroke:{colour}}}\n" for i, colour in enumerate(PALETTE))


class Axes:
    """Two linear axes from 0, or the least value, to the greatest."""

    def __init__(self, x, y):
        self.x, self.y = self._range(x), self._range(y)

    @staticmethod
    def _range(values):
        low, high = min(0, *values), max(values)
        return low, high if high > low else low + 1

    def at_x(self, value):
        return LEFT + (value - self.x[0]) * (WIDTH - LEFT - RIGHT) / (self.x[1] - self.x[0])

    def at_y(self, value):
        return HEIGHT - BOTTOM - (value - self.y[0]) * (HEIGHT - TOP - BOTTOM) / (self.y[1] - self.y[0])

    @staticmethod
    def _ticks(low, high, count):
        step = step_of(high - low, count)
        return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

    def ticks_y(self):
        return self._ticks(*self.y, 6)

    def draw(self, x_name, y_name):
        floor, parts = HEIGHT - BOTTOM, []
        for value in self._ticks(*self.x, 10):
            at = self.at_x(value)
            parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{floor}"/><text x="{at:.1f}" y="{floor + 15}" text-anchor="middle">'
                         f"{escape(number(value))}</text>")
        for value in self.ticks_y():
            at = self.at_y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/><text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">'
                         f"{escape(number(value))}</text>")
        parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
        parts.append(f'<text transform="translate(14 {(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
        return parts


def svg(parts, title, above=0):
    """The figure, with room for what lies `above` it."""
    return Html(f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{escape(title)}" '
                f'viewBox="0 {-above} {WIDTH} {HEIGHT + above}">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n")


def scatter(points, x_name, y_name, title):
    """ValueError: there are none."""
    if not points:
        raise ValueError(f"{title}: there are no points")
    axes = Axes([x for x, _, _ in points], [y for _, y, _ in points])
    dots = [f'<circle class="ink" cx="{axes.at_x(x):.1f}" cy="{axes.at_y(y):.1f}" r="2"><title>{escape(tip)}</title></circle>'
            for x, y, tip in points]
    return svg(axes.draw(x_name, y_name) + dots, title)


class TenfoldAxes(Axes):
    """The vertical axis by powers of ten; what is not above 0 cannot be on it."""

    def __init__(self, x, y):
        super().__init__(x, [0])
        low = math.floor(math.log10(min(y)))
        self.y = low, max(math.ceil(math.log10(max(y))), low + 1)

    def at_y(self, value):
        return super().at_y(math.log10(value))

    def ticks_y(self):
        return [10.0 ** i for i in range(self.y[0], self.y[1] + 1)]


def legend(names):
    """The names of the series, each beside a dot as it is drawn, and the legend's height."""
    parts, x, y = [], LEFT, 10
    for index, name in enumerate(names):
        width = 26 + LETTER * len(name)
        if x + width > WIDTH - RIGHT and x > LEFT:
            x, y = LEFT, y + 16
        parts.append(f'<path class="dots {mark(index)}" style="stroke-width:8" d="M{x:.1f} {y - 4}h0"/><text x="{x + 9:.1f}" y="{y}">{escape(name)}</text>')
        x += width
    return parts, y + 6


def mark(index):
    """The classes of a series' dots; neighbours differ in form as well as in colour."""
    return f"s{index % len(PALETTE)}" + (" square" if index % 2 else "")


def plot(series, x_name, y_name, title, tenfold=False, bounds=(), joined=False):
    """Several series [(name, [(x, y), ...])], as dots, or as lines if `joined`; `bounds` [(name, y)] are drawn across.

    ValueError: there are no points, or with `tenfold` one that is not above 0.
    """
    points = [point for _, own in series for point in own]
    if not points:
        raise ValueError(f"{title}: there are no points")
    heights = [y for _, y in (*points, *bounds)]
    if tenfold and min(heights) <= 0:
        raise ValueError(f"{title}: {min(heights)} is not above 0, and so on no scale by powers of ten")
    axes = (TenfoldAxes if tenfold else Axes)([x for x, _ in points], heights)
    parts = axes.draw(x_name, y_name)
    for index, (_, own) in enumerate(series):
        places = [f"{axes.at_x(x):.1f} {axes.at_y(y):.1f}" for x, y in own]
        path = "M" + ("L" if joined else "h0M").join(places) + ("" if joined else "h0")
        if own:
            parts.append(f'<path class="{"line" if joined else "dots"} {mark(index)}" d="{path}"/>')
    for name, y in bounds:
        parts.append(f'<path class="bound" d="M{LEFT} {axes.at_y(y):.1f}H{WIDTH - RIGHT}"/>'
                     f'<text x="{WIDTH - RIGHT - 4}" y="{axes.at_y(y) - 4:.1f}" text-anchor="end">{escape(name)}</text>')
    names, height = legend([name for name, _ in series])
    return svg([f'<g transform="translate(0 {-height})">', *names, "</g>", *parts], title, height)


def columns_of(values, most=COLUMNS):
    """[(low, high, how many)] over the range of the values, in round steps; without gaps."""
    low, high = min(values), max(values)
    step = step_of(high - low, most - 1) if high > low else 1
    first = math.floor(low / step)
    counts = [0] * (math.floor(high / step) - first + 1)
    for value in values:
        counts[math.floor(value / step) - first] += 1
    return [((first + i) * step, (first + i + 1) * step, count) for i, count in enumerate(counts)]


def histogram(values, unit, title):
    """ValueError: there are none."""
    if not values:
        raise ValueError(f"{title}: there are no values")
    columns = columns_of(values)
    axes = Axes([columns[-1][1]], [count for _, _, count in columns])
    bars = [f'<rect class="ink" x="{axes.at_x(low) + 0.5:.1f}" y="{axes.at_y(count):.1f}" '
            f'width="{max(axes.at_x(high) - axes.at_x(low) - 1, 0.5):.1f}" height="{axes.at_y(0) - axes.at_y(count):.1f}">'
            f"<title>{escape(f'{number(low)} to {number(high)} {unit}: {count}')}</title></rect>"
            for low, high, count in columns if count]
    return svg(axes.draw(unit, "how often") + bars, title)
