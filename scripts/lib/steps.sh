# Steps with visible progress, a log each, and a count of tests; sourced. Needs $logs, a directory.

passed=0 failed=0 skipped=0
failures=()

heading() { printf '\n== %s\n' "$*"; }

# step NAME HINT COMMAND...: runs a step that the following ones need. If it fails, says so with HINT, how to go on, and ends.
step() {
  local name=$1 hint=$2 began=$SECONDS
  shift 2
  heading "$name"
  if "$@" >"$logs/${name// /-}.log" 2>&1; then
    echo "done in $((SECONDS - began)) s"
    return 0
  fi
  tail -n 40 "$logs/${name// /-}.log"
  echo
  echo "FAILED: $name (whole log: $logs/${name// /-}.log)"
  echo "To go on: $hint"
  exit 1
}

# suite NAME HINT COMMAND...: runs a test suite and shows its output. It counts itself in a line "N passed, N failed[, N skipped]";
# a suite without that line counts as one test, passed if it exits with 0.
suite() {
  local name=$1 hint=$2 began=$SECONDS log counts
  shift 2
  log="$logs/${name// /-}.log"
  heading "suite $name"
  "$@" 2>&1 | tee "$log" | sed -u 's/^/| /'
  local status=${PIPESTATUS[0]}
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
  if [ -z "$counts" ]; then counts="$((status == 0)) passed, $((status != 0)) failed"; fi
  set -- ${counts//[!0-9 ]/}
  if [ "$status" != 0 ] && [ "$2" = 0 ]; then set -- "$1" 1 "${3:-0}"; fi
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
  echo "$name: $1 passed, $2 failed, ${3:-0} skipped, $((SECONDS - began)) s"
  if [ "$2" != 0 ]; then failures+=("$name ($2 failed; log: $log). To go on: $hint"$'\n'"$(first_failures "$log")"); fi
}

# first_failures LOG: what a suite's TAP lines say about what failed, for a reader who has only the end of the output.
first_failures() { grep -E -A 6 '^not ok|^# must pass' "$1" | grep -E '^not ok|^#' | grep -v '# TODO' | cut -c 1-200 | head -n 20; }

# left_out NAME REASON: a suite that cannot run here.
left_out() {
  heading "suite $1"
  echo "skipped: $2"
  skipped=$((skipped + 1))
}

# closing_line: names what failed, then prints the sum of all suites; its status is that of the whole run.
closing_line() {
  local failure
  echo
  for failure in "${failures[@]}"; do echo "FAILED: $failure"; done
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}
