# SPDX-License-Identifier: Apache-2.0
"""Each rule of the house is broken once, in a small tree of its own."""
import check_rooms
import pytest

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
CLEAN = {
    "sched/sched.h": LICENCE + "#include <stdint.h>\n",
    "kernel/arch.h": LICENCE + '#include "arch_types.h"\n',
    "kernel/vm.c": LICENCE + '#include "kernel/arch.h"\n#include "sched/sched.h"\n#include <libfdt.h>\n',
    "arch/arm64/arch_types.h": LICENCE,
    "arch/arm64/trap.c": LICENCE + '#include "kernel/arch.h"\n#ifdef __aarch64__\n#endif\n',
}


def faults(tmp_path, **changed):
    tree = dict(CLEAN)
    for name, text in changed.pop("files", {}).items():
        tree[name] = text
    for name, text in tree.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(check_rooms.faults(tmp_path, set(tree)))


def test_a_clean_tree_passes(tmp_path):
    assert faults(tmp_path) == []


@pytest.mark.parametrize("path, text, complaint", [
    ("sched/a.c", '#include "kernel/arch.h"\n', "sched/ may not include kernel/arch.h"),
    ("sched/a.c", "#include <stdio.h>\n", "<stdio.h>"),
    ("kernel/a.c", '#include "arch/arm64/arch_types.h"\n', "kernel/ may not include arch/arm64/arch_types.h"),
    ("kernel/a.c", '#include "arch_types.h"\n', "is not found from here"),
    ("drivers/a.c", '#include "maintenance.h"\n', "is not found from here"),
    ("kernel/a.c", "#if defined(__x86_64__)\n#endif\n", "belongs below arch/"),
    ("kernel/a.c", "int f(void)\n{\n" + "    g();\n" * 81 + "}\n", "a function of 81 lines"),
    ("kernel/a.c", "int a;\n" * 500, "501 lines"),
    ("drivers/a.c", "    *uart = (struct uart){.lock = uart->lock, .vm = vm};\n", "a lock is copied"),
    ("kernel/a.c", "    vm->lock = other.lock;\n", "a lock is copied"),
])
def test_each_rule(tmp_path, path, text, complaint):
    found = faults(tmp_path, files={path: LICENCE + text})
    assert len(found) == 1 and complaint in found[0], found


def test_a_missing_licence_line(tmp_path):
    assert "SPDX" in faults(tmp_path, files={"kernel/a.c": "int a;\n"})[0]


def test_a_circle_of_headers(tmp_path):
    found = faults(tmp_path, files={"kernel/a.h": LICENCE + '#include "kernel/b.h"\n',
                                    "kernel/b.h": LICENCE + '#include "kernel/a.h"\n'})
    assert found == ["files include each other in a circle: kernel/a.h -> kernel/b.h -> kernel/a.h"]
