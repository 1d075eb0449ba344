"""Pages and iterators, as the SDKs read them."""

from daemon.api.lists import ListQuery, Order, Page


def test_an_empty_page_has_an_iterator_but_no_way_back():
    assert (
        Page[str].of([], str, done=True).model_dump_json(by_alias=True) == '{"data":[],"iterator":null,"done":true}'
    )


def test_a_page_leads_on_and_back():
    page = Page[str].of(["b", "a"], str, done=False)
    assert page.model_dump(by_alias=True) == {
        "data": ["b", "a"],
        "iterator": "a",
        "prevIterator": "-b",
        "done": False,
    }


def test_iterators_have_a_direction():
    assert (ListQuery().cursor, ListQuery().backwards, ListQuery().limit) == (None, False, 50)
    assert (ListQuery(iterator="app_1").cursor, ListQuery(iterator="app_1").backwards) == ("app_1", False)
    assert (ListQuery(iterator="-app_1").cursor, ListQuery(iterator="-app_1").backwards) == ("app_1", True)
    assert ListQuery(order="descending").order is Order.DESCENDING
