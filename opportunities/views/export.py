"""What the list shows, as a file: first how much it is and what is in it, then the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from django.http import FileResponse, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods

from crm.access import readers_only
from crm.dates import today
from crm.forms import is_key
from crm.http import CrmRequest, dialog
from crm.tables import CsvWriter, TableError, write_table
from opportunities import exporting
from opportunities.forms.filters import Chip, OpportunityFilter, kept
from opportunities.models import Opportunity, OpportunityQuerySet

TEMPLATE = "opportunities/opportunity_export.html"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_CHOSEN = 300  # their keys have to fit into an address
MOST_IN_A_WORKBOOK = 10_000  # a workbook is written whole before any of it is sent
A_PIECE = 64 * 1024  # of CSV, in characters


@dataclass(frozen=True)
class Selection:
    """Which opportunities are to be written, how the page says so, and why it cannot be done."""

    rows: OpportunityQuerySet
    query: str = ""
    chips: list[Chip] = field(default_factory=list)
    is_chosen: bool = False
    problem: str = ""


@require_http_methods(["GET", "POST"])
@readers_only
def export_opportunities(request: CrmRequest) -> HttpResponse:
    """How many there are and what is told of each. A list posts what was chosen on it, and is sent to its address."""
    if request.method == "POST":
        return _from_list(request)
    selection = _selection(request)
    return _draw(request, selection, status=422 if selection.problem else 200)


@require_GET
@readers_only
def export_csv(request: CrmRequest) -> HttpResponseBase:
    """The file as CSV, sent while it is written."""
    selection = _selection(request)
    if selection.problem:
        return _draw(request, selection, status=422)
    response = StreamingHttpResponse(_pieces(selection.rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_name("csv")}"'
    return response


@require_GET
@readers_only
def export_xlsx(request: CrmRequest) -> HttpResponseBase:
    """The file as a workbook, unless there are too many rows for one."""
    selection = _selection(request)
    if selection.problem or exporting.count(selection.rows, entries=False) > MOST_IN_A_WORKBOOK:
        return _draw(request, selection, status=422)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "opportunities.xlsx"
        try:
            with write_table(path, exporting.headings(entries=False), title=_("Opportunities")) as table:
                for values in exporting.export_rows(selection.rows, entries=False):
                    table.write(values)
        except TableError as error:
            return _draw(request, selection, problem=str(error), status=422)
        file = path.open("rb")  # stays readable when the folder is gone, until it has been sent
    return FileResponse(file, as_attachment=True, filename=_name("xlsx"), content_type=XLSX)


def _from_list(request: CrmRequest) -> HttpResponse:
    """Go to the address that asks for what was chosen: some rows, unless they are too many, or all that match."""
    chosen = request.POST.getlist("chosen")
    query = kept(QueryDict(request.POST.get("query", "")))
    if chosen and "all" not in request.POST:
        if len(chosen) > MOST_CHOSEN:
            return _draw(request, _too_many(len(chosen), query), status=422)
        query = _query_of(chosen)
    return redirect(f"{reverse('opportunities:export')}?{query}")


def _query_of(keys: list[str]) -> str:
    return urlencode({"chosen": ",".join(keys)}, safe=",")


def _too_many(count: int, query: str = "") -> Selection:
    problem = _("%(n)d are chosen, and at most %(most)d can be exported that way.") % {
        "n": count,
        "most": MOST_CHOSEN,
    }
    way_out = _("Choose fewer, or narrow the filter and export all that the list shows.")
    return Selection(Opportunity.objects.none(), query, problem=f"{problem} {way_out}")


def _selection(request: CrmRequest) -> Selection:
    """What the address asks for: the rows it names, or all that fit its filter."""
    seen = Opportunity.objects.visible_to(request.user)
    if "chosen" in request.GET:
        keys = [key for value in request.GET.getlist("chosen") for key in value.split(",")]
        if len(keys) > MOST_CHOSEN:
            return _too_many(len(keys))
        if not all(is_key(key) for key in keys):
            return Selection(
                seen.none(), problem=_("The address names no opportunities. Choose some on the list.")
            )
        return Selection(seen.filter(pk__in=[int(key) for key in keys]), _query_of(keys), is_chosen=True)
    asked = OpportunityFilter(request.GET, seen, request=request)
    if not asked.form.is_valid():
        problem = _("What the list is asked makes no sense as it is. Mend the filter first, then export.")
        return Selection(asked.rows, asked.query_string, problem=problem)
    return Selection(asked.rows, asked.query_string, asked.chips)


def _draw(request: CrmRequest, selection: Selection, *, status: int = 200, problem: str = "") -> HttpResponse:
    count = exporting.count(selection.rows, entries=False)
    if not problem and not selection.problem and not count:
        problem = _("There is nothing to write: no opportunity fits, or those chosen are not there any more.")
    context = {
        "title": ngettext("Export %(n)d opportunity", "Export %(n)d opportunities", count) % {"n": count},
        "selection": selection,
        "problem": problem or selection.problem,
        "count": count,
        "headings": exporting.headings(entries=False),
        "fits_a_workbook": count <= MOST_IN_A_WORKBOOK,
        "most": MOST_IN_A_WORKBOOK,
        "list_url": reverse("opportunities:list"),
    }
    return dialog(request, TEMPLATE, context, status=status)


def _pieces(rows: OpportunityQuerySet) -> Iterator[str]:
    """The file piece by piece; it begins with the mark by which spreadsheets know UTF-8."""
    buffer = StringIO("\N{ZERO WIDTH NO-BREAK SPACE}")
    buffer.seek(0, 2)
    table = CsvWriter(buffer, exporting.headings(entries=False))
    for values in exporting.export_rows(rows, entries=False):
        table.write(values)
        if buffer.tell() > A_PIECE:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _name(ending: str) -> str:
    return f"opportunities-{today():%Y-%m-%d}.{ending}"
