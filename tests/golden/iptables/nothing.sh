# Written by the Ansible collection dbports.firewall; changes are lost.
# sh THIS brings the rules below into force, sh THIS --test only asks whether they would be.
set -eu
PATH=/usr/sbin:/sbin:/usr/bin:/bin
export PATH LC_ALL=C.UTF-8
option=${1:-}

# replace IPTABLES: put the rules on the standard input into the place of the own chains.
replace() {
  there=$("$1-save")
  there=$(printf '%s\n' "$there" | sed -n '/^\*filter$/,/^COMMIT$/p')
  {
    echo '*filter'
    printf '%s\n' "$there" | sed -n '/^-A DBPORTS_/!s/^-A \(.* -[jg] DBPORTS_[A-Z0-9]*\)$/-D \1/p'
    printf '%s\n' "$there" | sed -n 's/^\(:DBPORTS_[^ ]*\) .*/\1 - [0:0]/p'
    printf '%s\n' "$there" | sed -n 's/^:\(DBPORTS_[^ ]*\) .*/-X \1/p'
    cat
    echo COMMIT
  } | "$1-restore" -w --noflush $option
}

replace iptables <<'DBPORTS_END'
DBPORTS_END

replace ip6tables <<'DBPORTS_END'
DBPORTS_END
