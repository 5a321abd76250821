# SPDX-License-Identifier: Apache-2.0
"""The count of code lines on a made-up tree: only what a board's image links."""
import code_lines
import pytest


@pytest.fixture(autouse=True)
def made_up_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(code_lines, "ROOT", tmp_path)
    for path, text in {
            "arch/x86/a.c": "int a;\n// b\n\nint c;\n", "arch/arm64/a.c": "int a;\n" * 50, "kernel/k.c": "int k;\n",
            "drivers/one.c": "int a;\n" * 3, "drivers/one.h": "int a;\n", "drivers/other.c": "int a;\n" * 20,
            "drivers/other.h": "int a;\n" * 20, "kernel/extra.c": "int k;\n" * 7, "kernel/extra.h": "int k;\n" * 2,
            "scripts/parts.mk": "PART_more := kernel/extra.c\nPART_none :=\nPART_NAMES := more none\n", "drivers/shared.h": "int a;\n" * 5,
            "boards/pc/board.mk": "# ARCH := none\nARCH := x86\nPLATFORM := pc\nDRIVERS := two \\\n  one # the last\n",
            "boards/twin/board.mk": "include boards/pc/board.mk\nDRIVERS += other\n",
            "boards/all/board.mk": "ARCH := x86\n",
            "boards/arm/board.mk": "ARCH := arm64\nDRIVERS := other\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="ascii")


@pytest.mark.parametrize("board, drivers", [("pc", 3 + 1 + 5), ("twin", 3 + 1 + 5 + 40), ("all", 3 + 1 + 5 + 40)])
def test_only_what_is_linked_counts(board, drivers):
    rooms = code_lines.rooms(board)
    assert rooms["drivers"] == drivers and rooms["arch/x86"] == 2 and rooms["kernel"] == 1 + 9
    assert code_lines.of_target(board) == drivers + 3 + 9
    assert code_lines.of_target(board, least=True) == drivers + 3


@pytest.mark.parametrize("board, others, added", [
    ("pc", ("arm",), 2 + 3 + 1), ("twin", ("arm",), 2 + 3 + 1), ("arm", ("pc",), 50 + 20 + 20), ("arm", ("pc", "twin"), 50)])
def test_what_two_architectures_share_is_added_by_neither(board, others, added):
    for path in (code_lines.ROOT / "boards").iterdir():
        # A twin is made of the board that it includes.
        if path.name not in (board, "pc", *others):
            (path / "board.mk").unlink()
    assert code_lines.of_architecture(board) == added


@pytest.mark.parametrize("text, counted", [
    ("#if TAKT_MORE\nint a;\nint b;\n#endif\nint c;\n", 1), ("#if TAKT_MORE\nint a;\n#else\nint b;\n#endif\n", 2),
    ("#if OTHER\nint a;\n#endif\n", 3)])
def test_what_stands_for_a_part_is_not_in_the_least(text, counted):
    (code_lines.ROOT / "kernel/k.c").write_text(text, encoding="ascii")
    without = code_lines.of_target("pc", least=True) - counted
    assert without == 3 + 1 + 5 + 2
    assert code_lines.of_target("pc") == without + 9 + len(text.splitlines())


def test_an_unknown_board_is_named(monkeypatch, capsys):
    monkeypatch.setattr(code_lines.sys, "argv", ["code_lines.py", "nowhere"])
    assert code_lines.main() == 2
    assert "boards/nowhere/board.mk is missing" in capsys.readouterr().err
