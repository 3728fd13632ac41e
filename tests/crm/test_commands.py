"""The help of the commands is for people."""

import pytest
from django.core.management import load_command_class

COMMANDS = {
    "demo": "opportunities",
    "export_opportunities": "opportunities",
    "delete_opportunities": "opportunities",
    "verify_ledger": "opportunities",
    "create_salesperson": "salespeople",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_ends_with_examples(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    command = load_command_class(COMMANDS[name], name)
    text = command.create_parser("manage.py", name).format_help()
    options, _heading, examples = text.partition("\nexamples:\n")
    assert f"  manage.py {name}" in examples
    assert "exit status: 0" in examples
    assert "--pythonpath" not in options  # Django's own options are known to those who need them
    assert "--verbosity" in options
    assert max(len(line) for line in text.splitlines()) <= 120
