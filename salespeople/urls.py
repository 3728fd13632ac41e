from django.urls import include, path

from salespeople import views

app_name = "salespeople"

salesperson_urls = [
    path("", views.salesperson_list, name="list"),
    path("new/", views.new_salesperson, name="new"),
    path("<int:pk>/", views.salesperson_detail, name="detail"),
    path("<int:pk>/edit/", views.edit_salesperson, name="edit"),
    path("<int:pk>/delete/", views.delete_salesperson, name="delete"),
]

team_urls = [
    path("", views.team_list, name="team-list"),
    path("new/", views.new_team, name="team-new"),
    path("<int:pk>/edit/", views.edit_team, name="team-edit"),
    path("<int:pk>/delete/", views.delete_team, name="team-delete"),
]

urlpatterns = [
    path("salespeople/", include(salesperson_urls)),
    path("teams/", include(team_urls)),
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/theme/", views.choose_theme, name="theme"),
]
