#!/usr/bin/env python3
"""The shipped unit files, as systemd-analyze reads them: no complaint, with programs and man pages where they will be."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOLDFAST = pathlib.Path(sys.argv[1]).resolve()

if shutil.which("systemd-analyze") is None:
    print("skipped: no systemd-analyze")
    sys.exit(77)

with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    (root / "man/man1").mkdir(parents=True)
    shutil.copy(ROOT / "docs/man/holdfast.1", root / "man/man1")
    units = []
    for name in ("holdfast@.service", "holdfast@.socket"):
        text = (ROOT / "packaging" / name).read_text()
        assert name.endswith(".socket") or "/usr/bin/holdfast" in text
        (root / name).write_text(text.replace("/usr/bin/holdfast", str(HOLDFAST)))
        instance = root / name.replace("@", "@web")
        instance.write_text((root / name).read_text())
        units.append(str(instance))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{root}:"})
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "holdfast" in line]
    if done.returncode != 0 or ours:
        print("\n".join(ours) or done.stderr)
        sys.exit(1)
    # A mistake in a unit must be seen by this test.
    broken = root / "broken@web.service"
    broken.write_text("[Service]\nExecStart=/nonexistent/holdfast\nTypo=1\n")
    seen = subprocess.run(["systemd-analyze", "verify", "--man=no", str(broken)], capture_output=True, text=True)
    assert "Typo" in seen.stderr and seen.returncode != 0, seen.stderr

# Every flag in a unit is one that the program knows.
commands = subprocess.run([HOLDFAST, "--help"], capture_output=True, text=True).stdout
assert "\n  run " in commands, commands
for line in (ROOT / "scripts/systemd/holdfast@.service").read_text().splitlines():
    if line.startswith("Exec"):
        words = line.partition("=")[2].split()
        if f"\n  {words[1]} " not in commands:
            continue
        usage = subprocess.run([HOLDFAST, words[1], "--help"], capture_output=True, text=True).stdout
        for word in words:
            assert not word.startswith("--") or word in usage, f"{words[1]} does not know {word}"
print("units are good")
