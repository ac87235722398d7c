"""Prints scenario x engine x runtime from the records of run, and holds gpurun to runc.
   table.py [--compare FILE | --update FOLDER] RECORDS DIFFERENCES"""
import argparse
import dataclasses
import pathlib
import re
import sys


@dataclasses.dataclass
class Outcome:
    """What one scenario gave on one runtime."""
    verdict: str  # pass or fail
    kind: str  # works; refused: an error is wanted, and the same from both
    code: str
    output: str

    def error(self):
        """The message without what must differ: the runtime's own words around it, ids, temporary paths."""
        text = re.sub(r"error running container: from \S+ creating container for \[\S+\]:", "", self.output)
        text = re.sub(r'time="[^"]*" level=error msg="error waiting for container[^"]*"', "", text)  # comes or not
        text = re.sub(r'time="[^"]*" level=warning msg="[^"]*"', "", text)
        text = re.sub(r'time="[^"]*" level=error msg=', "", text)
        text = text.replace('\\"', "").replace('"', "")
        text = re.sub(r"OCI runtime (create|exec) failed: .*?unable to start container process: ", r"OCI runtime \1 failed: ", text)
        text = re.sub(r"(runc (create|run|exec) failed: |exec failed: )?(unable to start container process: )?", "", text)
        text = re.sub(r"error during container init: ", "", text)
        text = re.sub(r"(\S*/)?(gpurun|runc): ", "", text)
        text = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", text)
        text = re.sub(r"/tmp/gpurun\.\w+/\d+", "TMP", text)
        text = re.sub(r"/\S*/gpurun\b", "gpurun", text)  # wherever it was built
        text = re.sub(r"exit status \d+ Error: while running", "Error: while running", text)  # Buildah tells the runtime's own
        return self.code, " ".join(text.split())


def read(path):
    rows = {}
    for line in open(path, encoding="utf-8", errors="replace", newline="\n"):
        engine, name, runtime, verdict, kind, code, output = line.rstrip("\n").split("\t", 6)
        rows.setdefault((engine, name), {})[runtime] = Outcome(verdict, kind, code, output)
    return rows


def read_differences(path):
    explained = {}
    for line in open(path, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            key, _, why = line.strip().partition(": ")
            explained[tuple(key.split())] = why
    return explained


def reason(explained, row):
    """Why the row may differ: its own line, or that of all of the engine's."""
    return explained.get(row) or explained.get((row[0], "*"))


def judge(ours, runc, why):
    """(passed, failed or skipped; what is to be said about the row)."""
    if runc is None:
        differs = "" if why else "runc was not asked"
    elif ours.verdict != runc.verdict:
        differs = f"runc: {runc.output[:200]}" if ours.verdict == "pass" else "gpurun is behind runc"
    elif ours.kind == "refused" and ours.error() != runc.error():
        differs = f"another message or code than runc's {runc.code}: {runc.error()[1][:300]}"
    else:
        differs = ""
    if ours.verdict == "fail":
        # Where runc fails as well, the machine or the engine can't do it; the reason must still be known.
        return ("skipped" if why and runc is not None and runc.verdict == "fail" else "failed"), why or f"NOT EXPLAINED: {differs}"
    return ("failed", f"NOT EXPLAINED: {differs}") if differs and not why else ("passed", why or "")


def markdown(rows, explained):
    yield "# Engines on gpurun and on runc\n"
    yield "Written by `conformance/engines/run`: scenarios of engines from Debian 12's packages, on the same machine. Errors that are wanted"
    yield "must have the same exit code and message. What differs is explained in the row.\n"
    yield "| engine | scenario | gpurun | runc | |\n|---|---|---|---|---|"
    for (engine, name), outcomes in rows.items():
        cells = [outcomes[runtime].verdict if runtime in outcomes else "–" for runtime in ("gpurun", "runc")]
        yield f"| {engine} | {name} | {cells[0]} | {cells[1]} | {reason(explained, (engine, name)) or ''} |"


def update(folder, rows, explained):
    """Puts \a rows into the folder's outcomes.tsv and writes matrix.md from it."""
    file = folder / "outcomes.tsv"
    known = read(file) if file.exists() else {}
    for key, outcomes in rows.items():
        known.setdefault(key, {}).update(outcomes)
    known = dict(sorted(known.items(), key=lambda row: row[0][0]))  # stable: scenarios stay in their engine's order
    with open(file, "w", encoding="utf-8") as to:
        for (engine, name), outcomes in known.items():
            for runtime, outcome in sorted(outcomes.items()):
                # The runtime's words count where it refuses; else what it said only matters when it failed.
                words = outcome.error()[1] if outcome.kind == "refused" else ""
                if outcome.verdict == "fail" and not words:
                    words = outcome.error()[1][:200].rpartition(" ")[0]
                to.write("\t".join([engine, name, runtime, outcome.verdict, outcome.kind, outcome.code, words]) + "\n")
    (folder / "matrix.md").write_text("\n".join(markdown(known, explained)) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compare", type=pathlib.Path, help="a record of outcomes: runc's are taken from it")
    parser.add_argument("--update", type=pathlib.Path, help="the folder of outcomes.tsv and matrix.md: these outcomes go in")
    parser.add_argument("records")
    parser.add_argument("differences")
    options = parser.parse_args()
    rows, explained = read(options.records), read_differences(options.differences)
    if options.compare:
        recorded = read(options.compare)
        for key, outcomes in rows.items():
            outcomes.update({runtime: outcome for runtime, outcome in recorded.get(key, {}).items() if runtime == "runc"})

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    width = max((len(f"{engine} {name}") for engine, name in rows), default=0)
    print(f"\n{'':{width}}  gpurun  runc")
    for key, outcomes in rows.items():
        ours, runc = outcomes.get("gpurun"), outcomes.get("runc")
        verdict, note = judge(ours, runc, reason(explained, key)) if ours else ("failed", "gpurun gave no answer")
        counts[verdict] += 1
        print(f"{' '.join(key):{width}}  {ours.verdict if ours else '-':6}  {runc.verdict if runc else '-':6}  {note}".rstrip())
        if verdict != "passed" and ours:
            print(f"{'':{width}}  says: exit code {ours.code}: {ours.output}")
    if options.update:
        update(options.update, rows, explained)
    print(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return bool(counts["failed"])


sys.exit(main())
