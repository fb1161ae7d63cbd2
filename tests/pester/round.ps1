# SPDX-License-Identifier: GPL-3.0-or-later
# The real scripts on this Windows host: adds a rule for documentation addresses, reads it back, and removes it.
$ErrorActionPreference = 'Stop'
$scripts = "$PSScriptRoot/../../plugins/plugin_utils/_windows"
$Ansible = @{ Changed = $false; Result = $null; CheckMode = $false }
$rule = @{
    name = 'dbports-0123456789abcdef'; description = 'runner [dbports guards none; host runner]'; grouping = 'dbports'
    protocol = 6; local_ports = '14333'; remote_ports = ''; icmp = ''; remote_addresses = '192.0.2.1,2001:db8::1'
    direction = 1; action = 1
}
$want = @{ add = @($rule); remove = @(); arm = $false; disarm = $false; task = 'dbports-rollback'; rollback = ''; xml = '' }
& "$scripts/apply.ps1" -Json (ConvertTo-Json -InputObject $want -Depth 5)
if ($Ansible.Result -notlike '*dbports-0123456789abcdef*') { throw 'the rule is not there' }
& "$scripts/collect.ps1" -Json '{"sockets":true,"ports":true}'
$Ansible.Result | Out-File -Encoding utf8 -FilePath shown.json
$want.add = @()
$want.remove = @($rule)
& "$scripts/apply.ps1" -Json (ConvertTo-Json -InputObject $want -Depth 5)
if ($Ansible.Result -like '*dbports-0123456789abcdef*') { throw 'the rule is still there' }
# The port of RPC, on which every Windows host listens.
$question = @{ protocol = 'tcp'; address = '127.0.0.1'; port = 135; request = ''; waits = $false; hears = $false; patient = $false }
& "$scripts/probe.ps1" -Json (ConvertTo-Json -InputObject @{ timeout = 5000; hears = 0; questions = @($question) } -Depth 5)
if ($Ansible.Result -notlike '*"reached":true*') { throw 'port 135 of this host does not answer' }
