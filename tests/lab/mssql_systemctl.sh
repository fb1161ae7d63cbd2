#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a lab host with a stand-in for SQL Server has for systemctl: it starts where mssql.conf says, and takes a while.
# PYTHON and STAND_INS are the interpreter and the stand-ins.
case $1 in
  show)
    echo LoadState=loaded
    echo ActiveState=active ;;
  restart)
    echo "$2" >>/run/restarted
    pid=$(cat /run/mssql.pid 2>/dev/null)
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sqlservr ] && kill "$pid"
    port=$(sed -n 's/^tcpport *= *//p' /var/opt/mssql/mssql.conf 2>/dev/null)
    setsid "$PYTHON" "$STAND_INS" mssql --port "${port:-1433}" >/dev/null 2>&1 </dev/null &
    echo $! >/run/mssql.pid ;;
esac
