# SPDX-License-Identifier: Apache-2.0
"""Gantt charts as SVG, for pages (inline) and as files: who ran when.

    text = gantt.svg(["core 0", "core 1"], [("core 0", 0, 200, "rtprobe/0", "0 to 200 us")], 0, 1000, "us", "Demo")

    lanes  names, from top to bottom
    bars   (lane, begin, end, kind, tooltip): lane is a name or an index of `lanes`; kind is text, equal kinds have equal
           colours; tooltip is text or "". begin == end is an instant: a mark above its lane. Several bars of a lane may touch;
           where they overlap, the later in the list is drawn over the earlier. What lies outside of start..end is cut off
    start, end, unit
           the axis, in the numbers of the bars; unit is what its labels call them
    title  what the figure is called for who cannot see it

Returns one well-formed <svg> element with its own namespace and style, light and dark, without scripts. A kind is written
into its bar where its lane has several kinds and the bar has room; a legend names the kinds where there are at most
LEGEND_MAX. Every bar's tooltip is its <title>. The figure has about 150 bytes for each bar: choose the time shown so that
there are some thousand at most. ValueError for what cannot be drawn, naming it.
"""
import math

from page import Html, escape

# White on each, and each on the paper of both schemes, can be told apart (tests/scripts/test_plan.py).
PALETTE = ("#0e7cab", "#bc5602", "#308335", "#af4aaf", "#da3027", "#807503", "#018276", "#7265cb")
LEGEND_MAX = 12

WIDTH = 1000        # of the figure, in its own units; it is drawn as wide as its page
LANE = 24           # height of a lane
BAR = 16            # of a bar in it
LETTER = 6.3        # about what a letter of 11 px takes
NAME_MAX = 30       # letters of a lane's name that are shown
MARGIN = 12
TICKS = 10          # about as many labels on the axis

STYLE = """
svg.gantt{background:#fff;font:11px ui-sans-serif,system-ui,sans-serif}
svg.gantt text{fill:#1b1f23}
svg.gantt .grid{stroke:#d0d7de;stroke-width:1}
svg.gantt .row{fill:#f3f5f7}
svg.gantt .mark{stroke:#1b1f23;stroke-width:1.2}
svg.gantt .in{fill:#fff}
@media (prefers-color-scheme:dark){
svg.gantt{background:#14171a}
svg.gantt text{fill:#e6e9ec}
svg.gantt .grid{stroke:#3b434b}
svg.gantt .row{fill:#1d2226}
svg.gantt .mark{stroke:#e6e9ec}
svg.gantt .in{fill:#fff}
}
""" + "".join(f"svg.gantt .k{i}{{fill:{colour}}}\n" for i, colour in enumerate(PALETTE))


def number(value):
    """As short as it is exact enough: 1000 -> 1,000; 0.25 -> 0.25."""
    return f"{value:,.10g}"


def step_of(length, count):
    """The smallest of 1, 2, 5, 10, 20 ... that divides `length` into at most `count` parts."""
    power = 10.0 ** math.floor(math.log10(length / count))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if length / (power * factor) <= count)


def shorten(name, letters):
    return name if len(name) <= letters else name[:letters - 1] + "\u2026"


def visible(lanes, bars, start, end):
    """(lane's index, begin, end, kind, tooltip) of what lies in start..end, cut to it."""
    places = {key: index for index, name in reversed(list(enumerate(lanes))) for key in (index, name)}
    shown = []
    for lane, begin, stop, kind, tooltip in bars:
        if lane not in places:
            raise ValueError(f"a bar of {kind!r} is on lane {lane!r}; the lanes are {', '.join(map(repr, lanes))}")
        if stop < begin:
            raise ValueError(f"a bar of {kind!r} ends at {stop}, before it begins at {begin}")
        if start <= begin == stop <= end or (begin < end and stop > start and begin != stop):
            shown.append((places[lane], max(begin, start), min(stop, end), str(kind), tooltip))
    return shown


