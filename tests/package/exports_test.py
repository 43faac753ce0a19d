"""The shared library exports its interface and nothing else: every name is in exports.txt.

A name that goes, or whose signature changes, breaks programs that were linked before: see docs/packaging.md, "The
shared library's number". After a change that is meant: HOLDFAST_TEST_BUILD=build/package python3 tests/package/exports_test.py --write
"""
import os
import sys

os.environ.setdefault("HOLDFAST_TEST_PREFIX", "/")
from package import BUILD, ROOT, check, run  # noqa: E402

LIST = ROOT / "tests/package/exports.txt"
names = set()
for line in run("nm", "--dynamic", "--defined-only", "--demangle", BUILD / "lib/libholdfast_worker.so").splitlines():
    kind, name = line.split(" ", 2)[1:]
    if kind != "A":  # the version's own name
        names.add(name.replace("@@HOLDFAST_WORKER_0", ""))
strays = [name for name in names if not name.startswith(("holdfast::worker::", "holdfast_"))
          and not name.startswith(("vtable for holdfast::worker::", "typeinfo for holdfast::worker::",
                                   "typeinfo name for holdfast::worker::"))]
check(not strays, f"exports names of others: {strays[:10]}")
inner = [name for name in names if "::Impl" in name or "boost::" in name]
check(not inner, f"exports its insides: {inner[:10]}")
if sys.argv[1:] == ["--write"]:
    LIST.write_text("".join(name + "\n" for name in sorted(names)))
listed = set(LIST.read_text().splitlines())
check(not listed - names, "gone since exports.txt was written:\n" + "\n".join(sorted(listed - names)))
check(not names - listed, "new, and not in exports.txt:\n" + "\n".join(sorted(names - listed)))
print(f"{len(names)} names exported, all listed")
