"""What docs/operations.md tells to type exists, and the codes that it explains are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from cli import clearinghouse

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text()
TYPED = [words.split() for words in re.findall(r"(?:^ *|`|bin/)clearinghouse ([a-z][^`\n#;|]*)", PAGE, re.MULTILINE)]


def command_of(words: list[str]) -> click.Command:
    """The command that the words begin with."""
    context = click.Context(clearinghouse)
    command: click.Command = clearinghouse
    for word in words:
        if not isinstance(command, click.Group) or (found := command.get_command(context, word)) is None:
            return command
        command = found
    return command


def test_commands_were_found() -> None:
    assert len(TYPED) > 30


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_every_command_of_the_page_exists_with_its_options(words: list[str]) -> None:
    command = command_of(words)

    assert command is not clearinghouse, words
    options = {name for parameter in command.params for name in parameter.opts}
    named = {word for word in words if re.fullmatch(r"--?[a-z-]+", word)}
    assert named <= options, words


def test_every_code_that_is_explained_is_one_of_the_program() -> None:
    codes = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    explained = {code for group in codes for code in re.findall(r"`([a-z_]+)`", group)}
    sources = "".join(path.read_text() for path in (ROOT / "clearinghouse").rglob("*.py"))

    assert len(explained) > 12
    assert {code for code in explained if f'"{code}"' not in sources} == set()


def test_every_metric_that_is_named_is_one_of_the_program() -> None:
    metrics = set(re.findall(r"`…([a-z_]+)", PAGE)) | set(re.findall(r" / …([a-z_]+)", PAGE))
    sources = "".join(
        path.read_text() for folder in ("settlement", "tenants") for path in (ROOT / folder).rglob("*.py")
    )

    assert len(metrics) > 10
    assert {name for name in metrics if f'{name.removesuffix("_count")}"' not in sources} == set()
