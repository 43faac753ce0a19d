#!/usr/bin/env python3
"""The dependency rules of the house, as a test: who may include whom, and that core touches neither kernel nor clock."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = "worker/include/holdfast"

# folder -> project folders it may include from ("public" is the worker library's installed headers)
ALLOWED = {
    "shared/core": ["shared/core"],
    "shared/io": ["shared/core", "shared/io"],
    PUBLIC: ["public"],
    "worker/core": ["shared/core", "worker/core", "public"],
    "worker/io": ["shared/core", "shared/io", "worker/core", "worker/io", "public"],
    "worker/examples": ["public"],
    "worker/demo": ["public", "worker/demo"],
    "worker/metrics": ["shared/core", "shared/io", "public", "worker/metrics"],
    "supervisor/core": ["shared/core", "supervisor/core"],
    "supervisor/io": ["shared/core", "shared/io", "supervisor/core", "supervisor/io"],
    "supervisor/client": ["shared/core", "shared/io", "supervisor/core", "supervisor/io", "supervisor/client"],
    "supervisor/cli": ["shared/core", "shared/io", "supervisor/core", "supervisor/io", "supervisor/cli",
                       "supervisor/client"],
}
# What no file in a core folder may contain: kernel, Asio, Beast, clocks.
CORE_FORBIDDEN = re.compile(
    r"#include\s+<(boost/(asio|beast|process)|sys/|unistd\.h|fcntl\.h|poll\.h|signal\.h|thread|mutex)"
    r"|(steady|system|high_resolution)_clock::now|getenv\(")
INCLUDE = re.compile(r'^\s*#include\s+["<]([^">]+)[">]', re.M)
ASIO_PUBLIC = "asio.hpp"  # the only installed header that knows Asio, and that the shared library does without
# In an installed header: a class or function that the shared library would hide from its users.
NOT_EXPORTED = re.compile(
    r"^(class (?!HOLDFAST_API)\w+[^;]*\{"
    r"|(?!(HOLDFAST_API|using|class|struct|enum|union|typedef|template|inline|constexpr|namespace|static|extern|friend|return)\b)"
    r"[A-Za-z_][\w:<>&*, ]* [*&]?[a-z_]\w*\()", re.M)


def home(path):
    text = path.as_posix()
    return next((folder for folder in sorted(ALLOWED, key=len, reverse=True) if text.startswith(folder + "/")), None)


def target_of(include):
    if include.startswith("holdfast/"):
        return "public"
    match = re.match(r"((?:shared|worker|supervisor)/[a-z]+)/", include)
    return match.group(1) if match else None


def violations(path):
    folder = home(path)
    if folder is None:
        return
    text = (ROOT / path).read_text()
    for include in INCLUDE.findall(text):
        target = target_of(include)
        if target is not None and target not in ALLOWED[folder]:
            yield f"{path}: {folder} must not include {include}"
        if folder == PUBLIC and path.name != ASIO_PUBLIC and include.startswith("boost/"):
            yield f"{path}: only {ASIO_PUBLIC} may include {include}"
    if folder == PUBLIC and path.name != ASIO_PUBLIC:
        for match in NOT_EXPORTED.finditer(text):
            yield f"{path}: lacks HOLDFAST_API: {match.group(0)}"
    if folder.endswith("/core"):
        for number, line in enumerate(text.splitlines(), 1):
            if CORE_FORBIDDEN.search(line):
                yield f"{path}:{number}: core decides and must not do: {line.strip()}"


def main():
    files = [p.relative_to(ROOT) for top in ("shared", "supervisor", "worker") for p in (ROOT / top).rglob("*")
             if p.suffix in (".c", ".cpp", ".h", ".hpp")]
    found = [message for path in sorted(files) for message in violations(path)]
    print("\n".join(found) or f"{len(files)} files keep the include rules")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
