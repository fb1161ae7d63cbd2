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
:DBPORTS_IN - [0:0]
:DBPORTS_FROM1 - [0:0]
-A DBPORTS_FROM1 -s 192.0.2.32/27 -j ACCEPT
-A DBPORTS_FROM1 -m iprange --src-range 192.0.2.70-192.0.2.75 -j ACCEPT
-A DBPORTS_IN -i lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_IN -p tcp -m tcp --dport 49152:65535 -m conntrack --ctdir REPLY -j RETURN
-A DBPORTS_IN -p tcp -m tcp --dport 1433 -m comment --comment "everyone" -j ACCEPT
-A DBPORTS_IN -p tcp -m tcp --dport 49152:65535 -m comment --comment "dynamic 'SALES'" -j DBPORTS_FROM1
-A DBPORTS_IN -p tcp -m multiport --dports 1433,49152:65535 -m comment --comment "dbports: everyone else" -j DROP
-A DBPORTS_IN -p udp -m udp --dport 1434 -m comment --comment "dbports: everyone else" -j DROP
-I INPUT -j DBPORTS_IN
DBPORTS_END

replace ip6tables <<'DBPORTS_END'
:DBPORTS_IN - [0:0]
-A DBPORTS_IN -i lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_IN -p tcp -m tcp --dport 49152:65535 -m conntrack --ctdir REPLY -j RETURN
-A DBPORTS_IN -p tcp -m tcp --dport 1433 -m comment --comment "everyone" -j ACCEPT
-A DBPORTS_IN -p tcp -m multiport --dports 1433,49152:65535 -m comment --comment "dbports: everyone else" -j DROP
-A DBPORTS_IN -p udp -m udp --dport 1434 -m comment --comment "dbports: everyone else" -j DROP
-I INPUT -j DBPORTS_IN
DBPORTS_END
