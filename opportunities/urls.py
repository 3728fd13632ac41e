from django.urls import include, path

from opportunities.views import batches, changes, listing, pages, reasons, search, today

app_name = "opportunities"

opportunity_urls = [
    path("", listing.opportunity_list, name="list"),
    path("new/", pages.new_opportunity, name="new"),
    path("for-contact/<int:pk>/", pages.opportunities_for_contact, name="for-contact"),
    path("for-salesperson/<int:pk>/", pages.opportunities_for_salesperson, name="for-salesperson"),
    path("<int:pk>/", pages.opportunity_detail, name="detail"),
    path("<int:pk>/edit/", changes.describe_opportunity, name="edit"),
    path("<int:pk>/start/", changes.start_opportunity, name="start"),
    path("<int:pk>/move/", changes.move_opportunity, name="move"),
    path("<int:pk>/revise/", changes.revise_opportunity, name="revise"),
    path("<int:pk>/close/", changes.close_opportunity, name="close"),
    path("<int:pk>/reopen/", changes.reopen_opportunity, name="reopen"),
    path("<int:pk>/undo/", changes.undo_opportunity, name="undo"),
    path("<int:pk>/reassign/", changes.reassign_opportunity, name="reassign"),
    path("<int:pk>/delete/", changes.delete_opportunity, name="delete"),
]

batch_urls = [
    path("", batches.batch_list, name="batches"),
    path("new/", batches.new_batch, name="batch-new"),
    path("<int:pk>/", batches.batch_detail, name="batch"),
    path("<int:pk>/step/", batches.step_batch, name="batch-step"),
    path("<int:pk>/run/", batches.run_batch, name="batch-run"),
    path("<int:pk>/cancel/", batches.cancel_batch, name="batch-cancel"),
    path("<int:pk>/items/", batches.batch_items, name="batch-items"),
    path("<int:pk>/left-alone.csv", batches.batch_refusals, name="batch-refusals"),
]

reason_urls = [
    path("", reasons.reason_list, name="reason-list"),
    path("new/", reasons.new_reason, name="reason-new"),
    path("<int:pk>/edit/", reasons.edit_reason, name="reason-edit"),
    path("<int:pk>/delete/", reasons.delete_reason, name="reason-delete"),
]

urlpatterns = [
    path("opportunities/batches/", include(batch_urls)),
    path("opportunities/", include(opportunity_urls)),
    path("close-reasons/", include(reason_urls)),
    path("today/", today.today_page, name="today"),
    path("today/seen/", today.see_changes, name="see-changes"),
    path("search/", search.search_anywhere, name="search"),
]
