"""Docker's default seccomp profile, as Debian ships it, turned into what an engine writes into config.json."""
import json
import pathlib

# golang-github-containers-common's; docker.io has the same list inside its binary.
PROFILE = pathlib.Path("/usr/share/containers/seccomp.json")
KERNEL_OF_TODAY = (6, 0)


def _applies(group, capabilities):
    includes, excludes = group.get("includes") or {}, group.get("excludes") or {}
    if "amd64" in excludes.get("arches", []) or ("arches" in includes and not {"amd64", "x32", "x86"} & set(includes["arches"])):
        return False
    kernel = includes.get("minKernel")
    if kernel and tuple(map(int, kernel.split("."))) > KERNEL_OF_TODAY:
        return False
    return capabilities.issuperset(includes.get("caps", [])) and not capabilities & set(excludes.get("caps", []))


def default_profile(capabilities):
    """linux.seccomp for a process with these capabilities; None when the package is not installed."""
    if not PROFILE.exists():
        return None
    source = json.loads(PROFILE.read_text())
    profile = {"defaultAction": source["defaultAction"], "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": []}
    if "defaultErrnoRet" in source:
        profile["defaultErrnoRet"] = source["defaultErrnoRet"]
    for group in source["syscalls"]:
        if _applies(group, set(capabilities)):
            kept = {"names": group["names"], "action": group["action"]}
            if group.get("args"):
                kept["args"] = [{key: value for key, value in arg.items() if value is not None} for arg in group["args"]]
            if group.get("errnoRet") is not None:
                kept["errnoRet"] = group["errnoRet"]
            profile["syscalls"].append(kept)
    return profile
