from django.urls import URLPattern

app_name = "salescycles"
urlpatterns: list[URLPattern] = []
