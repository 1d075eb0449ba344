import pytest

from events.admin import Admin, evolve
from events.catalogue import AdminCreated
from tests.support.builders import NOW


def test_an_admin_is_created_once() -> None:
    admin = evolve(None, AdminCreated("root", "app_1"), "adm_1", 3, NOW)
    assert admin == Admin(3, "adm_1", "root", "app_1", NOW)
    with pytest.raises(AssertionError):
        evolve(admin, AdminCreated("root", "app_1"), "adm_1", 3, NOW)
