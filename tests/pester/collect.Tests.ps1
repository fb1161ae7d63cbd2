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
        $shown.switches.local.PSObject.Properties.Name | Should -Not -Contain 'PrivateProfile'
    }
}
