"""Has squawk look at what the revisions since the last release would do to tables in use. Run by `make lint`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from migrations.online import LAST_RELEASED

MIGRATIONS = Path(__file__).parent


def sql_since(revision: str, migrations: Path = MIGRATIONS) -> str:
    """Of all revisions after it, as `upgrade` would run it."""
    config = Config(migrations / "alembic.ini", output_buffer=(told := io.StringIO()))
    config.set_main_option("script_location", str(migrations))
    command.upgrade(config, f"{revision}:head", sql=True)
    return told.getvalue()


def lint(sql: str) -> int:
    """The exit status of squawk, which prints what it finds."""
    squawk = Path(sys.executable).with_name("squawk")
    told = subprocess.run([squawk, "--config", MIGRATIONS / "squawk.toml"], input=sql, text=True, check=False)
    return told.returncode


def main() -> int:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if ScriptDirectory.from_config(config).get_current_head() == LAST_RELEASED:
        print("No revision is newer than the last release.")
        return 0
    return lint(sql_since(LAST_RELEASED))


if __name__ == "__main__":
    sys.exit(main())
