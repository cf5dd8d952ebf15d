"""What docs/audit.md shows is what the commands print."""

from tests.house.audit_page import PAGE, PICTURE, page, picture


def test_every_command_on_the_page_prints_what_stands_there():
    assert page() == PAGE.read_text("utf-8")


def test_the_picture_is_the_one_that_is_drawn():
    assert picture() == PICTURE.read_text("utf-8")
