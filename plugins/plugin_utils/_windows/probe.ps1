# SPDX-License-Identifier: GPL-3.0-or-later
# Sends what it is given, all at once, and returns what came back. Knows no protocol of a server, and judges nothing.
[CmdletBinding(SupportsShouldProcess)]
param([Parameter(Mandatory)][string]$Json)
Set-StrictMode -Version 2
$want = ConvertFrom-Json -InputObject $Json
$clock = [System.Diagnostics.Stopwatch]::StartNew()
$buffer = [byte[]]::new(65535)
$any = [System.Net.IPAddress]::Any

function Save-Part($Way, [int]$Count) {
    $Way.data += [Convert]::ToBase64String($buffer, 0, $Count)
    $Way.until = [Math]::Min($want.timeout, $clock.ElapsedMilliseconds + 250)
}

function Close-Way($Way, [int]$Number) {
    $Way.error = $Number
    $Way.milliseconds = $clock.ElapsedMilliseconds
    $Way.open = $false
}

function Open-Way($Way) {
    $address = [System.Net.IPAddress]::Parse($Way.item.address)
    $Way.begun = $true
    if ($Way.item.protocol -eq 'icmp') {
        $Way.task = [System.Net.NetworkInformation.Ping]::new().SendPingAsync($address, [int]$want.timeout)
    }
    elseif ($Way.item.protocol -eq 'tcp') {
        $client = [System.Net.Sockets.TcpClient]::new($address.AddressFamily)
        $Way.socket = $client.Client
        $Way.task = $client.ConnectAsync($address, [int]$Way.item.port)
    }
    else {
        $Way.socket = [System.Net.Sockets.Socket]::new($address.AddressFamily, 'Dgram', 'Udp')
        $Way.socket.Connect($address, [int]$Way.item.port)
        $null = $Way.socket.Send($Way.request)
        $Way.reached = $true
    }
}

function Step-Way($Way) {
    $datagrams = $Way.item.protocol -eq 'udp'
    if (-not $Way.begun) { Open-Way $Way }
    elseif ($Way.task -and -not $Way.task.IsCompleted) { return }
    elseif ($Way.task -and $Way.task.IsFaulted) { throw $Way.task.Exception.GetBaseException() }
    elseif ($Way.item.protocol -eq 'icmp') {
        $Way.reached = $Way.task.Result.Status -eq 'Success'
        Close-Way $Way ([int]$Way.task.Result.Status)
    }
    elseif ($Way.task) {
        $Way.task = $null
        $Way.reached = $true
        if ($Way.request.Length) { $null = $Way.socket.Send($Way.request) }
        if (-not $Way.item.waits) { Close-Way $Way 0 }
    }
    elseif ($Way.socket.Poll(0, 'SelectRead')) {
        $count = $Way.socket.Receive($buffer)
        if ($count -or $datagrams) { Save-Part $Way $count } else { Close-Way $Way 0 }
    }
    elseif ($datagrams -and -not $Way.again -and $clock.ElapsedMilliseconds -gt $want.timeout / 2) {
        $Way.again = $true
        $null = $Way.socket.Send($Way.request)
    }
}

$ways = @(foreach ($item in @($want.questions)) {
    @{ item = $item; request = [Convert]::FromBase64String($item.request); data = @(); error = 10060; milliseconds = 0
        open = $true; begun = $false; again = $false; reached = $false; task = $null; socket = $null; until = $want.timeout
    }
})
$ear = [System.Net.Sockets.Socket]::new('InterNetwork', 'Dgram', 'Udp')
if ($want.hears) {
    try { $ear.Bind([System.Net.IPEndPoint]::new($any, [int]$want.hears)) }
    catch { foreach ($way in $ways) { if ($way.item.hears) { Close-Way $way 10048 } } }
}
while (@($ways | Where-Object { $_.open }).Count) {
    foreach ($way in @($ways | Where-Object { $_.open })) {
        try { Step-Way $way }
        catch {
            $base = $_.Exception.GetBaseException()
            $number = if ($base -is [System.Net.Sockets.SocketException]) { [int]$base.SocketErrorCode } else { -1 }
            Close-Way $way $number
            if ($way.item.patient -and $number -eq 10061) { $way.open = $true; $way.begun = $false; $way.task = $null }
        }
        if ($way.open -and $clock.ElapsedMilliseconds -ge $way.until) { Close-Way $way $way.error }
    }
    for ($turn = 0; $turn -lt 50 -and $ear.IsBound -and $ear.Poll(0, 'SelectRead'); $turn++) {
        $from = [System.Net.EndPoint][System.Net.IPEndPoint]::new($any, 0)
        $count = $ear.ReceiveFrom($buffer, [ref]$from)
        $address = $from.Address.ToString()
        foreach ($way in $ways) { if ($way.item.hears -and $way.item.address -eq $address) { Save-Part $way $count } }
    }
    Start-Sleep -Milliseconds 10
}
foreach ($socket in @($ear) + @($ways | ForEach-Object { $_.socket })) { if ($socket) { $socket.Dispose() } }
$answers = @($ways | ForEach-Object {
    @{ reached = $_.reached; data = @($_.data); error = $_.error; milliseconds = $_.milliseconds }
})
$Ansible.Changed = $false
$Ansible.Result = ConvertTo-Json -InputObject @{ answers = $answers } -Compress -Depth 4
