"""Samples by (condition, operation, runtime), and the tables made of them."""
import collections
import json
import statistics


class Samples:
    def __init__(self, runtimes):
        self.runtimes = runtimes
        self.unit = {}
        self.values = collections.defaultdict(lambda: collections.defaultdict(list))

    def add(self, condition, operation, runtime, value, unit="ms"):
        self.unit[condition, operation] = unit
        self.values[condition, operation][runtime].append(value)

    def conditions(self):
        return list(dict.fromkeys(condition for condition, _ in self.values))

    def table(self, condition):
        """A Markdown table: per operation and runtime median, minimum and 95th percentile, and the first runtime's share of each other's."""
        timed = {name for (where, _), by_runtime in self.values.items() if where == condition for name in by_runtime}
        runtimes = [name for name in self.runtimes if name in timed]
        first, others = runtimes[0], runtimes[1:]
        head = ["operation", *(f"{name} med/min/p95" for name in runtimes), *(f"{first}:{name} med (min)" for name in others)]
        lines = [f"### {condition}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for (where, operation), by_runtime in self.values.items():
            if where != condition:
                continue
            unit = self.unit[where, operation]
            cells = [operation if unit == "ms" else f"{operation} ({unit})"]
            cells += [_numbers(by_runtime.get(name), unit) for name in runtimes]
            cells += [_ratio(by_runtime.get(first), by_runtime.get(name)) for name in others]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def json(self, facts):
        rows = [{"condition": condition, "operation": operation, "unit": self.unit[condition, operation], "runtime": name,
                 "samples": [round(value, 4) for value in values], "median": statistics.median(values), "min": min(values),
                 "p95": _p95(values)}
                for (condition, operation), by_runtime in self.values.items() for name, values in by_runtime.items()]
        return json.dumps({"facts": facts, "rows": rows}, indent=1)


def _p95(values):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def _numbers(values, unit):
    if not values:
        return "–"
    if unit == "KB":
        return f"{statistics.median(values):.0f}"
    return f"{statistics.median(values):.2f} / {min(values):.2f} / {_p95(values):.2f}"


def _ratio(ours, theirs):
    if not ours or not theirs or not statistics.median(theirs):
        return "–"
    return f"{statistics.median(ours) / statistics.median(theirs):.2f} ({min(ours) / max(min(theirs), 1e-9):.2f})"
