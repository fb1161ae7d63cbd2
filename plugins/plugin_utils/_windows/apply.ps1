# SPDX-License-Identifier: GPL-3.0-or-later
# Adds and removes rules of Windows Defender Firewall as it is told, and undoes all of it when a step fails.
# With "arm" a scheduled task first takes care that the old rules come back; "disarm" removes that task.
[CmdletBinding(SupportsShouldProcess)]
param([Parameter(Mandatory)][string]$Json)
Set-StrictMode -Version 2
$want = ConvertFrom-Json -InputObject $Json
$key = 'Registry::HKEY_LOCAL_MACHINE\SOFTWARE\dbports'
$store = 'Registry::HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'

function Add-Rule($Item) {
    if (-not $Item.remote_addresses) { throw "$($Item.name): no addresses" }
    $rule = New-Object -ComObject HNetCfg.FWRule
    $rule.Name = $Item.name
    $rule.Description = $Item.description
    $rule.Grouping = $Item.grouping
    $rule.Protocol = [int]$Item.protocol
    if ($Item.local_ports) { $rule.LocalPorts = $Item.local_ports }
    if ($Item.remote_ports) { $rule.RemotePorts = $Item.remote_ports }
    if ($Item.icmp) { $rule.IcmpTypesAndCodes = $Item.icmp }
    $rule.RemoteAddresses = $Item.remote_addresses
    $rule.Direction = [int]$Item.direction
    $rule.Action = [int]$Item.action
    $rule.Profiles = [int]0x7fffffff
    $rule.Enabled = $true
    $rules.Add($rule)
}

function Disarm {
    if (Get-ScheduledTask -TaskName $want.task -ErrorAction SilentlyContinue) {
        Unregister-ScheduledTask -TaskName $want.task -Confirm:$false
    }
    if (Test-Path -LiteralPath $key) { Remove-Item -LiteralPath $key }
}

function Read-Rule {
    $found = @{}
    $texts = Get-Item -LiteralPath $store
    foreach ($id in $texts.GetValueNames()) { $found[$id] = [string]$texts.GetValue($id) }
    $found
}

if ($want.arm) {
    $null = New-Item -Path $key -Force
    $null = New-ItemProperty -LiteralPath $key -Name 'rollback' -Value $want.rollback -Force
    $null = Register-ScheduledTask -TaskName $want.task -Xml $want.xml -Force
}
$rules = (New-Object -ComObject HNetCfg.FwPolicy2).Rules
$before = (Read-Rule).Values -join "`n"
$added = @()
$removed = @()
try {
    foreach ($item in @($want.add)) {
        if (-not $before.Contains("|Name=$($item.name)|")) {
            Add-Rule $item
            $added += $item
        }
    }
    foreach ($item in @($want.remove)) {
        if ($before.Contains("|Name=$($item.name)|")) {
            $rules.Remove($item.name)
            $removed += $item
        }
    }
}
catch {
    foreach ($item in $removed) { Add-Rule $item }
    foreach ($item in $added) { $rules.Remove($item.name) }
    if ($want.arm) { Disarm }
    throw
}
if ($want.disarm) { Disarm }
$Ansible.Changed = ($added.Count + $removed.Count) -gt 0
$Ansible.Result = ConvertTo-Json -InputObject @{ local = (Read-Rule) } -Compress -Depth 3
