"""What was said, done and is to do with a contact follows it when two contacts become one."""

from django.utils.translation import ngettext

from activities.models import Interaction, Task
from activities.operations import follow_contact
from contacts.models import Contact
from contacts.operations import Count, in_batches
from salespeople.models import User


class TasksFollow:
    """Tasks that name a contact. Whoever writes one locks its contact first, so there is nothing to hold."""

    key = "tasks"

    def counts(self, contact: Contact) -> list[Count]:
        """How many name the contact."""
        return [_tasks(Task.objects.filter(contact=contact).count())]

    def is_hidden(self, contact: Contact, user: User) -> bool:
        """Whether a task with the contact is out of the user's sight."""
        if user.sees_everything():
            return False
        tasks = Task.objects.filter(contact=contact)
        return tasks.exclude(pk__in=tasks.visible_to(user).values("pk")).exists()

    def hold(self, contact: Contact) -> None:
        """Nothing."""

    def move(self, merged: Contact, kept: Contact, by: User) -> list[int]:
        """They name the kept contact; returns their keys."""
        keys = list(Task.objects.filter(contact=merged).order_by("pk").values_list("pk", flat=True))
        for batch in in_batches(keys):
            follow_contact(batch, old=merged, new=kept)
        return keys

    def counts_back(self, record: list[int], merged: Contact, kept: Contact) -> list[Count]:
        """How many of those still name the kept contact."""
        numbers = (Task.objects.filter(pk__in=keys, contact=kept).count() for keys in in_batches(record))
        return [_tasks(sum(numbers))]

    def move_back(self, record: list[int], merged: Contact, kept: Contact, by: User) -> list[str]:
        """They name the other one again."""
        for batch in in_batches(record):
            follow_contact(batch, old=kept, new=merged)
        return []


def _tasks(number: int) -> Count:
    return Count(number, ngettext("%(n)d task", "%(n)d tasks", number) % {"n": number}, "")


class InteractionsFollow:
    """Interactions that name a contact."""

    key = "interactions"

    def counts(self, contact: Contact) -> list[Count]:
        """How many name the contact."""
        return [_count(Interaction.objects.filter(contact=contact).count(), contact.get_absolute_url())]

    def is_hidden(self, contact: Contact, user: User) -> bool:
        """Never by itself: what is said is seen with the contact or the opportunity it is about."""
        return False

    def hold(self, contact: Contact) -> None:
        """Lock them."""
        rows = Interaction.objects.filter(contact=contact).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk", flat=True))

    def move(self, merged: Contact, kept: Contact, by: User) -> list[int]:
        """They name the kept contact; returns their keys."""
        keys = list(Interaction.objects.filter(contact=merged).order_by("pk").values_list("pk", flat=True))
        Interaction.objects.filter(contact=merged).update(contact=kept)
        return keys

    def counts_back(self, record: list[int], merged: Contact, kept: Contact) -> list[Count]:
        """How many of those still name the kept contact."""
        return [
            _count(
                sum(
                    Interaction.objects.filter(pk__in=keys, contact=kept).count()
                    for keys in in_batches(record)
                )
            )
        ]

    def move_back(self, record: list[int], merged: Contact, kept: Contact, by: User) -> list[str]:
        """They name the other one again."""
        for keys in in_batches(record):
            Interaction.objects.filter(pk__in=keys, contact=kept).update(contact=merged)
        return []


def _count(number: int, url: str = "") -> Count:
    return Count(number, ngettext("%(n)d interaction", "%(n)d interactions", number) % {"n": number}, url)
