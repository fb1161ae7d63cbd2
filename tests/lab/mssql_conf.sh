#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A stand-in for mssql-conf: `set network.tcpport N` as far as the port is concerned. NOT the real program.
[ "$1 $2" = "set network.tcpport" ] || exit 1
mkdir -p /var/opt/mssql
printf '[network]\ntcpport = %s\n' "$3" >/var/opt/mssql/mssql.conf
echo "SQL Server needs to be restarted in order to apply this setting."
