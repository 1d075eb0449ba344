import pytest

from daemon.api.auth import App, Operator, Org
from daemon.api.v1.watchers import may_see


@pytest.mark.parametrize(
    ("principal", "sees"),
    [
        (Operator("ada"), True),
        (Org("org_1"), True),
        (Org("org_2"), False),
        (App("org_1", "app_1"), True),
        (App("org_1", "app_2"), False),
        (App("org_2", "app_1"), False),
    ],
)
def test_who_sees_what(principal, sees):
    assert may_see(principal, "org_1", "app_1") is sees


def test_what_is_of_no_application_is_not_an_applications():
    assert may_see(Org("org_1"), "org_1", None)
    assert not may_see(App("org_1", "app_1"), "org_1", None)
