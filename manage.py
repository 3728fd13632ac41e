#!/usr/bin/env python
"""Kansen's command line: ``.venv/bin/python manage.py help`` lists the commands."""

import os
import sys

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
except ModuleNotFoundError as error:
    sys.exit(f"{error}. Run “make sync”, then “.venv/bin/python manage.py …”.")

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}. README.md lists the settings; “make run” writes var/env with a key of its own.")
