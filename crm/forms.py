"""Saving what was typed while others save too."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from crm.http import CrmRequest

Row = TypeVar("Row", bound=Model)
Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[CrmRequest, Arguments], HttpResponse]
LARGEST_KEY = 2**63 - 1  # that a row can have
LONGEST_KEY = 19  # digits of that


def is_key(text: str) -> bool:
    """Whether a text can be the primary key of a row."""
    return text.isdecimal() and len(text) <= LONGEST_KEY and int(text) <= LARGEST_KEY


class KeyedMultipleChoiceField(forms.ModelMultipleChoiceField[Any]):
    """Choices of which those that no row can have are refused, before the database is asked."""

    def clean(self, value: Any) -> Any:
        for key in value or ():
            if not is_key(str(key)):
                raise ValidationError(
                    self.error_messages["invalid_pk_value"], code="invalid_pk_value", params={"pk": key}
                )
        return super().clean(value)


SPACES_AND_SIGNS = re.compile(r"[\s'’€$£%]")  # \s knows the narrow and the unbroken space
IN_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:[.,][0-9]{3})+")


class TypedDecimalField(forms.DecimalField):
    """A number as people write it: 1000.50, 1000,50, 1,000.50, 1.000,50 or 1 000.

    What may be a thousand or one (1.000) is refused, since nobody but the person knows.
    """

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        """The number, or None. Raises ``ValidationError``."""
        return super().to_python(_as_a_machine_writes(value) if isinstance(value, str) else value)


def _as_a_machine_writes(text: str) -> str:
    """Digits with a point before the decimals; what makes no sense is left as it is, and refused later."""
    plain = SPACES_AND_SIGNS.sub("", text)
    marks = [letter for letter in plain if letter in ".,"]
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        return plain.replace(marks[0], "").replace(marks[-1], ".")
    if len(marks) > 1:
        return re.sub(r"[.,]", "", plain) if IN_THOUSANDS.fullmatch(plain) else plain
    if IN_THOUSANDS.fullmatch(plain) and not plain.startswith("0"):
        raise ValidationError(
            _("“%(text)s” may mean two numbers. Write %(large)s or %(small)s."),
            code="ambiguous",
            params={"text": text, "large": re.sub(r"[.,]", "", plain), "small": plain[:-1].replace(",", ".")},
        )
    return plain.replace(",", ".")


def in_one_transaction(view: View[Arguments]) -> View[Arguments]:
    """A view whose POST reads and writes in one transaction; reading alone takes none."""

    @wraps(view)
    def wrapped(request: CrmRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            return view(request, *args, **kwargs)

    return wrapped


def to_change(request: CrmRequest, rows: QuerySet[Row]) -> QuerySet[Row]:
    """``rows``, locked until the end of the transaction when they are about to be changed.

    So what somebody else writes at the same moment (a customer number, a deletion) is either read or waits.
    """
    return rows.select_for_update(of=("self",)) if request.method == "POST" else rows


def saved(form: forms.ModelForm[Any]) -> bool:
    """Save a valid form; what somebody else took or deleted at the same moment is said on the form."""
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:
        form.add_error(
            None,
            _("Somebody else changed something that this needs at the same moment. Look again, then save."),
        )
        return False
    return True
