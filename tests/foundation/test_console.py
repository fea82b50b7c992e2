from __future__ import annotations

import pytest

from tenants.foundation.console import print_rows


@pytest.mark.parametrize(("title", "told"), [(None, "(none)"), ("Largest receivers", "Largest receivers: none")])
def test_a_table_without_rows_says_what_there_is_none_of(
    title: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rows([], False, title)

    assert capsys.readouterr().out == f"{told}\n"
