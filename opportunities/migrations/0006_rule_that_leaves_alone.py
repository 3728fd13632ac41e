from django.db import migrations, models
from django.db.models import Q

RULES = [
    ("NO_RIGHT", "Not yours to change"),
    ("CLOSED", "Won or lost already"),
    ("NOT_STARTED", "Not started yet"),
    ("SO_ALREADY", "Already as asked"),
    ("OTHER_CYCLE", "In another sales cycle"),
    ("STAGE", "The stage cannot be reached from where it is"),
    ("QUOTE", "A quote is missing"),
    ("CHANGED", "Changed meanwhile"),
    ("DATE", "The date does not fit"),
    ("OTHER", "Another rule"),
]


class Migration(migrations.Migration):
    """What kind of rule leaves an opportunity in a batch alone, so that refusals can be counted."""

    dependencies = [("opportunities", "0005_what_needs_somebody")]

    operations = [
        migrations.AddField(
            "batchitem",
            "rule",
            models.CharField(blank=True, choices=RULES, max_length=11, verbose_name="rule", default=""),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "batchitem",
            models.CheckConstraint(
                condition=Q(rule__in=["", *(value for value, _label in RULES)]),
                name="batch_item_rule_known",
                violation_error_message="This is not a rule that leaves an item alone.",
            ),
        ),
    ]
