"""Registers cases and runs them one after another, with TAP lines as output."""
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import traceback

from . import environment, leftovers
from .container import Test

REGISTERED = []
FEATURES = {}  # "subject: title" to feature


def case(title, *, modes=environment.MODES, needs=(), runc=None, feature=None):
    """A test case, titled by a sentence that is true of gpurun. modes: cgroup layouts where it makes sense. needs: functions
    that return a reason to skip, or None. runc, crun: in what that peer differs, so that its failure is expected. feature: the
    row of tests/environments/run's table that the case belongs to."""
    def register(function):
        if feature:
            FEATURES[f"{function.__module__.rpartition('.')[2]}: {title}"] = feature
        REGISTERED.append((function.__module__.rpartition(".")[2], title, modes, needs, runc, function))
        return function
    return register


def controller(name):
    """A need: the controller name can limit in the current layout."""
    return lambda: environment.why_no_controller(name)


def kernel_file(path):
    """A need: the kernel has path."""
    return lambda: None if pathlib.Path(path).exists() else f"this kernel has no {path}"


def tool(name):
    """A need: the program name is installed."""
    return lambda: None if shutil.which(name) else f"{name} is not installed"


def load(directory):
    for path in sorted(directory.glob("*.py")):
        importlib.import_module(f"cases.{path.stem}")


def attempt(function, test):
    """Runs one case; returns its problems: sentences, none if all is well."""
    before = leftovers.snapshot()
    problems = []
    try:
        function(test)
    except AssertionError as error:
        line = next((f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if "/cases/" in f.filename), 0)
        problems.append(f"line {line}: {error}")
    except Exception:  # a case's own bug must not end the run
        problems += traceback.format_exc().strip().splitlines()[-4:]
    for container in test.containers:
        try:
            result = container.delete("--force")
            if result.code != 0 and "does not exist" not in result.err:
                problems.append(f"delete --force {container.id}: {result.err.strip()}")
        except AssertionError as error:
            problems.append(str(error))
    return problems + leftovers.find(test, before)


def run(mode, runtime, workspace, wanted):
    """Runs the cases whose `subject: title` has each word of wanted ("a|b": one of the two). Returns (passed, failed, skipped)."""
    passed = failed = skipped = number = 0
    for subject, title, modes, needs, runc_differs, function in REGISTERED:
        name = f"{subject}: {title}"
        if mode not in modes or not all(any(part in name for part in word.split("|")) for word in wanted):
            continue
        number += 1
        reason = next(filter(None, (need() for need in needs)), None)
        if reason:
            skipped += 1
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
            continue
        test = Test(runtime, workspace / str(number), f"it{os.getpid()}-{number}", workspace / "busybox")
        began = time.monotonic()
        problems = attempt(function, test)
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
        if not problems:
            passed += 1
            print(f"ok {number} - {name} # {took}", flush=True)
            subprocess.run(["rm", "-rf", test.directory], check=False)
        elif runc_differs and runtime.name == "runc":
            skipped += 1
            print(f"ok {number} - {name} # SKIP runc differs: {runc_differs}", flush=True)
        else:
            failed += 1
            print(f"not ok {number} - {name} # {took}")
            for line in [*problems, *test.trace]:
                print("#   " + line.replace("\n", "\n#   "))
            sys.stdout.flush()
    print(f"1..{number}", flush=True)
    return passed, failed, skipped
