"""One store's monthly statement on A4: what it remits or receives, and how that comes about.

The first page says it all to the cent; the pages after it have the days and the other stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import segno

from settlement.fees.rules import VOLUME
from settlement.languages.headlines import HEADLINES
from settlement.languages.rules import Language
from settlement.proposals.rules import (
    ADJUSTMENT,
    BILATERAL,
    BORNE,
    CARRIED_FORWARD,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FEE,
    FUNDING,
    MARGIN,
    OPENING_BALANCE,
    RECEIVE,
    REDEMPTION,
    REMIT,
    TAX,
)
from settlement.statements.documents import MonthHeading, StatementDocument
from settlement.statements.paper import (
    ACCENT,
    BAND,
    GREY,
    LARGE_SIZE,
    LEFT,
    RIGHT,
    ROW_HEIGHT,
    SMALL_SIZE,
    TEXT_SIZE,
    WARNING,
    WIDTH,
    Column,
    Paper,
    fitting_size,
    width_of,
)
from settlement.statements.pdf_pages import draw_counter_stores, draw_days
from settlement.statements.rules import MoneyRow, money_rows
from settlement.states.rules import REJECTED
from tenants.foundation.files import put_in_place
from tenants.foundation.pdf_text import BOLD, REGULAR

BAND_HEIGHT, CODE_SIZE = 44.0, 92.0
POINTS_WIDTH, POINTS_NUMBER_WIDTH = WIDTH * 0.46, 74.0
SEAL_LEFT = LEFT + WIDTH * 0.52

NET_LABELS = {REMIT: "Net, to remit", RECEIVE: "Net, to receive"}
# By kind, and whether the store is who pays.
MONEY_LABELS = {
    (OPENING_BALANCE, False): "Opening balance, carried forward from the month before",
    (FUNDING, True): "Points issued here",
    (REDEMPTION, False): "Points recovered here",
    (BILATERAL, True): "Own points recovered in other stores",
    (BILATERAL, False): "Points of others recovered here",
    (MARGIN, True): "Head office's share of own points recovered",
    (BORNE, True): "Points of others that this store bears",
    (BORNE, False): "Own points that other stores bear",
    (CARRIED_FORWARD, True): "Carried forward to the next month, too little to be paid out",
}
DISPUTED_LABELS = {
    DISPUTE_ACCEPTED: "Dispute accepted: {line}",
    DISPUTED: "Disputed, left out until it is decided: {line}",
}
KIND_LABELS = {
    FUNDING: "points issued",
    REDEMPTION: "points recovered",
    BILATERAL: "points recovered",
    MARGIN: "head office's share",
    BORNE: "points borne",
    FEE: "fee",
    TAX: "tax",
    ADJUSTMENT: "adjustment",
    OPENING_BALANCE: "opening balance",
}


def write_statement_pdf(statement: StatementDocument, path: Path, language: Language) -> None:
    """Raises `Unavailable` when the file system refuses."""
    put_in_place(path, statement_pdf(statement, language))


def statement_pdf(statement: StatementDocument, language: Language) -> bytes:
    """The same statement gives the same bytes."""
    heading, line, say = statement.heading, statement.line, language.say
    month = language.month(heading.month)
    paper = Paper(
        footer=f"{month} · {line.store_code} {line.store_name} · {heading.network_name}",
        page_of=say("Page {number} of {count}"),
        title=f"{say('Settlement statement')} {month}, {line.store_code} {line.store_name}",
        author=heading.network_name,
        subject=f"{line.participant_name}, {month}",
    )
    paper.on_new_page = lambda: draw_running_head(paper, statement, language)
    mark_draft(paper, heading, language)
    draw_title(paper, heading.network_name, say("Monthly settlement statement"))
    draw_heading(paper, statement, language)
    draw_amount(paper, statement, language)
    draw_money(paper, statement, language)
    draw_points_and_seal(paper, statement, language)
    draw_days(paper, statement, language)
    draw_counter_stores(paper, statement, language)
    return paper.finish()


def mark_draft(paper: Paper, heading: MonthHeading, language: Language) -> None:
    if not heading.is_final:
        paper.watermark(language.say("REJECTED" if heading.state == REJECTED else "DRAFT"))


def draw_running_head(paper: Paper, statement: StatementDocument, language: Language) -> None:
    """On every page but the first."""
    mark_draft(paper, statement.heading, language)
    paper.write_right(RIGHT, paper.y, version_text(statement.heading, language), REGULAR, SMALL_SIZE, GREY)
    paper.y -= 8


def draw_title(paper: Paper, network_name: str, kind: str) -> None:
    top = paper.y
    paper.y += 13
    paper.paragraph(network_name, BOLD, 10, ACCENT, WIDTH - width_of(kind, REGULAR, 10) - 20, leading=13)
    paper.write_right(RIGHT, top, kind, REGULAR, 10, GREY)
    paper.y -= 6
    paper.line(LEFT, paper.y, RIGHT, 0.8, ACCENT)


def draw_heading(paper: Paper, statement: StatementDocument, language: Language) -> None:
    heading, line, say = statement.heading, statement.line, language.say
    paper.y -= 8
    paper.paragraph(f"{line.store_code} · {line.store_name}", BOLD, 15, leading=18)
    paper.y -= 4
    draw_facts(
        paper,
        [
            (say("Participant"), line.participant_name, 0.46),
            (say("Month"), language.month(heading.month), 0.20),
            (say("State"), version_text(heading, language), 0.34),
        ],
    )
    draw_facts(
        paper,
        [
            (say("Points closed at"), language.moment(heading.closed_at, heading.time_zone), 0.46),
            (say("Currency"), heading.currency, 0.20),
            (say("Stores may dispute it until"), language.day(statement.calendar.dispute_until), 0.34),
        ],
    )
    paper.y -= 10


def draw_facts(paper: Paper, facts: Sequence[tuple[str, str, float]]) -> None:
    """(name, value, share of the width) side by side, each value below its name."""
    top, lowest, left = paper.y, paper.y, LEFT
    for name, value, share in facts:
        paper.y = top - 12
        paper.write(left, paper.y, name, REGULAR, SMALL_SIZE, GREY)
        paper.paragraph(value, width=WIDTH * share - 10, x=left)
        lowest, left = min(lowest, paper.y), left + WIDTH * share
    paper.y = lowest


def version_text(heading: MonthHeading, language: Language) -> str:
    """Of one that is approved the same for ever, whatever becomes of its payments."""
    text = "Version {version}, approved" if heading.is_final else "Version {version}, draft"
    if heading.state == REJECTED:
        text = "Version {version}, rejected: it does not count"
    return language.say(text, version=heading.version)


def draw_amount(paper: Paper, statement: StatementDocument, language: Language) -> None:
    position, heading, say = statement.line.position, statement.heading, language.say
    amount = language.amount(abs(position.net), heading.currency)
    due_on = {REMIT: statement.calendar.collect_on, RECEIVE: statement.calendar.pay_on}.get(position.direction)
    draw_band(
        paper,
        say(HEADLINES[position.direction]),
        amount,
        "" if due_on is None else say("due on {day}", day=language.day(due_on)),
    )
    if heading.is_draft:
        until = language.day(statement.calendar.dispute_until)
        note = say("Draft: until it is approved it may still change. Dispute what is wrong by {day}.", day=until)
        paper.y -= 4
        paper.paragraph(note, size=SMALL_SIZE, color=WARNING)


def draw_band(paper: Paper, words: str, amount: str, remark: str) -> None:
    """The figure that the page is about, in large type."""
    size = fitting_size(f"{words}   {amount}", BOLD, LARGE_SIZE, WIDTH - 28)
    paper.y -= BAND_HEIGHT
    paper.box(LEFT, paper.y, WIDTH, BAND_HEIGHT, BAND)
    paper.box(LEFT, paper.y, 3, BAND_HEIGHT, ACCENT)
    baseline = paper.y + (BAND_HEIGHT - 0.7 * size) / 2 + (5 if remark else 0)
    paper.write(LEFT + 12, baseline, words, BOLD, size)
    paper.write_right(RIGHT - 10, baseline, amount, BOLD, size)
    if remark:
        paper.write_right(RIGHT - 10, baseline - 14, remark, REGULAR, TEXT_SIZE, GREY)


def draw_money(paper: Paper, statement: StatementDocument, language: Language) -> None:
    """Quantity x rate = exact, rounded to the amount; the amounts add up to the net, to the cent."""
    position, currency, say = statement.line.position, statement.heading.currency, language.say
    rows = money_rows(statement.lines, statement.store_id)
    columns = [
        Column("", WIDTH * 0.44, is_number=False),
        Column(say("Quantity"), WIDTH * 0.14),
        Column(say("Rate"), WIDTH * 0.12),
        Column(say("Exact"), WIDTH * 0.15),
        Column(say("Amount"), WIDTH * 0.15),
    ]
    net_label = say(NET_LABELS.get(position.direction, "Net"))
    total = [net_label, "", "", "", language.money(position.net, currency)]
    paper.y -= 4
    paper.section(say("How the amount comes about, in {currency}", currency=currency))
    paper.table(columns, [money_cells(row, rows, statement, language) for row in rows], [total])
    if any(row.amount != row.exact for row in rows):
        smallest = language.money(1, currency)
        note = say("Each amount is rounded to {smallest}, half to even.", smallest=smallest) + " "
    else:
        note = ""
    paper.y -= 2
    note += say("What the store receives has a minus, so that the column adds up to the net amount.")
    paper.paragraph(note, size=SMALL_SIZE, color=GREY)


def money_cells(
    row: MoneyRow, rows: Iterable[MoneyRow], statement: StatementDocument, language: Language
) -> list[str]:
    currency = statement.heading.currency
    basis = statement.names.fee_bases.get(row.reference) if row.reference else None
    is_volume = row.kind == FEE and basis == VOLUME
    if row.quantity is None:
        quantity = ""
    else:
        quantity = language.money(row.quantity, currency) if is_volume else language.number(row.quantity)
    if row.rate is None:
        rate = ""
    else:
        rate = language.percent(row.rate) if is_volume or row.kind == TAX else language.rate(row.rate, currency)
    return [
        money_label(row, rows, statement, language),
        quantity,
        rate,
        language.exact_money(row.exact, currency) if rate or row.kind == MARGIN else "",
        language.money(row.amount, currency),
    ]


def money_label(row: MoneyRow, rows: Iterable[MoneyRow], statement: StatementDocument, language: Language) -> str:
    say = language.say
    if row.kind in (FEE, TAX):
        return say("Fee {code}" if row.kind == FEE else "Tax on fee {code}", code=row.note)
    if row.kind == ADJUSTMENT:
        return say("Adjustment, of {month}: {note}", month=language.month(row.origin_month), note=row.note)
    if row.kind in DISPUTED_LABELS:
        return say(DISPUTED_LABELS[row.kind], line=say(KIND_LABELS[row.note]))
    label = say(MONEY_LABELS[row.kind, row.is_payer])
    if row.kind == FUNDING and statement.line.position.borne:
        label = say("Points issued here, and borne")
    begins = statement.names.rate_begins.get(row.reference) if row.reference else None
    if begins and sum(other.kind == row.kind and other.is_payer == row.is_payer for other in rows) > 1:
        label = say("{label}, from {day}", label=label, day=language.day(begins))
    return label


def draw_points_and_seal(paper: Paper, statement: StatementDocument, language: Language) -> None:
    own, here = own_points_rows(statement, language), recovered_rows(statement, language)
    height = 2 * 30 + ROW_HEIGHT * (len(own) + len(here)) + 8
    paper.y -= 6
    paper.need(max(height, CODE_SIZE + 90))
    top = paper.y
    columns = [
        Column("", POINTS_WIDTH - POINTS_NUMBER_WIDTH, is_number=False),
        Column("", POINTS_NUMBER_WIDTH),
    ]
    paper.section(language.say("Points issued by this store"))
    paper.table(columns, own[:-1], own[-1:])
    paper.section(language.say("Points recovered in this store"))
    paper.table(columns, here[:-1], here[-1:])
    lowest, paper.y = paper.y, top
    draw_seal(paper, statement, language)
    paper.y = min(lowest, paper.y)


def own_points_rows(statement: StatementDocument, language: Language) -> list[list[str]]:
    position = statement.line.position
    rows = [
        ("Opening, outstanding", statement.opening_outstanding, False),
        ("Issued", position.issued + statement.issued_reversed, True),
        ("Taken back by returns", -statement.issued_reversed, True),
        ("Borne", position.borne, True),
        ("Recovered in any store", -statement.own_points_recovered, True),
        ("Expired", -position.expired, True),
        ("Closing, outstanding", statement.closing_outstanding, False),
    ]
    return point_rows(rows, {"Taken back by returns", "Borne"}, language)


def recovered_rows(statement: StatementDocument, language: Language) -> list[list[str]]:
    recovered = statement.line.position.recovered
    rows = [
        ("Redeemed here", recovered + statement.recovered_reversed, False),
        ("Given back by reversals", -statement.recovered_reversed, True),
        ("Recovered here", recovered, False),
    ]
    return point_rows(rows, {"Given back by reversals"}, language)


def point_rows(rows: Iterable[tuple[str, int, bool]], only_if_any: set[str], language: Language) -> list[list[str]]:
    """Of (name, points, whether with its sign)."""
    return [
        [language.say(name), language.signed(points) if has_sign else language.number(points)]
        for name, points, has_sign in rows
        if points or name not in only_if_any
    ]


def draw_seal(paper: Paper, statement: StatementDocument, language: Language) -> None:
    """The code that leads to the verification page, and what that page shows."""
    heading, say = statement.heading, language.say
    width = RIGHT - SEAL_LEFT
    paper.section(say("Verification"), SEAL_LEFT)
    url = statement.verification_url
    paper.code(SEAL_LEFT - 6, paper.y - CODE_SIZE, CODE_SIZE, code_of(url), url)
    top, beside = paper.y, SEAL_LEFT + CODE_SIZE
    paper.y -= 4
    paper.paragraph(
        say("Scan the code to see whether head office published this amount."),
        size=SMALL_SIZE,
        color=GREY,
        width=RIGHT - beside,
        x=beside,
    )
    paper.y = top - CODE_SIZE
    draw_hash(paper, say("SHA-256 of all lines of this version"), statement.content_hash, width)
    if heading.merkle_root is not None:
        draw_hash(paper, say("Merkle root of the month's transfers"), heading.merkle_root, width)


def draw_hash(paper: Paper, name: str, value: bytes, width: float) -> None:
    """32 bytes in hexadecimal, on two lines."""
    paper.y -= 1
    paper.paragraph(name, size=SMALL_SIZE, color=GREY, width=width, x=SEAL_LEFT)
    text = value.hex()
    for half in (text[:32], text[32:]):
        paper.paragraph(half, size=SMALL_SIZE, width=width, x=SEAL_LEFT)


def code_of(url: str) -> Sequence[Sequence[int]]:
    """The mask is fixed: to try all eight takes as long as the rest of the statement, and any can be read."""
    code = segno.make_qr(url, error="m", mode="byte", mask=3, boost_error=False)
    return tuple(bytes(row) for row in code.matrix_iter(border=2))
