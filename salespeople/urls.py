from django.urls import URLPattern

app_name = "salespeople"
urlpatterns: list[URLPattern] = []
