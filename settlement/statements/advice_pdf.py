"""A remittance advice on one page of A4: who pays whom how much by when, and what to write on the payment."""

from __future__ import annotations

from pathlib import Path

from settlement.languages.headlines import HEADLINES
from settlement.languages.rules import Language
from settlement.legs.rules import end_to_end_id
from settlement.proposals.rules import direction_of
from settlement.statements.documents import AdviceDocument
from settlement.statements.paper import GREY, RIGHT, SMALL_SIZE, WIDTH, Column, Paper
from settlement.statements.pdf import NET_LABELS, code_of, draw_band, draw_facts, draw_title
from tenants.foundation.files import put_in_place
from tenants.foundation.pdf_text import BOLD

CODE_SIZE = 100.0


def write_advice_pdf(advice: AdviceDocument, path: Path, language: Language) -> None:
    """Raises `Unavailable` when the file system refuses."""
    put_in_place(path, advice_pdf(advice, language))


def advice_pdf(advice: AdviceDocument, language: Language) -> bytes:
    """The same advice gives the same bytes."""
    heading, line, say = advice.heading, advice.line, language.say
    month = language.month(heading.month)
    paper = Paper(
        footer=f"{month} · {line.store_code} {line.store_name} · {heading.network_name}",
        page_of=say("Page {number} of {count}"),
        title=f"{say('Remittance advice')} {month}, {line.store_code} {line.store_name}",
        author=heading.network_name,
        subject=f"{line.participant_name}, {month}",
    )
    draw_title(paper, heading.network_name, say("Remittance advice"))
    paper.y -= 8
    paper.paragraph(f"{line.store_code} · {line.store_name}", BOLD, 15, leading=18)
    paper.y -= 10
    draw_band(
        paper,
        say("Head office collects" if advice.mandate else HEADLINES[direction_of(advice.amount)]),
        language.amount(abs(advice.amount), heading.currency),
        say("due on {day}", day=language.day(advice.due_on)),
    )
    paper.y -= 8
    draw_payment(paper, advice, language)
    draw_reasons(paper, advice, language)
    return paper.finish()


def draw_payment(paper: Paper, advice: AdviceDocument, language: Language) -> None:
    heading, line, say = advice.heading, advice.line, language.say
    head_office = f"{say('Head office')}, {heading.network_name}"
    payer, payee = line.participant_name, head_office
    if advice.amount < 0:
        payer, payee = payee, payer
    draw_facts(paper, [(say("From"), payer, 0.5), (say("To"), payee, 0.5)])
    paper.y -= 6
    draw_facts(
        paper,
        [
            (say("Due on"), language.day(advice.due_on), 0.5),
            (say("Month"), f"{language.month(heading.month)} · {line.store_code}", 0.5),
        ],
    )
    paper.y -= 6
    facts = [(say("Reference"), end_to_end_id(advice.leg_id), 0.5)]
    if advice.bank_account is not None:
        facts.append((say("From the account" if advice.mandate else "Into the account"), advice.bank_account, 0.5))
    draw_facts(paper, facts)
    paper.y -= 8
    note = say("Name this reference in the payment, so that it is booked without a question.")
    if advice.mandate:
        note = say("By direct debit under the mandate {mandate}: nothing has to be paid.", mandate=advice.mandate)
    paper.paragraph(note, size=SMALL_SIZE, color=GREY)


def draw_reasons(paper: Paper, advice: AdviceDocument, language: Language) -> None:
    """The sums of the statement, and the code of its verification page beside them."""
    position, heading, say = advice.line.position, advice.heading, language.say
    amounts = {
        "Opening balance": position.opening,
        "For points": position.to_pay - position.to_receive,
        "Fees": position.fees,
        "Tax": position.tax,
        "Adjustments": position.adjustments,
        "Disputed": position.disputed,
        "Carried forward": position.carried_forward,
    }
    rows = [[say(name), language.money(amount, heading.currency)] for name, amount in amounts.items() if amount]
    label = NET_LABELS[direction_of(advice.amount)]
    columns = [Column("", WIDTH * 0.4, is_number=False), Column("", WIDTH * 0.2)]
    paper.y -= 10
    paper.section(say("Why this amount"))
    top = paper.y
    paper.table(columns, rows, [[say(label), language.money(advice.amount, heading.currency)]])
    paper.y -= 2
    told = say(
        "The store's statement of {month} says how the amount comes about.", month=language.month(heading.month)
    )
    paper.paragraph(told, size=SMALL_SIZE, color=GREY, width=WIDTH * 0.6)
    url = advice.verification_url
    paper.code(RIGHT - CODE_SIZE, top - CODE_SIZE, CODE_SIZE, code_of(url), url)
