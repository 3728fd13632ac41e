"""Make a salesperson and, if asked, the sign-in."""

import sys
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm import commands
from salespeople.models import Role, Salesperson, Team, User, group_of

ROLES = {"salesperson": Role.SALESPERSON, "manager": Role.SALES_MANAGER, "viewer": Role.VIEWER}


class Command(commands.Command):
    """``manage.py create_salesperson``"""

    help = "Make a salesperson and, with --sign-in, a user who signs in as this salesperson."
    examples = """
examples:
  manage.py create_salesperson JANE "Jane Doe" --team NORTH
  manage.py create_salesperson JANE "Jane Doe" --sign-in jane@example.com --role manager
  manage.py create_salesperson JANE "Jane Doe" --sign-in jane@example.com --password-stdin < password.txt

The password is asked for, or read from standard input; it is never given on the command line, where others
could read it.

exit status: 0 made, 1 refused, 2 wrong arguments
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", metavar="CODE", help="a short key, such as JANE")
        parser.add_argument("name", metavar="NAME", help='in full, such as "Jane Doe"')
        parser.add_argument("--email", default="", help="e-mail address (default: that of the sign-in)")
        parser.add_argument("--phone", default="", help="with country code, such as +32 3 227 12 34")
        parser.add_argument("--job-title", default="", metavar="TITLE")
        parser.add_argument("--team", metavar="CODE", help="the code of a team that is there")
        parser.add_argument("--sign-in", metavar="EMAIL", help="make a user who signs in with this address")
        parser.add_argument("--role", choices=list(ROLES), help="what the user may do (default: salesperson)")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["sign_in"] and (options["role"] or options["password_stdin"]):
            raise CommandError(
                _("--role and --password-stdin belong to a sign-in. Give --sign-in EMAIL too.")
            )
        salesperson = Salesperson(
            code=options["code"],
            name=" ".join(options["name"].split()),
            email=options["email"] or options["sign_in"] or "",
            phone=options["phone"],
            job_title=options["job_title"],
            team=_team(options["team"]),
        )
        _check(salesperson)
        user = None
        if options["sign_in"]:
            user = User(email=options["sign_in"].strip().lower(), name=salesperson.name)
            _check(user, exclude=["password"])
            user.set_password(_password(user, from_stdin=options["password_stdin"]))
        try:
            _make(salesperson, user, ROLES[options["role"] or "salesperson"])
        except IntegrityError as error:
            raise CommandError(_("Somebody made the same one at this moment. Try again.")) from error
        if options["verbosity"]:
            self.stdout.write(_made(salesperson, user, options["role"]), self.style.SUCCESS)


def _made(salesperson: Salesperson, user: User | None, role: str | None) -> str:
    if user is None:
        return _("%(code)s %(name)s is made, without a sign-in.") % {
            "code": salesperson.code,
            "name": salesperson.name,
        }
    return _("%(code)s %(name)s is made and signs in as %(email)s (%(role)s).") % {
        "code": salesperson.code,
        "name": salesperson.name,
        "email": user.email,
        "role": ROLES[role or "salesperson"].label,
    }


def _make(salesperson: Salesperson, user: User | None, role: Role) -> None:
    with transaction.atomic():
        if user is not None:
            user.save()
            user.groups.add(group_of(role))
            salesperson.user = user
        salesperson.save()


def _team(code: str | None) -> Team | None:
    if code is None:
        return None
    team = Team.objects.filter(code=code).first() if "\0" not in code else None
    if team is None:
        codes = ", ".join(Team.objects.order_by("code").values_list("code", flat=True)[:20])
        raise CommandError(
            _("There is no team %(code)s. The teams: %(codes)s.") % {"code": code, "codes": codes or "–"}
        )
    return team


def _check(row: Salesperson | User, exclude: list[str] | None = None) -> None:
    """Refuse what a form would refuse, in the same words."""
    try:
        row.full_clean(exclude=exclude)
    except ValidationError as error:
        lines = [
            f"{_label(row, name)}: {message}" if name != "__all__" else message
            for name, messages in error.message_dict.items()
            for message in messages
        ]
        raise CommandError("\n".join(lines)) from error


def _label(row: Salesperson | User, name: str) -> str:
    return str(getattr(row._meta.get_field(name), "verbose_name", name))


def _password(user: User, *, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass(_("Password: "))
        if getpass(_("Password (again): ")) != password:
            raise CommandError(_("The two passwords are not the same. Nothing was made."))
    else:
        raise CommandError(_("Nobody is here to type a password. Give --password-stdin and pipe it in."))
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError("\n".join([_("This password will not do:"), *error.messages])) from error
    return password
