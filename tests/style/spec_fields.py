"""The properties of config.json that gpurun reads, by their paths: from the tables of src/spec and the structs that they name."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def member_types():
    """{(struct, member): name of the struct it holds, or a plain type}; containers are taken off."""
    types = {}
    text = re.sub(r"///.*|//.*", "", (ROOT / "include/gpurun/spec.h").read_text())
    for struct, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.MULTILINE | re.DOTALL):
        for kind, names in re.findall(r"^\s+([\w:<>, ]+?[\w>])\s+([\w\s,={}.:\"-]+);", body, re.MULTILINE):
            inner = re.findall(r"\w+", kind)[-1]
            for name in names.split(","):
                types[struct, name.split("=")[0].split("{")[0].strip()] = inner
    return types


def field_tables():
    """{struct: [(property, member)]} of all specialisations of Fields in src/spec."""
    tables = {}
    for path in sorted((ROOT / "src/spec").glob("tables*.h")):
        for struct, body in re.findall(r"struct Fields<(\w+)> \{(.*?)\n\};", path.read_text(), re.DOTALL):
            tables[struct] = [(name, member) for member, name in re.findall(r"<&\w+::(\w+)>\(\"(\w+)\"\)", body)]
    return tables


# Objects of the same kind at several places stand once.
COLLAPSED = {"Hook": "hooks.*", "ThrottleDevice": "linux.resources.blockIO.throttle*"}


def properties():
    """{(path of an object, property)}: ("process.user", "uid"); what stands at the top is in "config.json"."""
    tables, types = field_tables(), member_types()
    found = set()

    def walk(struct, path):
        for name, member in tables[struct]:
            found.add((path, name))
            kind = types[struct, member]
            if kind in tables:
                walk(kind, COLLAPSED.get(kind) or (name if path == "config.json" else f"{path}.{name}"))

    walk("Spec", "config.json")
    return found
