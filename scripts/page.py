# SPDX-License-Identifier: Apache-2.0
"""The frame of the pages that tools of this tree write: one file, nothing from outside, no scripts, light and dark.

Every function returns a piece of well-formed XHTML as Html, a str that is not escaped again; whatever else is passed as
text is escaped. What a figure shows stands beside it as text, too.

    page.document("Plan of demo", [
        page.verdict(True, "admitted"),
        page.section("Cores", page.table(["core", "uses"], [["0", page.share_bar(0.6, "60 %")]], numbers={0})),
    ])
"""
import html
import re

# What XML 1.0 cannot say.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# (text, background) pairs that are read together have a contrast of at least 4.5, tests/scripts/test_plan.py holds.
LIGHT = {"paper": "#ffffff", "ink": "#1b1f23", "quiet": "#57606a", "line": "#d0d7de", "shade": "#f3f5f7",
         "good": "#116329", "bad": "#a40e26", "fill": "#0b6e99"}
DARK = {"paper": "#14171a", "ink": "#e6e9ec", "quiet": "#9da7b1", "line": "#3b434b", "shade": "#1d2226",
        "good": "#5fd07a", "bad": "#ff8f8f", "fill": "#4aa8d0"}


class Html(str):
    """A piece of a page that is not escaped again."""


def escape(text):
    """Anything as text of a page or an SVG, between tags or quotes."""
    return text if isinstance(text, Html) else Html(html.escape(NOT_XML.sub("\ufffd", str(text)), quote=True))


def join(pieces):
    return Html("\n".join(escape(piece) for piece in pieces))


def colours(scheme):
    return "".join(f"--{name}:{value};" for name, value in scheme.items())


STYLE = f"""
:root {{ color-scheme: light dark; {colours(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {colours(DARK)} }} }}
body {{ background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 72rem;
  margin: 0 auto; padding: 1rem 1.5rem 3rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 0.5rem; }}
h2 {{ font-size: 1.2rem; margin: 2.2rem 0 0.5rem; padding-top: 0.6rem; border-top: 1px solid var(--line); }}
h3 {{ font-size: 1rem; margin: 1.4rem 0 0.3rem; }}
p, ul {{ margin: 0.4rem 0; max-width: 60rem; }}
.quiet {{ color: var(--quiet); }}
.good {{ color: var(--good); }}
.bad {{ color: var(--bad); }}
.verdict {{ font-weight: 600; border-left: 4px solid currentColor; padding: 0.2rem 0.8rem; margin: 0.8rem 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 14px; margin: 0.5rem 0; }}
caption {{ text-align: left; color: var(--quiet); padding-bottom: 0.3rem; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.2rem 0.9rem 0.2rem 0.3rem; border-bottom: 1px solid var(--line); }}
th {{ font-weight: 600; white-space: nowrap; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.share {{ display: flex; align-items: center; gap: 0.6rem; min-width: 16rem; }}
.share span {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
.share svg {{ flex: 0 0 11rem; height: 0.9rem; }}
.share .track {{ fill: var(--shade); stroke: var(--line); }}
.share .part {{ fill: var(--fill); }}
svg.gantt {{ display: block; width: 100%; min-width: 40rem; height: auto; }}
summary {{ cursor: pointer; font-weight: 600; }}
code, pre {{ font-family: ui-monospace, monospace; font-size: 13px; }}
pre {{ overflow-x: auto; background: var(--shade); padding: 0.6rem 0.8rem; }}
@media print {{ details > * {{ display: block; }} .wide {{ overflow: visible; }} }}
"""


def document(title, pieces):
    """The whole page."""
    name = escape(title)
    return Html(f"""<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>
<title>{name}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{name}</h1>
{join(pieces)}
</body>
</html>
""")


def section(heading, *pieces):
    return Html(f"<section><h2>{escape(heading)}</h2>\n{join(pieces)}\n</section>")


def subsection(heading, *pieces):
    return Html(f"<h3>{escape(heading)}</h3>\n{join(pieces)}")


def folded(heading, *pieces, opened=False):
    """What opens at a click, without scripts."""
    state = ' open="open"' if opened else ""
    return Html(f"<details{state}><summary>{escape(heading)}</summary>\n{join(pieces)}\n</details>")


def paragraph(text, quiet=False):
    return Html(f'<p class="quiet">{escape(text)}</p>' if quiet else f"<p>{escape(text)}</p>")


def bullets(items):
    return Html("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")


def preformatted(text):
    return Html(f"<pre>{escape(text)}</pre>")


def verdict(good, text):
    """The one sentence that a page is opened for."""
    return Html(f'<p class="verdict {"good" if good else "bad"}">{escape(text)}</p>')


def table(head, rows, caption=None, numbers=()):
    """A table; `numbers`: indices of the columns that are set flush right. The first cell of a row names it."""
    def cell(tag, index, content, scope=""):
        name = ' class="number"' if index in numbers else ""
        return f"<{tag}{scope}{name}>{escape(content)}</{tag}>"
    lines = ['<div class="wide"><table>']
    if caption:
        lines.append(f"<caption>{escape(caption)}</caption>")
    columns = "".join(cell("th", i, name, ' scope="col"') for i, name in enumerate(head))
    lines.append(f"<thead><tr>{columns}</tr></thead>\n<tbody>")
    for row in rows:
        cells = (cell("td", i, content) if i else cell("th", i, content, ' scope="row"') for i, content in enumerate(row))
        lines.append("<tr>" + "".join(cells) + "</tr>")
    lines.append("</tbody></table></div>")
    return Html("\n".join(lines))


def share_bar(share, text):
    """A bar of `share` (0 to 1; beyond is cut) of its track, with `text` beside it."""
    width = 176 * min(max(share, 0.0), 1.0)
    return Html('<div class="share"><svg viewBox="0 0 176 14" aria-hidden="true"><rect class="track" x="0.5" y="0.5" '
                f'width="175" height="13"/><rect class="part" x="0" y="0" width="{width:.2f}" height="14"/></svg>'
                f"<span>{escape(text)}</span></div>")
