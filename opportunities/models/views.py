"""Views: filters, order and columns of the opportunities' list, kept under a name."""

from django.db import models
from django.db.models import F, FilteredRelation, Q
from django.utils.translation import gettext_lazy as _

from salespeople.models import Salesperson, User


class Audience(models.TextChoices):
    """Who finds a view among their own."""

    OWNER = "OWNER", _("Only me")
    TEAM = "TEAM", _("My team")
    EVERYONE = "EVERYONE", _("Everyone")


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Views by reader."""

    def visible_to(self, user: User) -> "SavedViewQuerySet":
        """Those of the user, of colleagues in the same team who share with it, and those shared with everyone."""
        if not user.may_read():
            return self.none()
        own = user.own_salesperson
        mine_or_everyones = Q(owner=user) | Q(audience=Audience.EVERYONE)
        if own is None or own.team_id is None:
            return self.filter(mine_or_everyones)
        colleagues = Salesperson.objects.filter(team=own.team_id, user__isnull=False).values("user")
        return self.filter(mine_or_everyones | Q(audience=Audience.TEAM, owner__in=colleagues))

    def in_order_of(self, user: User) -> "SavedViewQuerySet":
        """As a reader has arranged them, those without a place last, by name; with whoever keeps them."""
        return (
            self.alias(place=FilteredRelation("places", condition=Q(places__user=user)))
            .annotate(position=F("place__position"), opens_first=F("place__is_default"))
            .select_related("owner")
            .order_by(F("position").asc(nulls_last=True), "name", "pk")
        )

    def opening_for(self, user: User) -> "SavedView | None":
        """The view with which the list opens for a reader, as long as it is there for them."""
        return self.visible_to(user).filter(places__user=user, places__is_default=True).first()

    def changeable_by(self, user: User) -> "SavedViewQuerySet":
        """Those a user may rename, share and delete: their own."""
        return self.filter(owner=user)


class SavedView(models.Model):
    """A question to the list of opportunities, kept under a name; asked again it follows the day and the reader."""

    owner = models.ForeignKey(
        User, verbose_name=_("kept by"), on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(_("name"), max_length=50)
    query = models.TextField(_("query string"), max_length=2000, blank=True)
    audience = models.CharField(_("shared with"), max_length=8, choices=Audience, default=Audience.OWNER)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="saved_view_name_unique",
                violation_error_message=_("You have a view of this name already."),
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="saved_view_name_given",
                violation_error_message=_("A view needs a name."),
            ),
            models.CheckConstraint(
                condition=Q(audience__in=Audience.values),
                name="saved_view_audience_known",
                violation_error_message=_("A view is shared with nobody, a team or everyone."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ViewPlace(models.Model):
    """Where a reader put a view among the others, and whether the list opens with it."""

    user = models.ForeignKey(
        User, verbose_name=_("reader"), on_delete=models.CASCADE, related_name="view_places"
    )
    view = models.ForeignKey(
        SavedView, verbose_name=_("view"), on_delete=models.CASCADE, related_name="places"
    )
    position = models.PositiveIntegerField(_("position"), default=0)
    is_default = models.BooleanField(_("opens first"), default=False)

    class Meta:
        verbose_name = _("place of a view")
        verbose_name_plural = _("places of views")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "view"],
                name="view_place_unique",
                violation_error_message=_("A view has one place."),
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(is_default=True),
                name="view_place_one_default",
                violation_error_message=_("Only one view can open first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.view} ({self.position})"
