# Scenarios and their results; sourced. Needs $results, $log, $engine, $runtime_name.

# check NAME CODE PATTERN COMMAND...: one scenario: COMMAND ends with CODE (!0: any failure) and prints a match of PATTERN. A failure that
# is wanted must have the same code and message on every runtime.
check() {
  local name=$1 wanted_code=$2 pattern=$3 output code
  shift 3
  if [ ${#chosen_scenarios[@]} != 0 ] && [[ " ${chosen_scenarios[*]} " != *" $name "* ]]; then return 0; fi
  output=$(limited "$@" </dev/null 2>&1)
  code=$?
  {
    echo "--- $engine $runtime_name $name: exit code $code, wanted $wanted_code and /$pattern/"
    printf '%s\n' "$*" "$output"
  } >>"$log"
  local verdict=pass
  if [ "$wanted_code" = '!0' ]; then [ "$code" != 0 ] || verdict=fail; else [ "$code" = "$wanted_code" ] || verdict=fail; fi
  grep -qE -- "$pattern" <<<"$output" || verdict=fail
  local kind=works
  if [ "$wanted_code" != 0 ]; then kind=refused; fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$engine" "$name" "$runtime_name" "$verdict" $kind "$code" \
    "$(head -c 600 <<<"$output" | tr '\n\t' '  ')" >>"$results"
  [ $verdict = pass ] || echo "  $engine $runtime_name $name: exit code $code, output: $(head -c 400 <<<"$output" | tr '\n' ' ')"
}

# expect CODE PATTERN COMMAND...: a step inside a scenario of several commands; prints what was wrong and fails.
expect() {
  local wanted_code=$1 pattern=$2 output code
  shift 2
  output=$(limited "$@" </dev/null 2>&1)
  code=$?
  if [ "$code" != "$wanted_code" ] || ! grep -qE -- "$pattern" <<<"$output"; then
    echo "$*: exit code $code, wanted $wanted_code and /$pattern/: $output"
    return 1
  fi
}

# scenario NAME: runs the function scenario_NAME, which succeeds, or says what went wrong.
scenario() { check "$1" 0 '' "scenario_$1"; }

# limited COMMAND...: a program has a minute; a function's own steps have theirs.
limited() { if [ "$(type -t "$1")" = function ]; then "$@"; else timeout 60 "$@"; fi; }

# eventually SECONDS COMMAND...: repeats until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "not in time: $*"
      return 1
    fi
    sleep 0.1
  done
}

# prints PATTERN COMMAND...: the command's output matches; for eventually.
prints() {
  local pattern=$1
  shift
  "$@" 2>&1 | grep -qE -- "$pattern"
}
