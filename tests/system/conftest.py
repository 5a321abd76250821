# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests; what they give is described in libtakt.py."""
import shutil

import libtakt
import pytest


@pytest.fixture
def takt(request):
    """A fresh folder below build/tests for this test, kept until its next run: images, consoles' logs."""
    build = libtakt.Takt(libtakt.ROOT / "build/tests").build
    folder = build / "tests" / libtakt.folder_name(request.node.nodeid)
    shutil.rmtree(folder, ignore_errors=True)
    yield libtakt.Takt(folder)
    # Images are large and made anew by the next run; the logs stay.
    for image in [*folder.glob("*.itb"), *folder.glob("*.img")]:
        image.unlink()
