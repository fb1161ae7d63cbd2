# SPDX-License-Identifier: GPL-3.0-or-later
# Adds and removes rules of Windows Defender Firewall as it is told, and undoes its additions when one fails.
# With "arm" a scheduled task first takes care that the old rules come back; "disarm" removes that task.
[CmdletBinding(SupportsShouldProcess)]
param([Parameter(Mandatory)][string]$Json)
Set-StrictMode -Version 2
$want = ConvertFrom-Json -InputObject $Json
$key = 'Registry::HKEY_LOCAL_MACHINE\SOFTWARE\dbports'
$store = 'Registry::HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'

function Disarm {
    if (Get-ScheduledTask -TaskName $want.task -ErrorAction SilentlyContinue) {
        Unregister-ScheduledTask -TaskName $want.task -Confirm:$false
    }
    if (Test-Path -LiteralPath $key) { Remove-Item -LiteralPath $key }
}

if ($want.arm) {
    $null = New-Item -Path $key -Force
    $null = New-ItemProperty -LiteralPath $key -Name 'rollback' -Value $want.rollback -Force
    $null = Register-ScheduledTask -TaskName $want.task -Xml $want.xml -Force
}
$rules = (New-Object -ComObject HNetCfg.FwPolicy2).Rules
$done = @()
try {
    foreach ($item in @($want.add)) {
        if (-not $item.remote_addresses) { throw "$($item.name): no addresses" }
        $rule = New-Object -ComObject HNetCfg.FWRule
        $rule.Name = $item.name
        $rule.Description = $item.description
        $rule.Grouping = $item.grouping
        $rule.Protocol = [int]$item.protocol
        if ($item.local_ports) { $rule.LocalPorts = $item.local_ports }
        if ($item.remote_ports) { $rule.RemotePorts = $item.remote_ports }
        if ($item.icmp) { $rule.IcmpTypesAndCodes = $item.icmp }
        $rule.RemoteAddresses = $item.remote_addresses
        $rule.Direction = [int]$item.direction
        $rule.Action = [int]$item.action
        $rule.Profiles = [int]0x7fffffff
        $rule.Enabled = $true
        $rules.Add($rule)
        $done += $item.name
    }
}
catch {
    foreach ($name in $done) { $rules.Remove($name) }
    if ($want.arm) { Disarm }
    throw
}
foreach ($name in @($want.remove)) { $rules.Remove($name) }
if ($want.disarm) { Disarm }
$found = @{}
$texts = Get-Item -LiteralPath $store
foreach ($id in $texts.GetValueNames()) { $found[$id] = [string]$texts.GetValue($id) }
$Ansible.Changed = ($done.Count + @($want.remove).Count) -gt 0
$Ansible.Result = ConvertTo-Json -InputObject @{ local = $found } -Compress -Depth 3
