"""Prints scenario x engine x runtime from the records of run, and holds gpurun to runc."""
import sys

records, differences = sys.argv[1:3]
rows, outputs, runtimes = {}, {}, []
for line in open(records, encoding="utf-8", errors="replace", newline="\n"):
    engine, name, runtime, verdict, output = line.rstrip("\n").split("\t", 4)
    rows.setdefault((engine, name), {})[runtime] = verdict
    outputs[engine, name, runtime] = output
    if runtime not in runtimes:
        runtimes.append(runtime)
explained = {}
for line in open(differences, encoding="utf-8"):
    if line.strip() and not line.startswith("#"):
        key, _, why = line.strip().partition(": ")
        explained[tuple(key.split())] = why

width = max((len(f"{engine} {name}") for engine, name in rows), default=0)
print(f"\n{'':{width}}  " + "  ".join(f"{runtime:8}" for runtime in runtimes))
passed = failed = skipped = 0
for (engine, name), verdicts in rows.items():
    cells = "  ".join(f"{verdicts.get(runtime, '-'):8}" for runtime in runtimes)
    note = ""
    if len(set(verdicts.values())) > 1:
        note = explained.get((engine, name), "NOT EXPLAINED in differences.txt")
    print(f"{engine + ' ' + name:{width}}  {cells}  {note}".rstrip())
    ours = verdicts.get("gpurun", verdicts[runtimes[0]])
    if ours == "pass":
        passed += 1
    elif verdicts.get("runc") == "fail" or (engine, name) in explained:
        skipped += 1  # runc fails here too: the machine or the engine
        print(f"{'':{width}}  says: {outputs[engine, name, runtimes[0]]}")
    else:
        failed += 1
        print(f"{'':{width}}  says: {outputs[engine, name, runtimes[0]]}")
print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(bool(failed))
