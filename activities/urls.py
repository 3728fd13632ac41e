from django.urls import include, path

from activities.views import calendars, notices, templates

app_name = "activities"

activity_urls = [
    path("", templates.activity_list, name="list"),
    path("new/", templates.new_activity, name="new"),
    path("preview/", templates.preview_steps, name="preview"),
    path("<int:pk>/edit/", templates.edit_activity, name="edit"),
    path("<int:pk>/delete/", templates.delete_activity, name="delete"),
]

calendar_urls = [
    path("", calendars.calendar, name="calendar"),
    path("new-address/", calendars.make_calendar_address, name="calendar-make"),
    path("revoke/", calendars.revoke_calendar_address, name="calendar-revoke"),
    path("<str:key>.ics", calendars.calendar_feed, name="calendar-feed"),
]

urlpatterns = [
    path("activities/", include(activity_urls)),
    path("calendar/", include(calendar_urls)),
    path("unsubscribe/<str:token>/", notices.unsubscribe_page, name="unsubscribe"),
]
