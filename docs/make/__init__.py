"""What the site is made of besides its hand-written pages: everything here is drawn or run when the site is built."""

import importlib

from . import catalogue, gallery, pages, reference, studies


def everything() -> None:
    """Writes the generated pages; what has not changed since the last build is not run again."""
    catalogue.write()
    reference.write()
    studies.write()
    pages.write()
    gallery.write()
    lessons = importlib.import_module(".lessons", __name__)  # needs nbclient, which tests of the others do not
    lessons.write()
