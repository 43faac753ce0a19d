#!/usr/bin/env python3
"""The docs, as a test: a snippet that names its file is that file, every relative link leads somewhere, and what
docs/conformance.md says of tests holds (check_conformance.py).

A fenced block is compared with a file when the line before it is <!-- snippet: path/from/the/root -->.
"""
import pathlib
import re
import sys

import check_conformance

ROOT = pathlib.Path(__file__).resolve().parent.parent
SNIPPET = re.compile(r"<!-- snippet: (\S+) -->\n```\w*\n(.*?)^```$", re.S | re.M)
FENCE = re.compile(r"^```.*?^```$", re.S | re.M)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.M)
EXTERNAL = re.compile(r"[a-z]+:")
# Without these a page could lose its snippet unnoticed.
REQUIRED = {"README.md": "worker/examples/hello.cpp", "docs/packaging.md": "tests/consumer/hello/CMakeLists.txt",
            "docs/embedding.md": "worker/examples/hello.cpp"}


def pages():
    return [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").rglob("*.md"))


def anchors(page):
    """As GitHub makes them: lower case, punctuation dropped, spaces to dashes, repeated ones numbered."""
    found = set()
    for title in HEADING.findall(FENCE.sub("", page.read_text())):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        name, n = slug, 0
        while name in found:
            n += 1
            name = f"{slug}-{n}"
        found.add(name)
    return found


def snippet_faults(name, text):
    shown = dict(SNIPPET.findall(text))
    wanted = REQUIRED.get(name)
    if wanted and wanted not in shown:
        yield f"{name}: does not show {wanted}"
    if text.count("<!-- snippet:") != len(SNIPPET.findall(text)):
        yield f"{name}: a snippet comment without a fenced block right below it"
    for path, block in shown.items():
        source = ROOT / path
        if not source.is_file():
            yield f"{name}: shows {path}, which does not exist"
        elif source.read_text() != block:
            yield f"{name}: its snippet differs from {path}"


def link_faults(page, name, text):
    for target in LINK.findall(CODE.sub("", FENCE.sub("", text))):
        if EXTERNAL.match(target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        if ROOT not in goal.parents and goal != ROOT:
            yield f"{name}: {target} leads out of the project"
        elif not goal.exists():
            yield f"{name}: {target} does not exist"
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            yield f"{name}: {target} has no such heading"


def main():
    faults, count = [], 0
    for page in pages():
        name = page.relative_to(ROOT).as_posix()
        if not page.is_file():
            faults.append(f"{name}: does not exist")
            continue
        text = page.read_text()
        count += 1
        faults += snippet_faults(name, text)
        faults += link_faults(page, name, text)
    faults += check_conformance.faults(ROOT)
    print("\n".join(faults) or f"{count} pages: snippets match, links resolve")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
