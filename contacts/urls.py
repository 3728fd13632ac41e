from django.urls import path

from contacts.views import duplicates, merging, pages

app_name = "contacts"
urlpatterns = [
    path("contacts/", pages.contact_list, name="list"),
    path("contacts/new/", pages.new_contact, name="new"),
    path("contacts/duplicates/", duplicates.warn_of_duplicates, name="duplicates"),
    path("contacts/<int:pk>/duplicates/", duplicates.warn_of_duplicates, name="duplicates-of"),
    path("contacts/suggest/", pages.suggest_contacts, name="suggest"),
    path("contacts/<int:pk>/", pages.contact_detail, name="detail"),
    path("contacts/<int:pk>/edit/", pages.edit_contact, name="edit"),
    path("contacts/<int:pk>/delete/", pages.delete_contact, name="delete"),
    path("contacts/<int:pk>/merge/", merging.choose_other, name="merge"),
    path("contacts/<int:pk>/merge/<int:other>/", merging.merge_contacts, name="merge-with"),
    path("contacts/<int:pk>/unmerge/<int:merge>/", merging.undo_merge, name="unmerge"),
]
