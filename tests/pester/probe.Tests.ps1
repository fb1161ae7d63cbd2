# SPDX-License-Identifier: GPL-3.0-or-later
# probe.ps1 with real sockets on loopback: Invoke-Pester tests/pester
BeforeAll {
    $script:Path = "$PSScriptRoot/../../plugins/plugin_utils/_windows/probe.ps1"

    function Invoke-Probe([object[]]$Questions, [int]$Timeout, [int]$Hears) {
        $global:Ansible = @{ Changed = $true; Result = $null }
        $want = @{ timeout = $Timeout; hears = $Hears; questions = $Questions }
        & $script:Path -Json (ConvertTo-Json -InputObject $want -Depth 5)
        @((ConvertFrom-Json -InputObject $global:Ansible.Result).answers)
    }

    function Start-TestServer([scriptblock]$What, $First, $Second) {
        $script:Helper = [powershell]::Create().AddScript($What).AddArgument($First)
        if ($Second) { $null = $script:Helper.AddArgument($Second) }
        $null = $script:Helper.BeginInvoke()
    }

    function ConvertTo-Text([string[]]$Parts) {
        -join ($Parts | ForEach-Object { [Text.Encoding]::ASCII.GetString([Convert]::FromBase64String($_)) })
    }

    function New-TestQuestion([string]$Protocol, [int]$Port, [string]$Text, [bool]$Waits) {
        $request = [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes($Text))
        @{ protocol = $Protocol; address = '127.0.0.1'; port = $Port; request = $request
            waits = $Waits; hears = $false; patient = $false }
    }
}

Describe 'probe.ps1' {
    BeforeEach { $script:Helper = $null }

    AfterEach { if ($script:Helper) { $script:Helper.Stop(); $script:Helper.Dispose(); $script:Helper = $null } }

    It 'connects' {
        $server = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $server.Start()
        $port = $server.LocalEndpoint.Port
        $shown = Invoke-Probe @((New-TestQuestion 'tcp' $port '' $false)) 5000 0
        $server.Stop()
        $shown.Count | Should -Be 1
        $shown[0].reached | Should -BeTrue
        $shown[0].error | Should -Be 0
        $global:Ansible.Changed | Should -BeFalse
    }

    It 'sends a request and returns what a server says until it closes' {
        $server = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $server.Start()
        Start-TestServer {
            param($server)
            $peer = $server.AcceptSocket()
            $buffer = [byte[]]::new(100)
            $count = $peer.Receive($buffer)
            $null = $peer.Send($buffer, $count, 'None')
            $peer.Close()
        } $server
        $shown = Invoke-Probe @((New-TestQuestion 'tcp' $server.LocalEndpoint.Port 'hello' $true)) 10000 0
        $server.Stop()
        (ConvertTo-Text $shown[0].data) | Should -Be 'hello'
        $shown[0].error | Should -Be 0
    }

    It 'returns a datagram' {
        $server = [System.Net.Sockets.Socket]::new('InterNetwork', 'Dgram', 'Udp')
        $server.Bind([System.Net.IPEndPoint]::new([System.Net.IPAddress]::Loopback, 0))
        Start-TestServer {
            param($server)
            $buffer = [byte[]]::new(100)
            $from = [System.Net.EndPoint][System.Net.IPEndPoint]::new([System.Net.IPAddress]::Any, 0)
            $count = $server.ReceiveFrom($buffer, [ref]$from)
            $null = $server.SendTo($buffer, $count, 'None', $from)
        } $server
        $shown = Invoke-Probe @((New-TestQuestion 'udp' $server.LocalEndPoint.Port 'hello' $true)) 10000 0
        $server.Dispose()
        (ConvertTo-Text $shown[0].data) | Should -Be 'hello'
    }

    It 'hears an announcement at another port than the one that asked' {
        $server = [System.Net.Sockets.Socket]::new('InterNetwork', 'Dgram', 'Udp')
        $server.Bind([System.Net.IPEndPoint]::new([System.Net.IPAddress]::Loopback, 0))
        $free = [System.Net.Sockets.Socket]::new('InterNetwork', 'Dgram', 'Udp')
        $free.Bind([System.Net.IPEndPoint]::new([System.Net.IPAddress]::Any, 0))
        $hears = $free.LocalEndPoint.Port
        $free.Dispose()
        Start-TestServer {
            param($server, $hears)
            $null = $server.Receive([byte[]]::new(100))
            $null = $server.SendTo([byte[]](72, 105), [System.Net.IPEndPoint]::new([System.Net.IPAddress]::Loopback, $hears))
        } $server $hears
        $question = New-TestQuestion 'udp' $server.LocalEndPoint.Port 'x' $true
        $question.hears = $true
        $shown = Invoke-Probe @($question) 10000 $hears
        $server.Dispose()
        (ConvertTo-Text $shown[0].data) | Should -Be 'Hi'
    }

    It 'tells of a mute server that nothing came in time' {
        $server = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $server.Start()
        $shown = Invoke-Probe @((New-TestQuestion 'tcp' $server.LocalEndpoint.Port 'x' $true)) 300 0
        $server.Stop()
        $shown[0].reached | Should -BeTrue
        $shown[0].error | Should -Be 10060
        @($shown[0].data).Count | Should -Be 0
    }

    It 'tells of a port where nothing listens' {
        $server = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $server.Start()
        $port = $server.LocalEndpoint.Port
        $server.Stop()
        $shown = Invoke-Probe @((New-TestQuestion 'tcp' $port '' $false)) 10000 0
        $shown[0].reached | Should -BeFalse
        $shown[0].error | Should -Be 10061
    }

    It 'tells that the port at which it would hear is taken, and asks nothing' {
        $taken = [System.Net.Sockets.Socket]::new('InterNetwork', 'Dgram', 'Udp')
        $taken.Bind([System.Net.IPEndPoint]::new([System.Net.IPAddress]::Any, 0))
        $question = New-TestQuestion 'udp' 9 'x' $true
        $question.hears = $true
        $shown = Invoke-Probe @($question) 300 $taken.LocalEndPoint.Port
        $taken.Dispose()
        $shown[0].error | Should -Be 10048
    }
}
