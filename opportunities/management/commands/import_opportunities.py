"""``manage.py import_opportunities``: opportunities with their history from a CSV or XLSX file."""

from typing import Any

from crm.imports import ImportCommand
from crm.tables import MEGABYTE
from opportunities.importing.plan import read_plan
from opportunities.importing.run import OpportunityImporter


class Command(ImportCommand):
    help = (
        "Import opportunities with their history from a CSV or XLSX file: created, started, moved and closed on "
        "their real dates. A mapping says what the columns mean. An external id that is there already is left "
        "alone, so a file can be imported again, also after a run that was cut short. docs/import.md explains mappings."
    )
    examples = """
examples:
  manage.py import_opportunities sales_pipeline.csv --mapping examples/maven-crm.toml --dry-run
  manage.py import_opportunities pipeline.xlsx --mapping pipeline.toml --rejects to-mend.csv

exit status: 0 all in, 1 some rows rejected (they are in the rejects file), 2 could not run
"""
    mapping_is_required = True

    def importer(self, **options: Any) -> OpportunityImporter:
        largest = options["max_megabytes"] * MEGABYTE
        plan, table = read_plan(options["mapping"], options["file"], largest)
        return OpportunityImporter(table, plan, by=options["by"], dry_run=options["dry_run"])
