# SPDX-License-Identifier: GPL-3.0-or-later
# apply.ps1 with the cmdlets that reach Windows shadowed by functions, which win over cmdlets: Invoke-Pester tests/pester
BeforeAll {
    $script:Path = "$PSScriptRoot/../../plugins/plugin_utils/_windows/apply.ps1"

    function Invoke-Apply([hashtable]$Want) {
        $full = @{ add = @(); remove = @(); arm = $false; disarm = $false; task = 'dbports-rollback'; rollback = ''; xml = '' }
        foreach ($name in $Want.Keys) { $full[$name] = $Want[$name] }
        $global:Ansible = @{ Changed = $true; Result = $null }
        & $script:Path -Json (ConvertTo-Json -InputObject $full -Depth 5)
        ConvertFrom-Json -InputObject $global:Ansible.Result
    }

    function New-TestRule([string]$Name, [string]$Addresses) {
        @{ name = $Name; description = 'd'; grouping = 'dbports'; protocol = 6; local_ports = '1433'; remote_ports = ''
            icmp = ''; remote_addresses = $Addresses; direction = 1; action = 1 }
    }
}

Describe 'apply.ps1' {
    BeforeEach {
        $global:Store = @{ 'one' = 'v2.10|Name=theirs|' }
        $global:FailAt = ''
        function global:Get-Item([string]$LiteralPath) {
            $key = New-Object -TypeName PSObject
            $key | Add-Member -MemberType ScriptMethod -Name GetValueNames -Value { @($global:Store.Keys) }
            $key | Add-Member -MemberType ScriptMethod -Name GetValue -Value { param($id) $global:Store[$id] }
            $key
        }
        function global:New-Object([string]$ComObject, [string]$TypeName) {
            if ($TypeName) { return Microsoft.PowerShell.Utility\New-Object -TypeName $TypeName }
            if ($ComObject -eq 'HNetCfg.FWRule') {
                return [pscustomobject]@{ Name = ''; Description = ''; Grouping = ''; Protocol = 0; LocalPorts = ''
                    RemotePorts = ''; IcmpTypesAndCodes = ''; RemoteAddresses = ''; Direction = 0; Action = 0
                    Profiles = 0; Enabled = $false }
            }
            $rules = Microsoft.PowerShell.Utility\New-Object -TypeName PSObject
            $rules | Add-Member -MemberType ScriptMethod -Name Add -Value {
                param($rule)
                if ($rule.Name -eq $global:FailAt) { throw 'HRESULT: 0x80070057' }
                $global:Store["{$($rule.Name)}"] = "v2.10|Name=$($rule.Name)|"
            }
            $rules | Add-Member -MemberType ScriptMethod -Name Remove -Value {
                param($name)
                $global:Store.Remove("{$name}")
            }
            [pscustomobject]@{ Rules = $rules; CurrentProfileTypes = 4 }
        }
    }

    AfterEach { Remove-Item -Path 'Function:\Get-Item', 'Function:\New-Object' }

    It 'adds and removes rules and returns what is there' {
        $null = Invoke-Apply @{ add = @((New-TestRule 'dbports-1' '192.0.2.1')) }
        $shown = Invoke-Apply @{ add = @((New-TestRule 'dbports-2' '192.0.2.2')); remove = @((New-TestRule 'dbports-1' '192.0.2.1')) }
        @($shown.local.PSObject.Properties.Name | Sort-Object) | Should -Be @('one', '{dbports-2}')
        $global:Ansible.Changed | Should -BeTrue
    }

    It 'changes nothing when it is told nothing' {
        $null = Invoke-Apply @{}
        $global:Ansible.Changed | Should -BeFalse
    }

    It 'undoes its work when a rule cannot be added' {
        $global:FailAt = 'dbports-2'
        { Invoke-Apply @{ add = @((New-TestRule 'dbports-1' '192.0.2.1'), (New-TestRule 'dbports-2' '192.0.2.2')) } } | Should -Throw
        @($global:Store.Keys) | Should -Be @('one')
    }

    It 'refuses an empty list of addresses, which would mean everyone' {
        { Invoke-Apply @{ add = @((New-TestRule 'dbports-1' '')) } } | Should -Throw
        @($global:Store.Keys) | Should -Be @('one')
    }

    Context 'with a way back' {
        BeforeEach {
            $global:Task = ''
            $global:Key = $false
            function global:Test-Path([string]$LiteralPath) { $global:Key }
            function global:New-Item([string]$Path, [switch]$Force) { $global:Key = $true }
            function global:New-ItemProperty([string]$LiteralPath, [string]$Name, [string]$Value, [switch]$Force) { $Value }
            function global:Remove-Item([string]$LiteralPath, [string[]]$Path) {
                if ($Path) { Microsoft.PowerShell.Management\Remove-Item -Path $Path } else { $global:Key = $false }
            }
            function global:Register-ScheduledTask([string]$TaskName, [string]$Xml, [switch]$Force) { $global:Task = $Xml }
            function global:Get-ScheduledTask([string]$TaskName, [string]$ErrorAction) { if ($global:Task) { $TaskName } }
            function global:Unregister-ScheduledTask([string]$TaskName, [switch]$Confirm) { $global:Task = '' }
        }

        AfterEach {
            Microsoft.PowerShell.Management\Remove-Item -Path 'Function:\Test-Path', 'Function:\New-Item', 'Function:\Remove-Item',
                'Function:\New-ItemProperty', 'Function:\Register-ScheduledTask', 'Function:\Get-ScheduledTask',
                'Function:\Unregister-ScheduledTask'
        }

        It 'arms it before the first rule, and disarms it when it is told to' {
            $null = Invoke-Apply @{ add = @((New-TestRule 'dbports-1' '192.0.2.1')); arm = $true; xml = '<Task/>' }
            $global:Task | Should -Be '<Task/>'
            $global:Key | Should -BeTrue
            $null = Invoke-Apply @{ disarm = $true }
            $global:Task | Should -Be ''
            $global:Key | Should -BeFalse
        }

        It 'disarms it when it has undone its work itself' {
            $global:FailAt = 'dbports-1'
            { Invoke-Apply @{ add = @((New-TestRule 'dbports-1' '192.0.2.1')); arm = $true; xml = '<Task/>' } } | Should -Throw
            $global:Task | Should -Be ''
            @($global:Store.Keys) | Should -Be @('one')
        }
    }
}
