"""An ordinary user. Where programs must know the account, it exists in the mount namespaces of calls alone: no file of the machine is
touched."""
import dataclasses
import os
import pathlib
import shutil

UID = 4242  # "tester" in tests/environments/root-image
FIRST_SUBORDINATE, SUBORDINATES = 100000, 65536
ACCOUNTS = ("passwd", "group", "subuid", "subgid")
COVER_ACCOUNTS = """for file in {accounts}; do mount --bind {directory}/$file /etc/$file; done; exec "$@\""""


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


def make(directory: pathlib.Path, *, groups=(), variables=(), accounts=False):
    """A user with additional groups, and these variables ("NAME=VALUE") besides PATH and HOME. accounts: newuidmap and its like can
    look him up, with subordinate ids."""
    place = directory / "user"
    (place / "runtime").mkdir(parents=True)
    command = ["setpriv", "--reuid", str(UID), "--regid", str(UID), f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups",
               "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={place}", *(variables or (f"XDG_RUNTIME_DIR={place}/runtime",))]
    if accounts:
        lines = {"passwd": f"tester:x:{UID}:{UID}::{place}:/bin/sh", "group": f"tester:x:{UID}:"}
        for file in ACCOUNTS:
            before = pathlib.Path("/etc", file).read_text() if file in lines else ""
            kept = "".join(line for line in before.splitlines(True) if not line.startswith("tester:"))
            (place / file).write_text(kept + lines.get(file, f"tester:{FIRST_SUBORDINATE}:{SUBORDINATES}") + "\n")
        cover = COVER_ACCOUNTS.format(accounts=" ".join(ACCOUNTS), directory=place)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", cover, "sh", *command]
    return User(tuple(command))


def needs_subordinate_ids():
    """A need: programs that map subordinate ids are installed."""
    missing = [name for name in ("newuidmap", "newgidmap") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    return None if os.path.exists("/etc/subuid") and os.path.exists("/etc/subgid") else "there is no /etc/subuid to put a file of the test's own over"
