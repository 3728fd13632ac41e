"""Files that came with an interaction or an e-mail, handed out as downloads and as nothing else."""

import logging

from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from activities.attachments import clean_name
from activities.models import Attachment, Email
from crm.access import readers_only
from crm.http import CrmRequest
from opportunities.access import seen_interactions
from salespeople.models import User

logger = logging.getLogger(__name__)
# Whatever a file says it is, no browser opens it here: not as a page of this site, and not as anything else.
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


@require_GET
@readers_only
def attachment(request: CrmRequest, pk: int) -> HttpResponseBase:
    """One file: for those who see what it came with; of an e-mail that waits, for those who may place it."""
    asked = get_object_or_404(Attachment, pk=pk)
    if not _is_seen(request.user, asked):
        raise Http404
    try:
        content = asked.file.open()
    except FileNotFoundError:
        logger.warning("The file of attachment %d is not there: %s", asked.pk, asked.file.name)
        return _not_there(request, asked)
    return FileResponse(
        content,
        as_attachment=True,
        filename=clean_name(asked.name),
        content_type="application/octet-stream",
        headers=HEADERS,
    )


def _is_seen(user: User, asked: Attachment) -> bool:
    """Whether the user sees the interaction, or may place the e-mail, that it came with."""
    if asked.interaction_id is not None:
        return seen_interactions(user).filter(pk=asked.interaction_id).exists()
    return Email.objects.visible_to(user).filter(pk=asked.email_id or 0).exists()


def _not_there(request: CrmRequest, asked: Attachment) -> HttpResponse:
    return render(request, "opportunities/file_missing.html", {"attachment": asked}, status=404)
