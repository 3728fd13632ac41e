"""Who may use a view, by role. Whether one may touch this row is a question for its queryset."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from crm.http import CrmRequest

if TYPE_CHECKING:
    from salespeople.models import User

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer", bound=HttpResponseBase)
View = Callable[Concatenate[CrmRequest, Arguments], Answer]


def readers_only(view: View[Arguments, Answer]) -> View[Arguments, Answer]:
    """For everybody who has a role; others are told to ask for one."""
    return _only(lambda user: user.may_read(), view)


def sellers_only(view: View[Arguments, Answer]) -> View[Arguments, Answer]:
    """For salespeople and sales managers."""
    return _only(lambda user: user.may_sell(), view)


def managers_only(view: View[Arguments, Answer]) -> View[Arguments, Answer]:
    """For sales managers."""
    return _only(lambda user: user.is_manager(), view)


def attempted_address(request: HttpRequest, credentials: Mapping[str, str] | None) -> str:
    """Under which name django-axes counts an attempt to sign in: addresses are the same in any case."""
    return str((credentials or request.POST).get("username") or "").strip().lower()[:255]


def _only(may: "Callable[[User], bool]", view: View[Arguments, Answer]) -> View[Arguments, Answer]:
    @wraps(view)
    def checked(request: CrmRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        if not may(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked
