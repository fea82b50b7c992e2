"""The figures of a run as a picture: docs/performance.svg."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from benchmarks.http import FixedRate
from benchmarks.peers import measure as peers
from benchmarks.report import Report

WIDTH, MARGIN, GAP = 760, 24, 30
LABELS_WIDTH, REMARKS_WIDTH = 210, 190
BAR, BAR_STEP = 14, 22
TITLE_HEIGHT = 30
CURVE_HEIGHT = 290
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
INK, PALE, GRID = "#24292f", "#6e7781", "#d8dee4"
OURS, THEIRS = "#0969da", "#afb8c1"
PERCENTILES = {50: "#54aeff", 99: "#0969da", 99.9: "#0a3069"}


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    remark: str = ""
    colour: str = OURS


@dataclass(frozen=True)
class Panel:
    """`draw` draws from the given height on downwards."""

    height: int
    draw: Callable[[Element, float], None]


def write_chart(report: Report, path: Path) -> None:
    panels = panels_of(report)
    height = 2 * MARGIN + sum(panel.height for panel in panels) + GAP * (len(panels) - 1)
    size = {"width": str(WIDTH), "height": str(height), "viewBox": f"0 0 {WIDTH} {height}"}
    picture = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "font-family": FONT})
    SubElement(picture, "rect", width="100%", height="100%", fill="#ffffff")
    top = MARGIN
    for panel in panels:
        panel.draw(picture, top)
        top += panel.height + GAP
    indent(picture)
    ElementTree(picture).write(path, encoding="unicode")


def panels_of(report: Report) -> list[Panel]:
    """Of what was measured."""
    panels = [
        bar_panel("Transfers a second with the clients that suit each best (grey: other ledgers)", rate_bars(report)),
        bar_panel("All on one store, all on one card: events a second over HTTP", hot_bars(report)),
        bar_panel("A growing ledger: events a second over HTTP, 8 connections", growth_bars(report)),
    ]
    if report.fixed_rates:
        panels.insert(1, curve_panel(report.fixed_rates))
    return [panel for panel in panels if panel.height > TITLE_HEIGHT]


def rate_bars(report: Report) -> list[Bar]:
    bars = []
    if report.posting:
        bars.append(Bar("posting function, pgbench", report.posting.per_second, "no Python at all"))
    names = dict.fromkeys(run.name for run in report.peers)
    ours = {
        peers.OURS: "in process",
        peers.HTTP: "authenticated, validated, idempotent",
        peers.BATCHES: "over HTTP, 1,000 a request",
    }
    for name in names:
        rate = peers.best(report.peers, name)
        bars.append(Bar(name, rate, ours.get(name, "in process"), OURS if name in ours else THEIRS))
    return sorted(bars, key=lambda bar: bar.value, reverse=True)


def hot_bars(report: Report) -> list[Bar]:
    return [Bar(run.name, run.http_per_second, f"p99 {run.milliseconds_p99:.0f} ms") for run in report.hot]


def growth_bars(report: Report) -> list[Bar]:
    return [
        Bar(
            f"{run.millions} million postings, {run.ledger_bytes / 10**9:.0f} GB",
            run.http_per_second,
            f"p99 {run.milliseconds_p99:.0f} ms",
        )
        for run in report.growth
    ]


def bar_panel(title: str, bars: Sequence[Bar]) -> Panel:
    def draw(picture: Element, top: float) -> None:
        add_title(picture, title, top)
        left = MARGIN + LABELS_WIDTH
        scale = (WIDTH - MARGIN - REMARKS_WIDTH - left) / max(bar.value for bar in bars)
        for index, bar in enumerate(bars):
            line = top + TITLE_HEIGHT + index * BAR_STEP
            end = left + bar.value * scale
            add(picture, "rect", x=left, y=line, width=bar.value * scale, height=BAR, fill=bar.colour)
            write(picture, left - 8, line + 11, bar.label, anchor="end")
            figure = write(picture, end + 6, line + 11, "")
            add(figure, "tspan", f"{bar.value:,.0f}", font_weight="bold")
            add(figure, "tspan", bar.remark, fill=PALE, font_size=10, dx=8)

    return Panel(TITLE_HEIGHT + len(bars) * BAR_STEP if bars else 0, draw)


def curve_panel(runs: Sequence[FixedRate]) -> Panel:
    """Latency grows by powers of ten."""

    def draw(picture: Element, top: float) -> None:
        add_title(picture, "Latency over HTTP of requests sent at fixed moments, milliseconds", top)
        curves = {percent: [run.load.percentile(percent) for run in runs] for percent in PERCENTILES}
        highest = math.ceil(math.log10(max(max(curve) for curve in curves.values())))
        left, right = MARGIN + 60, WIDTH - MARGIN - 60
        ceiling, floor = top + TITLE_HEIGHT, top + CURVE_HEIGHT - 34

        def across(index: int) -> float:
            return left + 60 + (right - left - 120) * index / max(len(runs) - 1, 1)

        def up(milliseconds: float) -> float:
            return floor - (floor - ceiling) * max(math.log10(milliseconds), 0) / highest

        for power in range(highest + 1):
            add(picture, "line", x1=left, x2=right, y1=up(10**power), y2=up(10**power), stroke=GRID)
            write(picture, left - 8, up(10**power) + 4, f"{10**power:,}", PALE, anchor="end")
        for index, run in enumerate(runs):
            write(picture, across(index), floor + 18, f"{run.share:.0%} of maximum", anchor="middle")
            write(picture, across(index), floor + 32, f"{run.per_second:,.0f} a second", PALE, 10, "middle")
        for percent, values in curves.items():
            points = [(across(index), up(value)) for index, value in enumerate(values)]
            add_curve(picture, f"p{percent:g}", PERCENTILES[percent], points, values, percent == max(PERCENTILES))

    return Panel(CURVE_HEIGHT, draw)


def add_curve(
    picture: Element,
    name: str,
    colour: str,
    points: Sequence[tuple[float, float]],
    values: Sequence[float],
    is_highest: bool,
) -> None:
    """The highest curve has its figures above it, the others below."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    add(picture, "polyline", points=path, fill="none", stroke=colour, stroke_width=2)
    for (x, y), value in zip(points, values, strict=True):
        add(picture, "circle", cx=x, cy=y, r=3, fill=colour)
        figure = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        write(picture, x, y - 8 if is_highest else y + 15, figure, colour, 10, "middle")
    # Named where they are farthest apart.
    x, y = points[0]
    add(write(picture, x - 16, y + 4, "", colour, anchor="end"), "tspan", name, font_weight="bold")


def add_title(picture: Element, title: str, top: float) -> None:
    add(write(picture, MARGIN, top + 12, "", size=13), "tspan", title, font_weight="bold")


def write(
    picture: Element, x: float, y: float, words: str, colour: str = INK, size: int = 11, anchor: str = "start"
) -> Element:
    return add(picture, "text", words, x=x, y=y, fill=colour, font_size=size, text_anchor=anchor)


def add(parent: Element, tag: str, words: str = "", **attributes: object) -> Element:
    spelled = {name.replace("_", "-"): show(value) for name, value in attributes.items()}
    child = SubElement(parent, tag, spelled)
    child.text = words or None
    return child


def show(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
