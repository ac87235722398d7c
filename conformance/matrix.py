"""Writes matrix.md: what each runtime passes in each layout, and why the rest cannot be passed."""
import tomllib

WHY = {"suite": "a fault of the suite", "specification": "the current specification says otherwise", "machine": "the machine",
       "practice": "what engines count on"}


class Limits:
    """limits.toml: which programs need not pass."""

    def __init__(self, path):
        data = tomllib.loads(path.read_text())
        self.repeats = set(data["repeats"])
        self.entries = data["limit"]

    def reason(self, program, mode):
        """The entry that excuses the program in this mode, or None if it must pass."""
        for entry in self.entries:
            if program in entry["programs"] and mode in entry.get("modes", [mode]):
                return entry
        return None


def table(rows):
    return "\n".join("|" + "|".join(row) + "|" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def write(path, results, versions, limits):
    """results: {(runtime, mode): {program: verdict}}."""
    columns = list(results)
    programs = sorted({program for verdicts in results.values() for program in verdicts})
    rows = [["program", *(f"{runtime} {mode}" for runtime, mode in columns)]]
    rows += [[program, *(results[column].get(program, "") for column in columns)] for program in programs]
    passed = [sum(verdict == "pass" for verdict in results[column].values()) for column in columns]
    rows.append(["**passed**", *(f"**{count}/{len(programs)}**" for count in passed)])
    required = [sum(limits.reason(program, mode) is None for program in programs) for _, mode in columns]
    rows.append(["must pass", *map(str, required)])
    reasons = [["programs", "layouts", "kind", "reason"]]
    reasons += [[", ".join(entry["programs"]), ", ".join(entry.get("modes", ["all"])), WHY[entry["why"]],
                 entry["reason"] + ("; may pass by luck or elsewhere" if entry.get("may_pass") else "")] for entry in limits.entries]
    text = f"""# OCI validation suite: results

Written by `conformance/run`; do not edit. Versions: {", ".join(versions)}. Layouts: v1 is cgroup v1 alone, v2 is cgroup2 alone, hybrid is v1
with cgroup2 beside it. `FAIL(a/b)`: a of b assertions held; `FAIL(rcN)`: the program itself ended with N.

{table(rows)}

## Programs that need not pass

{table(reasons)}
"""
    path.write_text(text)
