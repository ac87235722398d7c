# What a GPU costs; sourced by scripts/gpu-check. Containers with and without are started in turn, so that the machine's moods meet both.

bundle plain debian "" "" -- true
bundle gpu debian "$all" "" -- true
if [ -z "$only" ] || [[ "create + start" == *"$only"* ]]; then
  read -r plain with more < <(python3 - "$gpurun" "$root" "$work/plain" "$work/gpu" <<'PYTHON'
import subprocess, sys, time
gpurun, root, *bundles = sys.argv[1:]
times = ([], [])
for i in range(46):
    for kind, bundle in enumerate(bundles):
        name = f"t{i}-{kind}"
        begin = time.perf_counter()
        subprocess.run([gpurun, "--root", root, "create", "--bundle", bundle, name], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        subprocess.run([gpurun, "--root", root, "start", name], check=True)
        times[kind].append(1000 * (time.perf_counter() - begin))
        subprocess.run([gpurun, "--root", root, "delete", "--force", name], check=True)
plain, gpu = (sorted(each[6:])[20] for each in times)
print(f"{plain:.2f} {gpu:.2f} {gpu - plain:.2f}")
PYTHON
  )
  echo "# create + start, median of 40: $plain ms without a GPU, $with ms with it (+$more)"
  check "create + start of a GPU container takes at most 10 ms" python3 -c "import sys; sys.exit(not ($with <= 10))"
  check "a GPU adds at most 1.5 ms to create + start" python3 -c "print('it adds $more ms'); import sys; sys.exit(not ($more <= 1.5))"
fi
