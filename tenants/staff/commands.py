"""What every command shares that a person's name stands under."""

from __future__ import annotations

import click

# Give it to `tenants.staff.service.act_as` with the roles of which the command needs one.
actor_option = click.option(
    "--as", "actor_code", metavar="CODE", required=True, help="Code of the person who does it (`staff list`)."
)
