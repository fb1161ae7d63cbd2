#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run every linter, each to its end, and fail when one of them complained. The tools come from PATH.
set -uo pipefail
failed=()
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh')

check() {
  local name=$1
  shift
  echo "lint: $name"
  "$@" || failed+=("$name")
}

# What a user's own ansible-lint, without any configuration, says of a playbook with our roles.
user_project() {
  local project
  project=$(mktemp -d) && cp tests/user_project/* "$project" || return
  (cd "$project" && ansible-lint --offline)
  local status=$?
  rm -rf "$project"
  return "$status"
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check shellcheck shellcheck .ci/run "${scripts[@]}"
check antsibull-changelog antsibull-changelog lint
check "ansible-lint" ansible-lint --offline --strict
check "ansible-lint, of a user's playbook with the roles" user_project
[ "${#failed[@]}" -eq 0 ] || { echo "lint: complaints from: ${failed[*]}" >&2; exit 1; }
