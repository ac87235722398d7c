"""An ordinary user, who exists in the mount namespaces of calls alone: no account of the machine is touched."""
import dataclasses
import os
import pathlib
import shutil

UID = 4242  # "tester" in tests/environments/root-image
FIRST_SUBORDINATE, SUBORDINATES = 100000, 65536
ACCOUNTS = ("passwd", "group", "subuid", "subgid")
SCRIPT = """#!/bin/sh
for file in {accounts}; do mount --bind {directory}/$file /etc/$file; done
exec setpriv --reuid {uid} --regid {uid} {groups} env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME={directory} {variables} "$@"
"""


@dataclasses.dataclass
class User:
    prefix: tuple  # a command that runs another as the user

    def take(self, directory):
        """Makes directory and all in it the user's, but for the busybox that all containers share."""
        for path, _, files in os.walk(directory):
            os.chown(path, UID, UID)
            for name in files:
                if name != "busybox":
                    os.lchown(os.path.join(path, name), UID, UID)


def make(directory: pathlib.Path, *, groups=(), variables=()):
    """A user with subordinate ids, additional groups, and these variables ("NAME=VALUE") besides PATH and HOME."""
    place = directory / "user"
    place.mkdir()
    (place / "runtime").mkdir()
    lines = {"passwd": f"tester:x:{UID}:{UID}::{place}:/bin/sh", "group": f"tester:x:{UID}:"}
    for file in ACCOUNTS:
        before = pathlib.Path("/etc", file).read_text() if file in lines else ""
        kept = "".join(line for line in before.splitlines(True) if not line.startswith("tester:"))
        (place / file).write_text(kept + lines.get(file, f"tester:{FIRST_SUBORDINATE}:{SUBORDINATES}") + "\n")
    script = place / "enter"
    wanted = variables or (f"XDG_RUNTIME_DIR={place}/runtime",)
    script.write_text(SCRIPT.format(
        accounts=" ".join(file for file in ACCOUNTS if os.path.exists(f"/etc/{file}")), directory=place, uid=UID, variables=" ".join(wanted),
        groups=f"--groups {','.join(map(str, groups))}" if groups else "--clear-groups"))
    script.chmod(0o755)
    return User(("unshare", "--mount", "--propagation", "private", str(script)))


def needs_subordinate_ids():
    """A need: programs that map subordinate ids are installed."""
    missing = [name for name in ("newuidmap", "newgidmap") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    return None if os.path.exists("/etc/subuid") and os.path.exists("/etc/subgid") else "there is no /etc/subuid to put a file of the test's own over"
