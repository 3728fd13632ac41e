"""What the menu counts; a tag, so that only pages with the menu ask for it."""

from django import template

from opportunities.due import MOST_COUNTED, number_due
from salespeople.models import User

register = template.Library()


@register.simple_tag
def tasks_due(user: User) -> str:
    """How many tasks the reader has to do today, “99+” when there are more; nothing for none. Runs a query."""
    number = number_due(user)
    if number > MOST_COUNTED:
        return f"{MOST_COUNTED}+"
    return str(number or "")
