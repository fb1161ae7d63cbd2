#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run every test of ansible-test sanity: sanity.sh VENV_BIN [further arguments for ansible-test sanity]
#
# ansible-test wants the checkout at .../ansible_collections/dbports/firewall, at a real path that no git repository
# around it ignores (else it skips everything and calls that success). So it gets a copy with a repository of its own.
# It also gets a HOME of its own, with stand-ins for the get-pip scripts that it would fetch from elsewhere, and a PATH
# on which the Pythons are interpreters, not pyenv's shims.
# There is no ignore file, and a test that was skipped is a failure here.
set -euo pipefail
bin=$1
shift
root=$PWD
key=$(printf '%s' "$root" | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dbports-sanity/$key
copy=$cache/ansible_collections/dbports/firewall

copy_checkout() {
  rm -rf "$cache/ansible_collections"
  mkdir -p "$copy"
  git ls-files -z --cached --others --exclude-standard \
    | while IFS= read -r -d '' path; do [ ! -e "$path" ] || printf '%s\0' "$path"; done \
    | tar --create --null --files-from - | tar --extract --directory "$copy"
  git -C "$copy" init --quiet
  git -C "$copy" add --all
  if compgen -G "$copy/tests/sanity/ignore*" >/dev/null; then
    echo "sanity: there is an ignore file in tests/sanity; mend the code instead" >&2
    exit 1
  fi
}

# Fill a folder with one link a Python that collections may meet; print the versions that were found.
link_pythons() {
  local folder=$cache/bin version path
  rm -rf "$folder"
  mkdir -p "$folder"
  for version in 3.9 3.10 3.11 3.12 3.13; do
    for path in "$bin/python$version" "$HOME/.pyenv/versions/$version".*/bin/"python$version" \
      "/usr/local/bin/python$version" "/usr/bin/python$version"; do
      # A pyenv shim that stands for nothing fails here, and so does an interpreter without venv.
      if [ -x "$path" ] && "$path" -c 'import ensurepip, venv' 2>/dev/null; then
        ln -s "$(readlink -f "$path")" "$folder/python$version"
        echo "$version"
        break
      fi
    done
  done
}

copy_checkout
mkdir -p "$cache/home/.ansible/test/cache"
for version in 23_1_2 24_2 25_2; do
  cp "$root/tests/tools/get_pip.py" "$cache/home/.ansible/test/cache/get_pip_$version.py"
done
mapfile -t pythons < <(link_pythons)
rm -f "$cache/bin/python$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"  # the venv's own
echo "sanity: Pythons here: ${pythons[*]}"

# pip goes on reading the settings (index, certificates) of the user who runs this.
export XDG_CONFIG_HOME=${XDG_CONFIG_HOME:-$HOME/.config} XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
[ ! -e "$HOME/.pip/pip.conf" ] || export PIP_CONFIG_FILE=${PIP_CONFIG_FILE:-$HOME/.pip/pip.conf}
unset ANSIBLE_HOME ANSIBLE_COLLECTIONS_PATH PYTHONPATH PYENV_VERSION
log=$cache/sanity.log
status=0
(
  cd "$copy"
  HOME=$cache/home PATH=$bin:$cache/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "$bin/ansible-test" sanity --color no "$@"
) >"$log" 2>&1 || status=$?
cat "$log"

# A Python that this machine lacks is not a fault of the collection; anything else that was left out is.
absent=$(grep -oE 'on Python [0-9.]+ because it could not be found' "$log" | grep -oE '3\.[0-9]+' | sort -uV | xargs || true)
for version in $absent; do
  case " ${pythons[*]} " in *" $version "*) echo "sanity: Python $version is here, but was not found" >&2; status=1 ;; esac
done
if grep -E 'Skipping sanity test|All targets skipped|No tests? (applicable|found)' "$log" \
  | grep -vE 'because it could not be found|is unsupported\. Supported Python' >"$cache/skipped"; then
  echo "sanity: these were skipped, which counts as failed:" >&2
  cat "$cache/skipped" >&2
  status=1
fi
ran=$(grep -cE '^Running sanity test' "$log" || true)
if [ "$ran" -lt 20 ] && [ $# -eq 0 ]; then
  echo "sanity: only $ran tests ran" >&2
  status=1
fi
echo "sanity: $ran tests ran, Pythons ${pythons[*]}${absent:+, not on this machine: $absent}; exit code $status"
exit "$status"
