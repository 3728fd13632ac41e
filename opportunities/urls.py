from django.urls import include, path

from opportunities.views import (
    assigning,
    batches,
    board,
    changes,
    due,
    emails,
    export,
    files,
    listing,
    notes,
    pages,
    people,
    reasons,
    saved,
    search,
    timeline,
    title,
    today,
)
from opportunities.views.tasks import batch as task_batch
from opportunities.views.tasks import calendar as task_calendar
from opportunities.views.tasks import changes as task_changes
from opportunities.views.tasks import closing as task_closing
from opportunities.views.tasks import listing as task_listing
from opportunities.views.tasks import panels as task_panels

app_name = "opportunities"

opportunity_urls = [
    path("", listing.opportunity_list, name="list"),
    path("new/", pages.new_opportunity, name="new"),
    path("for-contact/<int:pk>/", pages.opportunities_for_contact, name="for-contact"),
    path("for-salesperson/<int:pk>/", pages.opportunities_for_salesperson, name="for-salesperson"),
    path("for-contact/<int:pk>/assign/", assigning.assign_to_contact, name="assign-contact"),
    path("for-salesperson/<int:pk>/assign/", assigning.assign_to_salesperson, name="assign-salesperson"),
    path("<int:pk>/assign/", assigning.assign_to_opportunity, name="assign-opportunity"),
    path("<int:pk>/", pages.opportunity_detail, name="detail"),
    path("<int:pk>/title/", title.opportunity_title, name="title"),
    path("<int:pk>/timeline/", timeline.opportunity_timeline, name="timeline"),
    path("<int:pk>/next-step/", due.next_step, name="next-step"),
    path("<int:pk>/notes/new/", notes.new_note, name="note-new"),
    path("<int:pk>/people/new/", people.new_person, name="person-new"),
    path("<int:pk>/people/<int:contact>/role/", people.change_person, name="person-role"),
    path("<int:pk>/people/<int:contact>/remove/", people.remove_person, name="person-remove"),
    path("for-contact/<int:pk>/timeline/", timeline.contact_timeline, name="contact-timeline"),
    path("for-contact/<int:pk>/notes/new/", notes.new_contact_note, name="contact-note-new"),
    path("notes/<int:pk>/", notes.read_note, name="note"),
    path("notes/<int:pk>/edit/", notes.edit_note, name="note-edit"),
    path("notes/<int:pk>/delete/", notes.delete_note, name="note-delete"),
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

view_urls = [
    path("", saved.view_list, name="view-list"),
    path("new/", saved.new_view, name="view-new"),
    path("<int:pk>/edit/", saved.edit_view, name="view-edit"),
    path("<int:pk>/update/", saved.update_view, name="view-update"),
    path("<int:pk>/delete/", saved.delete_view, name="view-delete"),
    path("<int:pk>/shift/", saved.shift_view, name="view-shift"),
    path("<int:pk>/open/", saved.open_with_view, name="view-open"),
]

export_urls = [
    path("", export.export_opportunities, name="export"),
    path("csv/", export.export_csv, name="export-csv"),
    path("xlsx/", export.export_xlsx, name="export-xlsx"),
]

reason_urls = [
    path("", reasons.reason_list, name="reason-list"),
    path("new/", reasons.new_reason, name="reason-new"),
    path("<int:pk>/edit/", reasons.edit_reason, name="reason-edit"),
    path("<int:pk>/delete/", reasons.delete_reason, name="reason-delete"),
]

board_urls = [
    path("", board.opportunity_board, name="board"),
    path("column/", board.board_column, name="board-column"),
    path("<int:pk>/menu/", board.card_menu, name="board-menu"),
    path("<int:pk>/move/", board.move_card, name="board-move"),
]

task_urls = [
    path("", task_listing.task_list, name="tasks"),
    path("new/", task_changes.new_task, name="task-new"),
    path("week/", task_calendar.task_week, name="task-week"),
    path("month/", task_calendar.task_month, name="task-month"),
    path("batch/", task_batch.change_tasks, name="task-batch"),
    path("batch/undo/", task_batch.undo_completion, name="task-batch-undo"),
    path("opportunities/", task_changes.suggest_opportunities, name="task-suggest"),
    path("series/", task_changes.preview_series, name="task-series"),
    path("for-opportunity/<int:pk>/", task_panels.tasks_for_opportunity, name="tasks-for-opportunity"),
    path("for-contact/<int:pk>/", task_panels.tasks_for_contact, name="tasks-for-contact"),
    path("for-salesperson/<int:pk>/", task_panels.tasks_for_salesperson, name="tasks-for-salesperson"),
    path("<int:pk>/", task_listing.task_detail, name="task"),
    path("<int:pk>/edit/", task_changes.edit_task, name="task-edit"),
    path("<int:pk>/complete/", task_closing.complete_task, name="task-complete"),
    path("<int:pk>/cancel/", task_closing.cancel_task, name="task-cancel"),
    path("<int:pk>/reopen/", task_closing.reopen_task, name="task-reopen"),
    path("<int:pk>/postpone/", task_closing.postpone_task, name="task-postpone"),
    path("<int:pk>/reassign/", task_closing.reassign_task, name="task-reassign"),
]

email_urls = [
    path("", emails.email_list, name="emails"),
    path("set-aside/", emails.emails_set_aside, name="emails-set-aside"),
    path("<int:pk>/", emails.place_email, name="email-place"),
    path("<int:pk>/set-aside/", emails.set_email_aside, name="email-set-aside"),
    path("<int:pk>/put-back/", emails.put_email_back, name="email-put-back"),
    path("<int:pk>/take-back/", emails.take_email_back, name="email-take-back"),
]

urlpatterns = [
    path("emails/", include(email_urls)),
    path("tasks/", include(task_urls)),
    path("board/", include(board_urls)),
    path("opportunities/batches/", include(batch_urls)),
    path("opportunities/views/", include(view_urls)),
    path("opportunities/export/", include(export_urls)),
    path("opportunities/", include(opportunity_urls)),
    path("close-reasons/", include(reason_urls)),
    path("attachments/<int:pk>/", files.attachment, name="attachment"),
    path("today/", today.today_page, name="today"),
    path("today/seen/", today.see_changes, name="see-changes"),
    path("today/tasks-due/", due.tasks_due, name="tasks-due"),
    path("search/", search.search_anywhere, name="search"),
]
