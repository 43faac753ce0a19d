"""docs/conformance.md, as a test: no row is missing, each has a test or a reason, and each test it names exists.

Part of scripts/check_docs.py.
"""
import re

PAGE = "docs/conformance.md"
ROW = re.compile(r"^\| ([A-Z]{1,2}\d+[a-d]?) \|(.*)\|$", re.M)
CITED = re.compile(r"`([A-Z]\w+)\.(\w+)`")
SCRIPT = re.compile(r"`(tests/[\w/]+\.py)`")
REASON = re.compile(r"(not yet|differs|n/a): \S")
DEFINED = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", re.M)
PLACE = re.compile(r"^\| (\w+) \| (tests/\S+) \|$", re.M)

# The rows of each system; numbers that are not here were never given.
NUMBERS = {"H": "1-17", "G": "1-15", "W": "1-22", "T": "1-17", "N": "1-8", "HD": "1-9 11-15", "GR": "1-4",
           "GN": "1-11 13-20", "WL": "1-9 10a 10b 10c 10d 11 12a 12b 12c 13a 13b 14a 14b 14c 15 16",
           "LG": "1-3 5a 5b 5c 5d 6 7", "TF": "1-11 13-20 21a 21b 22 23 24b 25 26a 26b 26c 27 28",
           "NH": "1-7 9 11 12", "SS": "1 3-5", "EH": "1", "A": "1-37", "R": "1-18", "K": "1-18"}


def wanted_rows():
    for system, numbers in NUMBERS.items():
        for part in numbers.split():
            first, dash, last = part.partition("-")
            for number in range(int(first), int(last) + 1) if dash else [part]:
                yield f"{system}{number}"


def tests(root):
    """Suite to {name: file}. A suite may be in several files."""
    found = {}
    for source in sorted((root / "tests").rglob("*.cpp")):
        for suite, name in DEFINED.findall(source.read_text()):
            found.setdefault(suite, {})[name] = source.relative_to(root).as_posix()
    return found


def faults(root):
    text = (root / PAGE).read_text()
    defined = tests(root)
    rows = ROW.findall(text)
    ids = [row for row, _ in rows]
    for row in wanted_rows():
        if ids.count(row) != 1:
            yield f"{PAGE}: {row} has {ids.count(row)} rows"
    for row in sorted(set(ids) - set(wanted_rows())):
        yield f"{PAGE}: {row} is no row of any system"
    places = set(PLACE.findall(text))
    needed = set()
    for row, rest in rows:
        cells = [cell.strip() for cell in rest.split("|")]
        if len(cells) != 3:
            yield f"{PAGE}: {row} has {len(cells) + 1} columns"
            continue
        if not (CITED.search(cells[2]) or SCRIPT.search(cells[2]) or REASON.match(cells[2])):
            yield f"{PAGE}: {row} has neither a test nor a reason"
        for suite, name in CITED.findall(rest):
            file = defined.get(suite, {}).get(name)
            if file is None:
                yield f"{PAGE}: {row} names {suite}.{name}, which no test file defines"
            else:
                needed.add((suite, file))
        for script in SCRIPT.findall(rest):
            if not (root / script).is_file():
                yield f"{PAGE}: {row} names {script}, which does not exist"
    for suite, file in sorted(needed - places):
        yield f"{PAGE}: the last section lacks | {suite} | {file} |"
    for suite, file in sorted(places - needed):
        yield f"{PAGE}: the last section has {suite} in {file}, which no row names"
