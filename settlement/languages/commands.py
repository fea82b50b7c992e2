from __future__ import annotations

import click

from settlement.languages.rules import ENGLISH, LANGUAGES

language_option = click.option(
    "--language", type=click.Choice(list(LANGUAGES)), default=ENGLISH, show_default=True, help="Of texts and numbers."
)
