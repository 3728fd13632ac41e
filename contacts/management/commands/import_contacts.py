"""``manage.py import_contacts``: companies and persons from a CSV or XLSX file."""

from typing import Any

from contacts.importing import ContactImporter, plan_from_header, plan_from_mapping
from crm.imports import ImportCommand
from crm.tables import MEGABYTE


class Command(ImportCommand):
    help = (
        "Import companies and persons from a CSV or XLSX file. Without a mapping the columns are called as the "
        "fields are (name, kind, company, email …). Who is there already is left alone, so a file can be imported "
        "again. docs/import.md explains mappings."
    )
    examples = """
examples:
  manage.py import_contacts contacts.xlsx --dry-run
  manage.py import_contacts contacts.csv --by manager@example.com
  manage.py import_contacts accounts.csv --mapping examples/maven-accounts.toml

exit status: 0 all in, 1 some rows rejected (they are in the rejects file), 2 could not run
"""

    def importer(self, **options: Any) -> ContactImporter:
        largest = options["max_megabytes"] * MEGABYTE
        if options["mapping"]:
            plan, table = plan_from_mapping(options["mapping"], options["file"], largest)
        else:
            plan, table = plan_from_header(options["file"], largest)
        return ContactImporter(table, plan, by=options["by"], dry_run=options["dry_run"])
