from django.urls import path

from contacts import views

app_name = "contacts"
urlpatterns = [
    path("contacts/", views.contact_list, name="list"),
    path("contacts/new/", views.new_contact, name="new"),
    path("contacts/suggest/", views.suggest_contacts, name="suggest"),
    path("contacts/<int:pk>/", views.contact_detail, name="detail"),
    path("contacts/<int:pk>/edit/", views.edit_contact, name="edit"),
    path("contacts/<int:pk>/delete/", views.delete_contact, name="delete"),
]
