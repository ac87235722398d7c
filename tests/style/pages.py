#!/usr/bin/env python3
"""Holds man/ to the program: options to the option tables, keys to the settings, properties to the spec's tables; and to mandoc's lint.

    tests/style/pages.py GPURUN
"""
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import spec_fields  # noqa: E402

ROOT = spec_fields.ROOT
MAN = ROOT / "man"
PROGRAM = sys.argv[1]
problems = []


def help_of(*verb):
    return subprocess.run([PROGRAM, *verb, "--help"], capture_output=True, text=True, check=True).stdout


def told_options(text):
    """{name: (letter, takes a value)} of what --help prints."""
    return {name: (letter, bool(value))
            for letter, name, value in re.findall(r"^ +(?:-(\w), )?--([\w-]+)( VALUE)?", text, re.MULTILINE)}


def written_options(text):
    """The same of a page: `.It Fl b , Fl -bundle Ar directory`. Tables of other things may have items without Fl."""
    options = {}
    for line in re.findall(r"^\.It (.*Fl -.*)$", text, re.MULTILINE):
        name = re.search(r"Fl -([\w-]+)", line)[1]
        letter = re.search(r"Fl (\w)\b", line)
        options[name] = (letter[1] if letter else "", " Ar " in line or "Ns = Ns" in line)
    return options


def section(text, kind, name):
    found = re.search(rf"^\.{kind} {name}$(.*?)(?=^\.S[hs] |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def compare(where, told, written):
    for name in sorted(told.keys() - written.keys()):
        problems.append(f"{where}: --{name} is not explained")
    for name in sorted(written.keys() - told.keys()):
        problems.append(f"{where}: --{name} is no option")
    for name in sorted(told.keys() & written.keys()):
        if told[name] != written[name]:
            problems.append(f"{where}: --{name} (letter, takes a value): the page says {written[name]}, --help {told[name]}")


def check_options():
    main = (MAN / "gpurun.8").read_text()
    told = help_of()
    compare("man/gpurun.8, OPTIONS", told_options(told), written_options(section(main, "Sh", "OPTIONS")))
    verbs = re.findall(r"^  ([a-z]+) +\S", told.partition("Commands:")[2].partition("Global options:")[0], re.MULTILINE)
    own_pages = {name: page for page in MAN.glob("gpurun-*.8") for name in re.findall(r"^\.Nm gpurun-(\w+)", page.read_text(), re.MULTILINE)}
    for page in MAN.glob("gpurun-*.8"):
        names = [verb for verb in verbs if own_pages.get(verb) == page]
        if not names:
            problems.append(f"{page.relative_to(ROOT)}: no verb has this page")
        elif names != ["gpu"]:  # Its own verbs have options.
            compare(page.relative_to(ROOT), {k: v for verb in names for k, v in told_options(help_of(verb)).items()},
                    written_options(page.read_text()))
    for verb in verbs:
        if not re.search(rf"^\.It Ic {verb}\b", section(main, "Sh", "COMMANDS"), re.MULTILINE):
            problems.append(f"man/gpurun.8, COMMANDS: {verb} is not there")
        if verb not in own_pages:
            compare(f"man/gpurun.8, {verb}", told_options(help_of(verb)), written_options(section(main, "Ss", verb)))


def check_settings():
    source = (ROOT / "src/gpu/settings.cpp").read_text()
    keys = set(re.findall(r'^    \{"([a-z-]+)", "[a-z.-]*",', source, re.MULTILINE)) | set(re.findall(r'source\.find\("([a-z-]+)"\)', source))
    written = set(re.findall(r"^\.It Ic ([a-z-]+)", (MAN / "gpurun.toml.5").read_text(), re.MULTILINE))
    problems.extend(f"man/gpurun.toml.5: the key {key} is not explained" for key in sorted(keys - written))
    problems.extend(f"man/gpurun.toml.5: {key} is no key" for key in sorted(written - keys))


def test_names():
    names = set()
    for path in (ROOT / "tests/integration/cases").glob("*.py"):
        names |= {f"{path.stem}: {title}" for title in re.findall(r'^@case\("([^"]*)"', path.read_text(), re.MULTILINE)}
    for path in (ROOT / "tests/unit").glob("*_test.cpp"):
        text = path.read_text()
        suite = re.search(r"BOOST_AUTO_TEST_SUITE\((\w+)", text)
        names |= {f"unit {suite[1]}: {name}" for name in re.findall(r"BOOST_(?:AUTO|DATA)_TEST_CASE\((\w+)", text)} if suite else set()
    return names


def check_spec():
    page = (MAN / "gpurun-spec.7").read_text()
    written = {(path, name) for path, names in re.findall(r"^\.It Ic (\S+) : (.*)$", page, re.MULTILINE) for name in names.split()}
    properties = spec_fields.properties()
    problems.extend(f"man/gpurun-spec.7: {path}: {name} is not listed" for path, name in sorted(properties - written))
    problems.extend(f"man/gpurun-spec.7: {path}: {name} is no property that gpurun reads" for path, name in sorted(written - properties))
    tests = test_names()
    for item in re.findall(r"^\.It Ic .*\n((?:(?!\.It|\.El).*\n)+)", page, re.MULTILINE):
        named = re.findall(r"^\.Dq (.*?)(?: [.,])?$", item, re.MULTILINE)
        problems.extend(f"man/gpurun-spec.7: there is no test \"{name}\"" for name in named if name not in tests)
        if not named or not re.search(r"^Since \d+\.\d+\.\d+\.$", item, re.MULTILINE):
            problems.append(f"man/gpurun-spec.7: an item without version or test: {item.splitlines()[0]}")


def check_form():
    if not shutil.which("mandoc"):
        problems.append("mandoc is not installed (apt-get install mandoc)")
        return
    pages = sorted(MAN.glob("*.[578]"))
    names = {page.stem for page in pages}
    lint = subprocess.run(["mandoc", "-T", "lint", *pages], capture_output=True, text=True, check=False)
    for line in (lint.stdout + lint.stderr).splitlines():
        # It looks for others where manuals are installed, in an index that may be old.
        missing = re.search(r"referenced manual not found: Xr (\S+)|outdated mandoc.db lacks", line)
        if not missing or (missing[1] and missing[1].startswith("gpurun") and missing[1] not in names):
            problems.append(line.replace(f"{ROOT}/", ""))


check_options()
check_settings()
check_spec()
check_form()
print("\n".join(problems) or f"{len(list(MAN.glob('*.[578]')))} pages hold")
sys.exit(bool(problems))
