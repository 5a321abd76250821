# SPDX-License-Identifier: Apache-2.0
"""Small figures for pages (scripts/page.py), as inline SVG without scripts: points in a plane, and how often what came.

    chart.scatter([(x, y, tooltip), ...], "requested, ms", "slept, ms", title)
    chart.histogram([values ...], "us", title)

Each is one well-formed <svg>; what it shows has to stand beside it as text, too.
"""
import math

from gantt import number, step_of
from page import Html, escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 76, 14, 12, 44
COLUMNS = 40  # of a histogram, at most

STYLE = """
svg.chart{font:11px ui-sans-serif,system-ui,sans-serif;max-width:48rem;width:100%;height:auto;display:block}
svg.chart text{fill:currentColor}
svg.chart .grid{stroke:currentColor;stroke-opacity:.18}
svg.chart .ink{fill:#0e7cab;fill-opacity:.75}
"""


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

    def draw(self, x_name, y_name):
        floor, parts = HEIGHT - BOTTOM, []
        for value in self._ticks(*self.x, 10):
            at = self.at_x(value)
            parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{floor}"/><text x="{at:.1f}" y="{floor + 15}" text-anchor="middle">'
                         f"{escape(number(value))}</text>")
        for value in self._ticks(*self.y, 6):
            at = self.at_y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/><text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">'
                         f"{escape(number(value))}</text>")
        parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
        parts.append(f'<text transform="translate(14 {(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
        return parts


def svg(parts, title):
    return Html(f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{escape(title)}" '
                f'viewBox="0 0 {WIDTH} {HEIGHT}">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n")


def scatter(points, x_name, y_name, title):
    """ValueError: there are none."""
    if not points:
        raise ValueError(f"{title}: there are no points")
    axes = Axes([x for x, _, _ in points], [y for _, y, _ in points])
    dots = [f'<circle class="ink" cx="{axes.at_x(x):.1f}" cy="{axes.at_y(y):.1f}" r="2"><title>{escape(tip)}</title></circle>'
            for x, y, tip in points]
    return svg(axes.draw(x_name, y_name) + dots, title)


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
