#!/usr/bin/env python3
"""Holds the includes of src/ and include/ to the table in layers.txt."""
import pathlib
import re
import sys

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
allowed = {}
rows = []
for line in (here / "layers.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        module, _, rest = line.partition(":")
        allowed[module] = {module, *rest.split()}
        rows.append(f"| {module} | {rest.strip() or '–'} |")

# The public headers belong to the module they declare; these are named otherwise.
public = {"error": "base", "fd": "sys", "inventory": "gpu", "mount_options": "spec"}
problems = []
for path in sorted([*root.glob("src/**/*.h"), *root.glob("src/**/*.cpp"), *root.glob("include/gpurun/*.h")]):
    module = public.get(path.stem, path.stem) if path.parent.name == "gpurun" else path.relative_to(root / "src").parts[0]
    if module not in allowed:
        problems.append(f"{path.relative_to(root)}: module {module} has no row in tests/style/layers.txt")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include (?:"(\w+)/|<gpurun/(\w+)\.h>)', line)
        if not found:
            continue
        used = found[1] or public.get(found[2], found[2])
        if used not in allowed[module]:
            problems.append(f"{path.relative_to(root)}:{number}: {module} may not include {used}")
table = "\n".join(rows)
if table not in (root / "CONTRIBUTING.md").read_text():
    problems.append("CONTRIBUTING.md: its table of layers is not that of tests/style/layers.txt; it should be:\n" + table)
print("\n".join(problems) or f"layers: {len(allowed)} modules hold")
sys.exit(bool(problems))
