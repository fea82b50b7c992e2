"""What follows a statement's first page: its days, and the other stores that points came from or went to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from settlement.languages.rules import Language
from settlement.statements.documents import DayLine, StatementDocument
from settlement.statements.paper import (
    ACCENT,
    GREY,
    LEFT,
    PALE,
    RIGHT,
    RULE,
    SMALL_SIZE,
    THIRD,
    WIDTH,
    Column,
    Paper,
    width_of,
)
from settlement.statements.rules import CounterStore, CounterTable, counter_table
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation.pdf_text import REGULAR
from tenants.stores.rules import HEAD_OFFICE

# Lengths are in points, 1/72 inch.
DAY_ROW_HEIGHT, DAYS_WIDTH, DAYS_GAP, COUNT_WIDTH = 11.0, WIDTH * 0.56, 16.0, 72.0
BAR_HEIGHT = 2.6
BARS = {"Issued": ACCENT, "Recovered here": PALE, "Expired": THIRD}
CODE_WIDTH = 54.0
# Of the columns of numbers, by how many there are.
NUMBER_WIDTHS = {3: 80.0, 4: 68.0, 5: 60.0}

BILATERAL_NOTE = "Stores owe each other for points that were recovered; head office collects it and pays it out."
POOLED_NOTE = (
    "Every store settles with head office alone; nothing is paid from store to store. "
    "What head office pays for the points recovered here is split by whose points they were."
)


def draw_days(paper: Paper, statement: StatementDocument, language: Language) -> None:
    """A row of numbers a day, and beside it its bars."""
    month, say = statement.heading.month, language.say
    days = with_earlier_days_as_one(statement)
    rows = [
        [language.weekday(day.day) if day.day >= month else say("Earlier"), *map(language.number, counts_of(day))]
        for day in days
    ]
    totals = [sum(column) for column in zip(*map(counts_of, days), strict=True)]
    columns = [
        Column(say("Day"), DAYS_WIDTH - len(BARS) * COUNT_WIDTH, is_number=False),
        *(Column(say(name), COUNT_WIDTH) for name in BARS),
    ]
    paper.y -= 6
    paper.need(40 + DAY_ROW_HEIGHT * (len(days) + 2))
    paper.section(say("The month by day, in points"))
    top = paper.y
    paper.table(columns, rows, [[say("Month"), *map(language.number, totals)]], row_height=DAY_ROW_HEIGHT)
    draw_bars(paper, days, paper.y + DAY_ROW_HEIGHT)
    draw_key(paper, top - 9, language)
    if days[0].day < month:
        note = say("Earlier: events of earlier months that arrived after those months had closed.")
        paper.paragraph(note, size=SMALL_SIZE, color=GREY)


def with_earlier_days_as_one(statement: StatementDocument) -> list[DayLine]:
    """Late events can be of any day of earlier months: one row for all keeps the table on its page."""
    month = statement.heading.month
    earlier = [counts_of(day) for day in statement.days if day.day < month]
    in_month = [day for day in statement.days if day.day >= month]
    if not earlier:
        return in_month
    issued, recovered, expired = (sum(column) for column in zip(*earlier, strict=True))
    return [DayLine(month - timedelta(days=1), issued, recovered, expired), *in_month]


def counts_of(day: DayLine) -> tuple[int, int, int]:
    return day.issued, day.recovered, day.expired


def draw_bars(paper: Paper, days: Sequence[DayLine], bottom: float) -> None:
    """Three bars a day, up from the last one at `bottom`; to the left where more was taken back than given."""
    left = LEFT + DAYS_WIDTH + DAYS_GAP
    counts = [count for day in days for count in counts_of(day)]
    lowest, highest = min(0, *counts), max(0, *counts)
    scale = (RIGHT - left) / max(highest - lowest, 1)
    zero = left - lowest * scale
    top = bottom + DAY_ROW_HEIGHT * len(days)
    for number, color in enumerate(BARS.values()):
        for index, day in enumerate(days):
            if length := counts_of(day)[number] * scale:
                y = top - DAY_ROW_HEIGHT * index - 1.4 - BAR_HEIGHT * (number + 1)
                paper.box(zero, y, length, BAR_HEIGHT, color)
    paper.canvas.setStrokeColor(RULE)
    paper.canvas.setLineWidth(0.5)
    paper.canvas.line(zero, bottom, zero, top)


def draw_key(paper: Paper, y: float, language: Language) -> None:
    left = LEFT + DAYS_WIDTH + DAYS_GAP
    for name, color in BARS.items():
        said = language.say(name)
        paper.box(left, y + 1, 8, BAR_HEIGHT, color)
        paper.write(left + 11, y, said, REGULAR, SMALL_SIZE, GREY)
        left += 11 + width_of(said, REGULAR, SMALL_SIZE) + 12


def draw_counter_stores(paper: Paper, statement: StatementDocument, language: Language) -> None:
    say, table = language.say, counter_table(statement)
    paper.y -= 6
    paper.need(110)
    paper.section(say("Points that moved between this store and others"))
    if not table.others:
        paper.paragraph(say("No points moved between this store and others in this month."))
        return
    is_bilateral = statement.heading.model == ON_REDEMPTION
    paper.paragraph(say(BILATERAL_NOTE if is_bilateral else POOLED_NOTE), size=SMALL_SIZE, color=GREY)
    paper.y -= 3
    currency, names = statement.heading.currency, statement.names.names

    def cells(code: str, name: str, counter_store: CounterStore) -> list[str]:
        return [code, name, *numbers_of(counter_store, table, currency, language)]

    paper.table(
        counter_columns(table, currency, language),
        [
            cells(code, say("Head office") if code == HEAD_OFFICE else names.get(code, ""), other)
            for code, other in table.others.items()
        ],
        [
            cells("", say("Sum of the above"), table.sum_of_others),
            cells("", say("Own points recovered in this store"), table.own),
            cells("", say("Total"), table.sum_of_others.plus(table.own)),
        ],
    )


def counter_columns(table: CounterTable, currency: str, language: Language) -> list[Column]:
    say = language.say
    titles = [
        *(say(title) for title in ("Own points recovered there", "Their points recovered here", "Difference")),
        *([say("Paid for own, {currency}", currency=currency)] if table.has_paid else []),
        *([say("Received for theirs, {currency}", currency=currency)] if table.has_received else []),
    ]
    width = NUMBER_WIDTHS[len(titles)]
    return [
        Column(say("Store"), CODE_WIDTH, is_number=False),
        Column(say("Name"), WIDTH - CODE_WIDTH - width * len(titles), is_number=False),
        *(Column(title, width) for title in titles),
    ]


def numbers_of(counter_store: CounterStore, table: CounterTable, currency: str, language: Language) -> list[str]:
    """Difference: own points recovered there, less their points recovered here."""
    there, here = counter_store.own_recovered_there, counter_store.theirs_recovered_here
    return [
        language.number(there),
        language.number(here),
        language.signed(there - here),
        *([language.money(counter_store.paid, currency)] if table.has_paid else []),
        *([language.money(counter_store.received, currency)] if table.has_received else []),
    ]
