"""Every address of the site; this is the one place that sees all apps."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("salespeople.auth_urls")),
    path("", include("salespeople.urls")),
    path("", include("contacts.urls")),
    path("", include("activities.urls")),
    path("", include("salescycles.urls")),
    path("", include("opportunities.urls")),
    path("admin/", admin.site.urls),
]
