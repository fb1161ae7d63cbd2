# SPDX-License-Identifier: GPL-3.0-or-later
# Shows what this host carries, as raw texts in one JSON object. Decides and changes nothing.
[CmdletBinding(SupportsShouldProcess)]
param([Parameter(Mandatory)][string]$Json)
Set-StrictMode -Version 2
$want = ConvertFrom-Json -InputObject $Json
$machine = 'Registry::HKEY_LOCAL_MACHINE'
$local = "$machine\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
$policy = "$machine\SOFTWARE\Policies\Microsoft\WindowsFirewall"
# 32-bit SQL Server on 64-bit Windows is below Wow6432Node.
$roots = 'SOFTWARE\Microsoft\Microsoft SQL Server', 'SOFTWARE\Wow6432Node\Microsoft\Microsoft SQL Server'

function Read-Value([string]$Path) {
    $found = @{}
    if (Test-Path -LiteralPath $Path) {
        $key = Get-Item -LiteralPath $Path
        foreach ($name in $key.GetValueNames()) { $found[$name] = [string]$key.GetValue($name) }
    }
    $found
}

function Read-Each([string]$Path, [string[]]$Name) {
    $found = @{}
    foreach ($item in $Name) { if (Test-Path -LiteralPath "$Path\$item") { $found[$item] = Read-Value "$Path\$item" } }
    $found
}

$profiles = 'DomainProfile', 'PrivateProfile', 'StandardProfile', 'PublicProfile'
$keys = $profiles + @($profiles | ForEach-Object { "$_\GloballyOpenPorts" })
$shown = @{
    local = Read-Value "$local\FirewallRules"
    policy = Read-Value "$policy\FirewallRules"
    switches = @{ local = Read-Each $local $profiles; policy = Read-Each $policy $keys }
    profiles = (New-Object -ComObject HNetCfg.FwPolicy2).CurrentProfileTypes
    armed = Test-Path -LiteralPath "$machine\SOFTWARE\dbports"
}
if ($want.sockets) {
    $shown.netstat = (netstat -ano) -join "`n"
    $shown.processes = @(Get-Process | ForEach-Object { @{ pid = $_.Id; name = $_.ProcessName } })
    $shown.services = @(Get-CimInstance -ClassName Win32_Service |
        ForEach-Object { @{ name = $_.Name; pid = $_.ProcessId; state = $_.State; path = $_.PathName } })
}
if ($want.ports) {
    $shown.dynamic = @{ tcp = (netsh int ipv4 show dynamicport tcp) -join "`n"; udp = (netsh int ipv4 show dynamicport udp) -join "`n" }
    $shown.excluded = (netsh int ipv4 show excludedportrange protocol=tcp) -join "`n"
}
if ($want.sockets -or $want.ports) {
    $shown.instances = @{}
    foreach ($root in $roots) {
        foreach ($item in (Read-Value "$machine\$root\Instance Names\SQL").GetEnumerator()) {
            if ($shown.instances.ContainsKey($item.Key)) { continue }
            $found = @{ key = "$root\$($item.Value)" }
            $network = "$machine\$($found.key)\MSSQLServer\SuperSocketNetLib"
            $found += Read-Each $network 'Tcp', 'AdminConnection\Tcp'
            if ($found.ContainsKey('Tcp')) {
                $found += Read-Each $network @((Get-Item -LiteralPath "$network\Tcp").GetSubKeyNames() | ForEach-Object { "Tcp\$_" })
            }
            $found += Read-Each "$machine\$($found.key)" 'Cluster'
            $shown.instances[$item.Key] = $found
        }
    }
}
$Ansible.Changed = $false
$Ansible.Result = ConvertTo-Json -InputObject $shown -Compress -Depth 6
