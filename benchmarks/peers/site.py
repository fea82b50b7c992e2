"""Django as both peers want it: a database of its own on the same server, connections that are kept."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.management import call_command
from sqlalchemy.engine import make_url


def start_django(database_url: str, *apps: str, **more: object) -> None:
    """Once a process. Models are had from `django.apps` afterwards: they can't be imported before."""
    url = make_url(database_url)
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.database,
                "USER": url.username,
                "HOST": url.query["host"],
                "PORT": url.query["port"],
                "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *apps],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SECRET_KEY="only for benchmarks",
        USE_TZ=True,
        **more,
    )
    django.setup()


def migrate() -> None:
    call_command("migrate", verbosity=0, interactive=False)
