# SPDX-License-Identifier: GPL-3.0-or-later
# collect.ps1 with the cmdlets that reach Windows shadowed by functions, which win over cmdlets: Invoke-Pester tests/pester
Describe 'collect.ps1' {
    BeforeEach {
        function global:Test-Path([string]$LiteralPath) { $LiteralPath -notlike '*PrivateProfile*' }
        function global:Get-Item([string]$LiteralPath) {
            $key = Microsoft.PowerShell.Utility\New-Object -TypeName PSObject
            $key | Add-Member -MemberType NoteProperty -Name Path -Value $LiteralPath
            $key | Add-Member -MemberType ScriptMethod -Name GetValueNames -Value { @('name') }
            $key | Add-Member -MemberType ScriptMethod -Name GetValue -Value { param($name) if ($this.Path -like '*Profile') { 1 } else { 'v2.10|Name=x|' } }
            $key
        }
        function global:New-Object([string]$ComObject) { [pscustomobject]@{ CurrentProfileTypes = 4 } }
        $global:Ansible = @{ Changed = $true; Result = $null }
    }

    AfterEach { Remove-Item -Path 'Function:\Test-Path', 'Function:\Get-Item', 'Function:\New-Object' }

    It 'returns texts and changes nothing' {
        & "$PSScriptRoot/../../plugins/plugin_utils/_windows/collect.ps1" -Json '{"sockets": false, "ports": false}'
        $shown = ConvertFrom-Json -InputObject $global:Ansible.Result
        $global:Ansible.Changed | Should -BeFalse
        $shown.local.name | Should -Be 'v2.10|Name=x|'
        $shown.profiles | Should -Be 4
        $shown.switches.local.PublicProfile.name | Should -Be '1'
        $shown.switches.policy.'PublicProfile\GloballyOpenPorts'.name | Should -Be 'v2.10|Name=x|'
        $shown.switches.local.PSObject.Properties.Name | Should -Not -Contain 'PrivateProfile'
    }

    It 'returns sockets, services and the registry of every instance' {
        function global:netstat { '  TCP    0.0.0.0:1433    0.0.0.0:0    LISTENING    4711' }
        function global:netsh { 'Start Port : 49152' }
        function global:Get-Process { [pscustomobject]@{ Id = 4711; ProcessName = 'sqlservr' } }
        function global:Get-CimInstance([string]$ClassName) {
            [pscustomobject]@{ Name = 'MSSQL$SALES'; ProcessId = 4711; State = 'Running'; PathName = 'sqlservr.exe' }
        }
        function global:Get-Item([string]$LiteralPath) {
            $key = Microsoft.PowerShell.Utility\New-Object -TypeName PSObject
            $key | Add-Member -MemberType NoteProperty -Name Path -Value $LiteralPath
            $key | Add-Member -MemberType ScriptMethod -Name GetSubKeyNames -Value { @('IP1', 'IPAll') }
            $key | Add-Member -MemberType ScriptMethod -Name GetValueNames -Value {
                if ($this.Path -like '*Wow6432Node*Instance Names*') { @('SALES', 'OLD') }
                elseif ($this.Path -like '*Instance Names*') { @('SALES') }
                else { @('TcpPort') }
            }
            $key | Add-Member -MemberType ScriptMethod -Name GetValue -Value {
                param($name)
                if ($name -in 'SALES', 'OLD') { "MSSQL16.$name" } else { '14330' }
            }
            $key
        }
        & "$PSScriptRoot/../../plugins/plugin_utils/_windows/collect.ps1" -Json '{"sockets": true, "ports": true}'
        Remove-Item -Path 'Function:\netstat', 'Function:\netsh', 'Function:\Get-Process', 'Function:\Get-CimInstance'
        $shown = ConvertFrom-Json -InputObject $global:Ansible.Result
        $shown.netstat | Should -BeLike '*:1433*'
        @($shown.services)[0].name | Should -Be 'MSSQL$SALES'
        @($shown.processes)[0].pid | Should -Be 4711
        $shown.instances.SALES.key | Should -Be 'SOFTWARE\Microsoft\Microsoft SQL Server\MSSQL16.SALES'
        $shown.instances.OLD.key | Should -Be 'SOFTWARE\Wow6432Node\Microsoft\Microsoft SQL Server\MSSQL16.OLD'
        $shown.instances.OLD.'Tcp\IPAll'.TcpPort | Should -Be '14330'
        $shown.instances.SALES.'Tcp\IPAll'.TcpPort | Should -Be '14330'
        $shown.instances.SALES.'Tcp\IP1'.TcpPort | Should -Be '14330'
        $shown.armed | Should -BeTrue
    }
}
