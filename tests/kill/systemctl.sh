#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the kill test's hosts have for systemctl: units that are enabled and active as far as a firewall's one-shot unit is.
[ "$2" != --no-block ] || set -- "$1" "$3"
unit=/etc/systemd/system/$2
state=/run/units/$2
mkdir -p /run/units /etc/units-enabled
execute() {
  sed -n 's/^ExecStart=//p' "$unit" | while read -r line; do $line || exit 1; done
}
case $1 in
  show)
    [ "$2" = --property=UnitFileState,ActiveState ] && state=/run/units/$3 && set -- show "$3"
    [ -e "/etc/units-enabled/$2" ] && echo UnitFileState=enabled || echo UnitFileState=disabled
    [ -e "$state" ] && echo ActiveState=active || echo ActiveState=inactive ;;
  enable) [ -e "$unit" ] && touch "/etc/units-enabled/$2" ;;
  disable) rm -f "/etc/units-enabled/$2" ;;
  start) [ -e "$unit" ] && execute && touch "$state" ;;
  stop) rm -f "$state" ;;
  boot)
    rm -f /run/units/*
    for file in /etc/units-enabled/*; do
      [ ! -e "$file" ] || "$0" start "${file##*/}"
    done ;;
esac
