from django.urls import path

from salescycles import views

app_name = "salescycles"
urlpatterns = [
    path("sales-cycles/", views.sales_cycle_list, name="list"),
    path("sales-cycles/new/", views.new_sales_cycle, name="new"),
    path("sales-cycles/<int:pk>/", views.sales_cycle_detail, name="detail"),
    path("sales-cycles/<int:pk>/edit/", views.edit_sales_cycle, name="edit"),
    path("sales-cycles/<int:pk>/delete/", views.delete_sales_cycle, name="delete"),
    path("sales-cycles/<int:pk>/preview/", views.preview_probabilities, name="preview"),
]