def legend(kinds, left, top):
    """The legend's elements and its height."""
    parts, x, y = [], left, top
    for index, kind in enumerate(kinds):
        text = shorten(kind, 40)
        width = 24 + LETTER * len(text)
        if x + width > WIDTH - MARGIN and x > left:
            x, y = left, y + 18
        parts.append(f'<rect class="k{index % len(PALETTE)}" x="{x:.1f}" y="{y}" width="12" height="12"/>'
                     f'<text x="{x + 16:.1f}" y="{y + 10}">{escape(text)}</text>')
        x += width + 10
    return parts, y + 18 - top


def axis(start, end, unit, left, top, bottom):
    parts = []
    scale = (WIDTH - MARGIN - left) / (end - start)
    longest = max(len(number(start)), len(number(end))) + 1
    step = step_of(end - start, max(1, min(TICKS, int((WIDTH - left) / (LETTER * longest + 14)))))
    first = math.ceil(start / step)
    for i in range(first, math.floor(end / step + 1e-9) + 1):
        x = left + (i * step - start) * scale
        anchor = "end" if x > WIDTH - MARGIN - LETTER * longest / 2 else "middle"
        parts.append(f'<path class="grid" d="M{x:.2f} {top}V{bottom + 4}"/>'
                     f'<text x="{x:.2f}" y="{bottom + 17}" text-anchor="{anchor}">{escape(number(i * step))}</text>')
    parts.append(f'<text x="{left - 8}" y="{bottom + 17}" text-anchor="end">{escape(unit)}</text>')
    return parts


def draw_bar(bar, kinds, left, scale, start, top, labelled):
    index, begin, end, kind, tooltip = bar
    x, y = left + (begin - start) * scale, top + index * LANE + (LANE - BAR) / 2
    title = f"<title>{escape(tooltip)}</title>" if tooltip else ""
    if begin == end:
        return f'<path class="mark" d="M{x:.2f} {y - 3:g}V{y + BAR + 1:g}">{title}</path>'
    width = max((end - begin) * scale, 0.6)
    colour = kinds[kind] % len(PALETTE)
    text = f'<rect class="k{colour}" x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{BAR}">{title}</rect>'
    if index in labelled and width > LETTER * len(kind) + 6:
        text += f'<text class="in" pointer-events="none" x="{x + 3:.2f}" y="{y + 12:g}">{escape(kind)}</text>'
    return text


def svg(lanes, bars, start, end, unit, title):
    """The chart; the module's text says what the parameters are."""
    lanes = [str(name) for name in lanes]
    if not lanes:
        raise ValueError("a chart has at least one lane")
    if not start < end:
        raise ValueError(f"the time shown ends at {end}, which is not after its start, {start}")
    shown = visible(lanes, bars, start, end)
    kinds, of_lane = {}, {}
    for index, begin, stop, kind, _ in shown:
        if begin != stop:
            kinds.setdefault(kind, len(kinds))
            of_lane.setdefault(index, set()).add(kind)
    labelled = {index for index, found in of_lane.items() if len(found) > 1}
    names = [shorten(name, NAME_MAX) for name in lanes]
    left = round(MARGIN + 8 + LETTER * max(max(map(len, names)), len(unit)))
    parts, height = legend(kinds, left, 4) if len(kinds) <= LEGEND_MAX else ([], 0)
    top = 8 + height
    bottom = top + LANE * len(lanes)
    for index, name in enumerate(names):
        y = top + index * LANE
        if index % 2 == 0:
            parts.append(f'<rect class="row" x="{left}" y="{y}" width="{WIDTH - MARGIN - left}" height="{LANE}"/>')
        full = f"<title>{escape(lanes[index])}</title>" if name != lanes[index] else ""
        parts.append(f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{full}{escape(name)}</text>')
    parts += axis(start, end, unit, left, top, bottom)
    scale = (WIDTH - MARGIN - left) / (end - start)
    parts += [draw_bar(bar, kinds, left, scale, start, top, labelled) for bar in shown]
    return Html(f'<svg xmlns="http://www.w3.org/2000/svg" class="gantt" role="img" aria-label="{escape(title)}" '
                f'viewBox="0 0 {WIDTH} {bottom + 24}">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n")
