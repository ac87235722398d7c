#!/bin/sh
# Common misspellings in sources, scripts and pages; Nd is a macro of the pages, Inh stands in /proc/PID/status.
cd "$(dirname "$0")/../.." && git ls-files -z | grep -zvE '^(tests/fixtures|seccomp|LICENSE|conformance/.*(go.sum|tsv))' |
  xargs -0 codespell --ignore-words-list=nd,inh
