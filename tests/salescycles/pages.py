"""What a browser would send for the page of a cycle."""

from django.urls import reverse


def form_data(client, cycle, *, rows=0, **changes):
    """The table of stages as the page shows it, with ``rows`` blank ones more and some fields typed over.

    ``{"0-position": "5"}`` types in a row; a box is ticked with ``on`` and cleared with None. Other names
    are fields beside the table.
    """
    response = client.get(reverse("salescycles:detail", args=[cycle.pk]))
    return filled_in(response, rows=rows, **changes)


def filled_in(response, *, rows=0, **changes):
    """What the form of an answer would send, typed over as ``form_data`` says."""
    formset = response.context["formset"]
    forms = list(formset.forms)
    data = {"seen": response.context["seen"], "value": "10000"}
    for index, form in enumerate([*forms, *[formset.empty_form] * rows]):
        for field in form:
            value = field.value()
            if value is not None and value is not False and value != "":
                data[f"stages-{index}-{field.name}"] = "on" if value is True else str(value)
    data["stages-TOTAL_FORMS"] = str(len(forms) + rows)
    data["stages-INITIAL_FORMS"] = str(formset.initial_form_count())
    for name, value in changes.items():
        key = f"stages-{name}" if name[0].isdecimal() else name
        if value is None:
            data.pop(key, None)
        else:
            data[key] = value
    return data
