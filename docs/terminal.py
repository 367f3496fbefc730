"""Draws images/terminal.svg from images/terminal.txt, a recorded session in which only the token was replaced.

Its own small drawing instead of a recorder's, so that the picture is text that can be reviewed, needs no font and no
script, and can be compared by a test.  Run it after changing the recording: `python docs/terminal.py`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
LINE_HEIGHT = 19
CHARACTER_WIDTH = 7.83
MARGIN = 18
BAR = 34

FRAME = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-label="A terminal">
<rect width="100%" height="100%" rx="8" fill="#1c2126"/>
<circle cx="20" cy="17" r="6" fill="#e0645c"/><circle cx="40" cy="17" r="6" fill="#d9a648"/>
<circle cx="60" cy="17" r="6" fill="#6fae5e"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" fill="#d8dee4">
{lines}
</g>
</svg>
"""


def picture() -> str:
    """The SVG as text."""
    lines = (IMAGES / "terminal.txt").read_text(encoding="utf-8").splitlines()
    return FRAME.format(
        width=round(2 * MARGIN + CHARACTER_WIDTH * max(map(len, lines))),
        height=BAR + MARGIN + LINE_HEIGHT * len(lines),
        lines="\n".join(_line(number, line) for number, line in enumerate(lines, start=1) if line),
    )


def _line(number: int, line: str) -> str:
    colour = ' fill="#8fc7ff"' if line.startswith("$ ") else ""
    place = f'x="{MARGIN}" y="{BAR + LINE_HEIGHT * number}"'
    return f'<text {place} xml:space="preserve"{colour}>{escape(line)}</text>'


if __name__ == "__main__":
    (IMAGES / "terminal.svg").write_text(picture(), encoding="utf-8")
