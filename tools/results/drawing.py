"""Charts as SVG text: lines with bands and coloured grids. Pure; tones that read on light and dark paper alike."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

COLOURS = ("#12908a", "#b8508f", "#c98a1b", "#5a7fc0", "#7d838c")
INK = "#7d838c"
WIDTH, HEIGHT = 340, 250
LEFT, RIGHT, TOP, FLOOR = 50, 12, 26, 196

Scale = Callable[[float], float]
"""From a value to pixels."""


class Line(NamedTuple):
    """Points (x, mean, low, high) in order of x; dots alone where `joined` is False."""

    name: str
    points: Sequence[tuple[float, float, float, float]]
    joined: bool = True


def sheet(panels: Sequence[str], title: str) -> str:
    """Panels side by side as one SVG; the title is what a screen reader says."""
    width = WIDTH * len(panels)
    placed = "".join(f'<g transform="translate({WIDTH * at},0)">{panel}</g>' for at, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="11" fill="{INK}"><title>{escape(title)}</title>'
        f"{placed}</svg>\n"
    )


def chart(heading: str, x: str, lines: Sequence[Line], level: float) -> str:
    """One panel of lines with their 95 % bands; the base's `level` is drawn across it."""
    points = [point for line in lines for point in line.points]
    to_x, ticks_x = _axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    to_y, ticks_y = _axis([level, *(end for point in points for end in point[1:])], FLOOR, TOP)
    parts = _frame(heading, x, "mean, 95 % interval")
    for tick in ticks_x:
        parts += [_rule(to_x(tick), TOP, to_x(tick), FLOOR), _text(to_x(tick), FLOOR + 14, f"{tick:g}", "middle")]
    for tick in ticks_y:
        parts += [
            _rule(LEFT, to_y(tick), WIDTH - RIGHT, to_y(tick)),
            _text(LEFT - 5, to_y(tick) + 4, f"{tick:g}", "end"),
        ]
    parts.append(_rule(LEFT, to_y(level), WIDTH - RIGHT, to_y(level), dash="4 3"))
    room = (WIDTH - LEFT - RIGHT) / len(lines)
    for at, line in enumerate(lines):
        colour, left = COLOURS[at % len(COLOURS)], LEFT + at * room
        parts.append(_line(line, colour, to_x, to_y))
        parts.append(f'<circle cx="{left + 4:.1f}" cy="{HEIGHT - 14}" r="4" fill="{colour}"/>')
        parts.append(_text(left + 11, HEIGHT - 10, line.name))
    return "".join(parts)


def grid(
    heading: str, x: str, y: str, columns: Sequence[str], rows: Sequence[str], values: Sequence[Sequence[float]]
) -> str:
    """One panel of coloured cells, values[row][column]; deeper is higher."""
    everything = [value for row in values for value in row]
    low, high = min(everything), max(everything)
    wide, tall = (WIDTH - LEFT - RIGHT) / len(columns), (FLOOR - TOP) / len(rows)
    parts = _frame(heading, x, y)
    for r, (label, row) in enumerate(zip(rows, values, strict=True)):
        top = TOP + r * tall
        parts.append(_text(LEFT - 5, top + tall / 2 + 4, label, "end"))
        for c, value in enumerate(row):
            depth = (value - low) / (high - low) if high > low else 0.0
            left = LEFT + c * wide
            parts.append(
                f'<rect x="{left + 1:.1f}" y="{top + 1:.1f}" width="{wide - 2:.1f}" height="{tall - 2:.1f}" '
                f'fill="{COLOURS[0]}" fill-opacity="{0.04 + 0.36 * depth:.2f}"/>'
            )
            parts.append(_text(left + wide / 2, top + tall / 2 + 4, f"{value:.2f}", "middle"))
    parts += [_text(LEFT + (c + 0.5) * wide, FLOOR + 14, label, "middle") for c, label in enumerate(columns)]
    return "".join(parts)


def _frame(heading: str, x: str, y: str) -> list[str]:
    middle = (TOP + FLOOR) / 2
    return [
        _text(WIDTH / 2, 14, heading, "middle"),
        _text((LEFT + WIDTH - RIGHT) / 2, FLOOR + 28, x, "middle"),
        f'<text transform="translate(12,{middle}) rotate(-90)" text-anchor="middle">{escape(y)}</text>',
    ]


def _line(line: Line, colour: str, to_x: Scale, to_y: Scale) -> str:
    means = " ".join(f"{to_x(x):.1f},{to_y(mean):.1f}" for x, mean, _, _ in line.points)
    dots = "".join(
        f'<circle cx="{to_x(x):.1f}" cy="{to_y(mean):.1f}" r="2.5" fill="{colour}"/>' for x, mean, _, _ in line.points
    )
    if not line.joined:
        whiskers = (
            f'<path d="M{to_x(x):.1f},{to_y(low):.1f}V{to_y(high):.1f}" stroke="{colour}" stroke-opacity="0.5"/>'
            for x, _, low, high in line.points
        )
        return "".join(whiskers) + dots
    band = [f"{to_x(x):.1f},{to_y(high):.1f}" for x, _, _, high in line.points]
    band += [f"{to_x(x):.1f},{to_y(low):.1f}" for x, _, low, _ in reversed(line.points)]
    return (
        f'<polygon points="{" ".join(band)}" fill="{colour}" fill-opacity="0.15"/>'
        f'<polyline points="{means}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'
    )


def _axis(values: Sequence[float], start: float, end: float) -> tuple[Scale, list[float]]:
    """From values to pixels between start and end, and some four to eight round ticks among them."""
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 0.5, high + 0.5
    room = (high - low) * 0.05
    low, high = low - room, high + room
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    first = math.ceil(low / step)
    ticks = [round(at * step, 10) for at in range(first, math.floor(high / step) + 1)]
    return (lambda value: start + (value - low) / (high - low) * (end - start)), ticks


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, dash: str = "") -> str:
    style = f'stroke-dasharray="{dash}"' if dash else 'stroke-opacity="0.2"'
    return f'<path d="M{x1:.1f},{y1:.1f}L{x2:.1f},{y2:.1f}" stroke="{INK}" {style}/>'
