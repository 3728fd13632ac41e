"""Every address of the site; this is the one place that sees all apps."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="opportunities:list"), name="home"),
    path("admin/", admin.site.urls),
]
