"""Writes matrix.md: what each runtime passes in each layout, and why the rest cannot be passed."""
import tomllib

WHY = {"suite": "a fault of the suite", "specification": "the current specification says otherwise", "machine": "the machine",
       "practice": "what engines count on"}


class Limits:
    """limits.toml: which programs need not pass."""

    def __init__(self, path):
        data = tomllib.loads(path.read_text())
        self.attempts = data["attempts"]
        self.entries = data["limit"]

    def reason(self, program, mode, version):
        """The entry that excuses the program of this version in this layout, or None if it must pass."""
        for entry in self.entries:
            if program in entry["programs"] and mode in entry.get("modes", [mode]) and version in entry.get("suites", [version]):
                return entry
        return None


def table(rows):
    return "\n".join("|" + "|".join(row) + "|" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def verdict_table(results, version, limits):
    """Every program in a row, every runtime in every layout in a column."""
    columns = [column for column in results if column[0] == version]
    programs = sorted({program for column in columns for program in results[column]})
    rows = [["program", *(f"{runtime} {mode}" for _, runtime, mode in columns)]]
    rows += [[program, *(results[column].get(program, ["", ""])[0] for column in columns)] for program in programs]
    passed = [sum(verdict == "pass" for verdict, _ in results[column].values()) for column in columns]
    rows.append(["**passed**", *(f"**{count}/{len(programs)}**" for count in passed)])
    required = [sum(limits.reason(program, mode, version) is None for program in programs) for _, _, mode in columns]
    rows.append(["must pass", *map(str, required)])
    return table(rows)


def shown(results, version, runtime, program):
    """The verdicts of one runtime in all layouts and what the program printed, for a cell."""
    parts = []
    for (its_version, its_runtime, mode), verdicts in results.items():
        if (its_version, its_runtime) == (version, runtime) and program in verdicts:
            verdict, line = verdicts[program]
            line = line.replace("|", "\\|").replace("`", "'")
            parts.append((mode, verdict + (f" `{line}`" if line else "")))
    if len({text for _, text in parts}) == 1:
        return parts[0][1]
    return "; ".join(f"{mode} {text}" for mode, text in parts)


def reason_table(results, version, limits):
    runtimes = list(dict.fromkeys(runtime for its_version, runtime, _ in results if its_version == version))
    rows = [["program", "layouts", "kind", "reason", *runtimes]]
    programs = sorted({program for column in results if column[0] == version for program in results[column]})
    for program in programs:
        for entry in limits.entries:
            if program in entry["programs"] and version in entry.get("suites", [version]):
                rows.append([program, ", ".join(entry.get("modes", ["all"])), WHY[entry["why"]],
                             entry["reason"] + ("; may pass by luck or elsewhere" if entry.get("may_pass") else ""),
                             *(shown(results, version, runtime, program) for runtime in runtimes)])
    return table(rows)


def write(path, results, pinned, runtimes, limits):
    """results: {(version, runtime, mode): {program: [verdict, evidence]}}."""
    text = f"""# OCI validation suite: results

Written by `conformance/run`; do not edit. Runtimes: {", ".join(runtimes)}. Layouts: v1 is cgroup v1 alone, v2 is cgroup2 alone, hybrid is v1
with cgroup2 beside it. `FAIL(a/b)`: a of b assertions held; `FAIL(rcN)`: the program itself ended with N. "must pass" counts the programs that
limits.toml does not excuse: `conformance/run --check` fails when gpurun misses one.
"""
    for version, commit in pinned.items():
        text += f"""
## The {version} suite, runtime-tools at {commit}

{verdict_table(results, version, limits)}

### Programs that need not pass, and what they say

{reason_table(results, version, limits)}
"""
    path.write_text(text)
