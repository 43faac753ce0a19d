"""cmake --install puts there what docs/packaging.md says, and nothing that knows where it was built."""
import re
import shutil

from package import BUILD, PREFIX, ROOT, check, run, version

shutil.rmtree(PREFIX, ignore_errors=True)
run("cmake", "--install", BUILD, "--prefix", PREFIX)
installed = {path.relative_to(PREFIX).as_posix() for path in PREFIX.rglob("*") if not path.is_dir()}

headers = {name for name in installed if name.startswith("include/")}
public = {path.relative_to(ROOT / "worker").as_posix() for path in (ROOT / "worker/include").rglob("*.h*")}
check(headers == public, f"headers: {headers ^ public}")

for name in ("bin/holdfast", "bin/holdfast-metrics", "share/man/man1/holdfast.1",
             "share/man/man5/holdfast.conf.5", "share/man/man7/holdfast-protocol.7",
             "share/bash-completion/completions/holdfast", "share/doc/holdfast/README.md",
             "lib/systemd/system/holdfast@.service", "lib/systemd/system/holdfast@.socket",
             "share/doc/holdfast/docs/index.md"):
    check(name in installed, f"{name} is not installed")
libraries = {re.sub(r"^lib/[^/]*-linux-gnu/", "lib/", name) for name in installed
             if name.startswith("lib/") and not name.startswith("lib/systemd/")}
expected = {"lib/libholdfast_worker.a", "lib/libholdfast_worker.so", "lib/libholdfast_worker.so.0",
            f"lib/libholdfast_worker.so.{version()}", "lib/pkgconfig/holdfast-worker.pc",
            "lib/pkgconfig/holdfast-worker-shared.pc"}
expected |= {f"lib/cmake/holdfast/holdfast-{part}.cmake" for part in
             ("config", "config-version", "targets", "targets-relwithdebinfo")}
check(libraries == expected, f"libraries: {libraries ^ expected}")

for path in PREFIX.rglob("*"):
    if path.suffix in (".cmake", ".pc"):
        text = path.read_text()
        check(str(ROOT) not in text and str(BUILD) not in text, f"{path} knows where it was built")
        check(not re.search(r"\bBOOST_", text), f"{path} gives a macro of Boost to its users")
        check("nlohmann" not in text and "CLI11" not in text, f"{path} asks for what only the build needs")

check(run(PREFIX / "bin/holdfast", "--version") == f"holdfast {version()}\n", "holdfast --version")
print(f"{len(installed)} files, {len(headers)} headers")
