# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests; what they give is described in libtakt.py.

A test runs on the boards that it names, or its file does, once on each; without a name, on libtakt.DEFAULT_BOARD:

    pytestmark = pytest.mark.boards("qemu-x86", "bochs-vmx")

TAKT_BOARDS (`make test BOARD=...`) leaves out those of the other boards.
"""
import shutil

import libtakt
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "boards(*names): the boards that a system test runs on")


def pytest_generate_tests(metafunc):
    if "takt" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("boards")
        metafunc.parametrize("takt", marker.args if marker else (libtakt.DEFAULT_BOARD,), indirect=True)


def pytest_collection_modifyitems(config, items):
    def is_wanted(item):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return parameters.get("takt", libtakt.BOARDS[0]) in libtakt.BOARDS

    left_out = [item for item in items if not is_wanted(item)]
    items[:] = [item for item in items if is_wanted(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def takt(request):
    """A fresh folder below build/tests for this test, kept until its next run: images, consoles' logs."""
    folder = libtakt.BUILD / "tests" / libtakt.folder_name(request.node.nodeid)
    shutil.rmtree(folder, ignore_errors=True)
    yield libtakt.Takt(folder, request.param)
    # Images are large and made anew by the next run; the logs stay.
    for image in [*folder.glob("*.itb"), *folder.glob("*.img")]:
        image.unlink()
