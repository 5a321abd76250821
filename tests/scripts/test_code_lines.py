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


@pytest.mark.parametrize("text, kept", [
    ("#if TAKT_MORE // more\nint a;\n#if X\nint b;\n#else\nint c;\n#endif\n#endif\nint d;\n", "int d;"),
    ("#if TAKT_MORE\nint a;\n#else\n#ifdef X\nint b;\n#endif\n#endif\n", "#ifdef X int b; #endif"),
    ("#ifndef X\n#if TAKT_MORE\nint a;\n#endif\nint b;\n#else\nint c;\n#endif\n", "#ifndef X int b; #else int c; #endif")])
def test_what_a_part_adds_to_other_files_is_not_in_the_least_image(text, kept):
    assert code_lines.without_parts(text).split() == kept.split()
    (code_lines.ROOT / "kernel" / "more.c").write_text(text, encoding="ascii")
    least = code_lines.of_target("pc", least=True)
    (code_lines.ROOT / "kernel" / "more.c").unlink()
    assert least == code_lines.of_target("pc", least=True) + code_lines.in_text(kept.replace("; ", ";\n").replace(" int", "\nint"))


def test_an_unknown_board_is_named(monkeypatch, capsys):
    monkeypatch.setattr(code_lines.sys, "argv", ["code_lines.py", "nowhere"])
    assert code_lines.main() == 2
    assert "boards/nowhere/board.mk is missing" in capsys.readouterr().err
