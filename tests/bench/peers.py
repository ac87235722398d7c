"""Newer crun and runc from Debian, each with its libraries below a directory of its own: nothing is installed."""
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
LOADER = "lib64/ld-linux-x86-64.so.2"


def _apt(directory, suite):
    """apt-get and apt-cache with their own lists, so that the machine's stay what they are."""
    state = directory / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "sources").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
    return ["-qq", "-o", f"Dir::Etc::sourcelist={state}/sources", "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={state}/lists",
            "-o", f"Dir::Cache={state}/cache"]


def _with_libraries(options, package):
    """The package and the libraries it needs, by name."""
    output = subprocess.run(["apt-cache", *options, "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                             "--no-replaces", "--no-enhances", package], check=True, capture_output=True, text=True).stdout
    names = {line for line in output.splitlines() if line and not line.startswith((" ", "<"))}
    return [package, *sorted(name for name in names if name.startswith("lib") and not name.startswith("libc-bin"))]


def fetch(directory, name, suite="sid"):
    """Returns the program DIRECTORY/NAME/bin/NAME, downloaded unless it is there. Its loader and library path are set inside the file: it starts as an
    installed program does, and may execute itself again."""
    program = directory / name / "bin" / name
    if program.exists():
        return program
    directory.mkdir(parents=True, exist_ok=True)
    if shutil.which("patchelf") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "patchelf"], check=True, stdout=subprocess.DEVNULL)
    options = _apt(directory, suite)
    subprocess.run(["apt-get", *options, "update"], check=True)
    debs, root = directory / name / "debs", directory / name / "root"
    debs.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", *options, "download", *_with_libraries(options, name)], cwd=debs, check=True)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    shutil.rmtree(debs)
    original = next(root / place / name for place in ("usr/bin", "usr/sbin", "bin", "sbin") if (root / place / name).exists())
    program.parent.mkdir(exist_ok=True)
    made = program.with_suffix(".new")
    shutil.copy2(original, made)
    loader = next(path for path in (root / "usr" / LOADER, root / LOADER, root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2") if path.exists())
    paths = ":".join(str(root / place) for place in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    subprocess.run(["patchelf", "--set-interpreter", loader, "--set-rpath", paths, "--force-rpath", made], check=True)
    made.rename(program)
    return program
