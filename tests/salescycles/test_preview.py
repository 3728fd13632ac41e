"""What the preview says: the four formulas of probability, the value, and the day one would close."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from salescycles.models import ProbabilityMethod
from salescycles.preview import StageFacts, preview
from salespeople.models import Role
from tests.factories import SalesCycleStageFactory, cycle_with_stages, user_with_role
from tests.salescycles.pages import form_data

ON = date(2026, 3, 23)
percents = st.decimals(0, 100, places=2)
amounts = st.decimals(0, 999_999_999_999, places=2)


def stage(**facts):
    return StageFacts(
        **{
            "description": "Demo",
            "completed_percent": Decimal(30),
            "chance_percent": Decimal(40),
            "close_in": "2W",
            **facts,
        }
    )


def test_preview_gives_the_figures_of_the_example():
    [row] = preview([stage()], value=Decimal(10_000), on=ON)

    assert row.closes_on == date(2026, 4, 6)
    assert row.figures == [
        (ProbabilityMethod.MULTIPLY, Decimal(12), Decimal(1_200)),
        (ProbabilityMethod.ADD, Decimal(35), Decimal(3_500)),
        (ProbabilityMethod.CHANCE, Decimal(40), Decimal(4_000)),
        (ProbabilityMethod.COMPLETED, Decimal(30), Decimal(3_000)),
    ]


@given(chance=percents, completed=percents, value=amounts)
def test_preview_follows_the_formulas_without_rounding(chance, completed, value):
    [row] = preview([stage(chance_percent=chance, completed_percent=completed)], value=value, on=ON)

    probabilities = [chance * completed / 100, (chance + completed) / 2, chance, completed]
    assert [figure.probability for figure in row.figures] == probabilities
    assert [figure.value for figure in row.figures] == [value * each / 100 for each in probabilities]


@pytest.mark.parametrize("missing", ["chance_percent", "completed_percent"])
def test_preview_says_nothing_where_a_percentage_cannot_be_read(missing):
    [row] = preview([stage(**{missing: None})], value=Decimal(10_000), on=ON)

    assert {(figure.probability, figure.value) for figure in row.figures} == {(None, None)}


def test_preview_keeps_the_probability_when_the_value_cannot_be_read():
    [row] = preview([stage()], value=None, on=ON)

    assert [figure.value for figure in row.figures] == [None] * 4
    assert [figure.probability for figure in row.figures] == [12, 35, 40, 30]


@pytest.mark.parametrize(
    ("close_in", "closes_on"),
    [("", ON), ("CM+1D", date(2026, 4, 1)), (None, None), ("soon", None)],
)
def test_preview_says_when_one_would_close(close_in, closes_on):
    [row] = preview([stage(close_in=close_in)], value=Decimal(1), on=ON)

    assert row.closes_on == closes_on


# The region of the page


@pytest.fixture
def cycle():
    cycle = cycle_with_stages("Demo")
    cycle.stages.update(completed_percent=30, chance_percent=40)
    return cycle


def shown(response):
    """The figures of the first stage as a person reads them."""
    [row, *_] = response.context["preview"]
    return [(figure.probability, figure.value) for figure in row.figures]


@pytest.mark.django_db
def test_show_preview_of_what_is_stored(client, cycle):
    client.force_login(user_with_role(Role.VIEWER))

    response = client.get(reverse("salescycles:preview", args=[cycle.pk]), {"value": "10000"})

    assert shown(response) == [(12, 1_200), (35, 3_500), (40, 4_000), (30, 3_000)]
    content = response.content.decode()
    assert "12\N{NO-BREAK SPACE}%" in content
    assert "€1,200" in content
    assert content.count("this cycle") == 1


@pytest.mark.django_db
def test_show_preview_of_what_is_typed_and_save_nothing(manager, cycle):
    data = form_data(manager, cycle, **{"0-completed_percent": "50", "0-chance_percent": "50.5"}, value="200")

    response = manager.post(reverse("salescycles:preview", args=[cycle.pk]), data)

    assert response.status_code == 200
    assert shown(response) == [
        (Decimal("25.25"), Decimal("50.5")),
        (Decimal("50.25"), Decimal("100.5")),
        (Decimal("50.5"), 101),
        (50, 100),
    ]
    assert [float(stage.completed_percent) for stage in cycle.stages.all()] == [30]
    assert b'value="50.5"' in response.content  # without scripts the page comes back as it was typed


@pytest.mark.django_db
def test_show_preview_as_a_region_to_htmx(manager, cycle):
    response = manager.post(
        reverse("salescycles:preview", args=[cycle.pk]),
        form_data(manager, cycle),
        headers={"HX-Request": "true", "HX-Target": "preview"},
    )

    assert response.content.decode().strip().startswith('<div id="preview">')


@pytest.mark.django_db
@pytest.mark.parametrize(
    "bad", ["", "abc", "101", "-1", "NaN", "Infinity", "1e999999", "9" * 400, "\x00", "1,5,5"]
)
def test_show_preview_with_bad_numbers_as_dashes(manager, cycle, bad):
    data = form_data(manager, cycle, **{"0-chance_percent": bad})

    response = manager.post(reverse("salescycles:preview", args=[cycle.pk]), data)

    assert response.status_code == 200
    assert shown(response) == [(None, None)] * 4


@pytest.mark.django_db
@pytest.mark.parametrize("bad", ["", "abc", "-1", "NaN", "1e999999", "9" * 400, "\x00"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_show_preview_with_a_bad_example_value(manager, cycle, bad, method):
    data = form_data(manager, cycle, value=bad) if method == "post" else {"value": bad}

    response = getattr(manager, method)(reverse("salescycles:preview", args=[cycle.pk]), data)

    assert response.status_code == 200
    assert shown(response) == [(12, None), (35, None), (40, None), (30, None)]


@pytest.mark.django_db
def test_show_preview_leaves_out_what_is_to_be_deleted_and_follows_the_typed_order(manager):
    cycle = cycle_with_stages("One", "Two", "Three")
    data = form_data(manager, cycle, **{"0-position": "35", "1-DELETE": "on"})

    response = manager.post(reverse("salescycles:preview", args=[cycle.pk]), data)

    assert [row.stage.description for row in response.context["preview"]] == ["Three", "One"]


@pytest.mark.django_db
@pytest.mark.parametrize("data", [{}, {"stages-TOTAL_FORMS": "x"}, {"stages-TOTAL_FORMS": "99999999999"}])
def test_show_preview_of_a_form_that_is_no_form(manager, cycle, data):
    response = manager.post(reverse("salescycles:preview", args=[cycle.pk]), data)

    assert response.status_code == 200


@pytest.mark.django_db
def test_preview_of_typed_stages_is_for_managers(client, cycle):
    client.force_login(user_with_role(Role.SALESPERSON))

    response = client.post(reverse("salescycles:preview", args=[cycle.pk]), {})

    assert response.status_code == 403


@pytest.mark.django_db
def test_preview_demands_login(client, cycle):
    url = reverse("salescycles:preview", args=[cycle.pk])

    assert client.get(url).headers["Location"] == f"{reverse('sign-in')}?next={url}"


@pytest.mark.django_db
@pytest.mark.parametrize("pk", [4_711, 99_999_999_999_999_999_999])
def test_preview_of_an_unknown_cycle(manager, pk):
    assert manager.get(f"/sales-cycles/{pk}/preview/").status_code == 404


@pytest.mark.django_db
def test_preview_refuses_other_methods(manager, cycle):
    assert manager.put(reverse("salescycles:preview", args=[cycle.pk])).status_code == 405


@pytest.mark.django_db
def test_preview_asks_the_same_questions_for_one_stage_and_for_many(manager, django_assert_num_queries):
    cycle = cycle_with_stages("One")
    url = reverse("salescycles:preview", args=[cycle.pk])
    one = form_data(manager, cycle)
    with django_assert_num_queries(7):
        manager.post(url, one)

    for position in (91, 92, 93):
        SalesCycleStageFactory(cycle=cycle, position=position)
    many = form_data(manager, cycle)
    with django_assert_num_queries(7):
        manager.post(url, many)
