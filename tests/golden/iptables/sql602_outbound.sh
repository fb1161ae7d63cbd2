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
:DBPORTS_FROM2 - [0:0]
:DBPORTS_OUT - [0:0]
:DBPORTS_TO1 - [0:0]
-A DBPORTS_FROM1 -s 192.0.2.21 -j ACCEPT
-A DBPORTS_FROM2 -s 192.0.2.21 -j ACCEPT
-A DBPORTS_FROM2 -s 198.51.100.0/24 -j ACCEPT
-A DBPORTS_IN -i lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_IN -p icmp -m icmp --icmp-type 8 -m comment --comment "ping" -j DBPORTS_FROM1
-A DBPORTS_IN -p tcp -m tcp --dport 5002 -m comment --comment "602SQL clients" -j DBPORTS_FROM2
-A DBPORTS_IN -p udp -m udp --dport 5001 -m comment --comment "search" -j DBPORTS_FROM1
-A DBPORTS_IN -p tcp -m tcp --dport 5002 -m comment --comment "dbports: everyone else" -j DROP
-A DBPORTS_IN -p udp -m udp --dport 5001 -m comment --comment "dbports: everyone else" -j DROP
-I INPUT -j DBPORTS_IN
-A DBPORTS_TO1 -d 192.0.2.21 -j ACCEPT
-A DBPORTS_OUT -o lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_OUT -m conntrack --ctdir REPLY -j RETURN
-A DBPORTS_OUT -p udp -m udp --dport 5002 -m comment --comment "announcements" -j DBPORTS_TO1
-A DBPORTS_OUT -p udp -m udp --dport 5002 -m comment --comment "dbports: everyone else" -j DROP
-I OUTPUT -j DBPORTS_OUT
DBPORTS_END

replace ip6tables <<'DBPORTS_END'
:DBPORTS_IN - [0:0]
:DBPORTS_FROM1 - [0:0]
:DBPORTS_FROM2 - [0:0]
:DBPORTS_OUT - [0:0]
-A DBPORTS_FROM1 -s 2001:db8::21 -j ACCEPT
-A DBPORTS_FROM2 -s 2001:db8:1::/48 -j ACCEPT
-A DBPORTS_IN -i lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_IN -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m comment --comment "ping" -j DBPORTS_FROM1
-A DBPORTS_IN -p tcp -m tcp --dport 5002 -m comment --comment "602SQL clients" -j DBPORTS_FROM2
-A DBPORTS_IN -p tcp -m tcp --dport 5002 -m comment --comment "dbports: everyone else" -j DROP
-A DBPORTS_IN -p udp -m udp --dport 5001 -m comment --comment "dbports: everyone else" -j DROP
-I INPUT -j DBPORTS_IN
-A DBPORTS_OUT -o lo -m comment --comment "dbports: inventory host erp-db" -j RETURN
-A DBPORTS_OUT -m conntrack --ctdir REPLY -j RETURN
-A DBPORTS_OUT -p udp -m udp --dport 5002 -m comment --comment "dbports: everyone else" -j DROP
-I OUTPUT -j DBPORTS_OUT
DBPORTS_END
