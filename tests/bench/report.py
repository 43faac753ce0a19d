"""Tables for people, one JSON object for programs."""


def table(title, head, rows):
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for n, row in enumerate(cells):
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))
        if n == 0:
            print("  " + "  ".join("-" * w for w in widths))


def verdict(what, value, budget, unit=""):
    """One line of the budgets: 'value' should be at most 'budget'."""
    word = "within" if value <= budget else "OVER"
    print(f"  {what}: {value:.4g}{unit}, budget {budget:.4g}{unit}: {word}")
    return {"what": what, "value": value, "budget": budget, "within": value <= budget}
