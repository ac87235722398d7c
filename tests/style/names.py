#!/usr/bin/env python3
"""Holds file names, headers and sizes to the style: no dumps, no forbidden headers, no file that only grows."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
forbidden_names = {"utils", "util", "common", "helpers", "misc", "linux"}
forbidden_headers = {"filesystem", "iostream", "regex", "thread"}
largest = 500  # lines: the aim is 400
problems = []
for path in sorted([*root.glob("src/**/*"), *root.glob("include/**/*"), *root.glob("scripts/**/*"), *root.glob("tests/**/*")]):
    name = path.relative_to(root)
    if path.stem in forbidden_names:
        problems.append(f"{name}: a name that says nothing of what is in it")
    if path.suffix not in (".h", ".cpp") or name.parts[0] not in ("src", "include"):
        continue
    lines = path.read_text().splitlines()
    if len(lines) > largest:
        problems.append(f"{name}: {len(lines)} lines; split it by subject")
    for number, line in enumerate(lines, 1):
        found = re.match(r"#\s*include <(\w+)>", line)
        if found and found[1] in forbidden_headers:
            problems.append(f"{name}:{number}: <{found[1]}> is not used here")
print("\n".join(problems) or "names, headers and sizes hold")
sys.exit(bool(problems))
