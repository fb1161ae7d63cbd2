# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, driven through ChromeDriver's WebDriver interface with the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
"""Without these Chromium needs a screen and an ordinary user, and asks its maker's hosts for news."""

SECONDS = 120
"""So long a busy machine may take for one command."""


class Browser:
    """One Chromium with a profile of its own; use it as a context manager."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        self._flags = [*FLAGS, f"--window-size={width},{height}"]

    def __enter__(self) -> Browser:
        self._profile = tempfile.mkdtemp(prefix="dbports-chromium-")
        command = ["chromedriver", "--port=0"]
        self._driver = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            self._there, self._base = self._port(), "/session"
            options = {
                "binary": shutil.which("chromium") or "",
                "args": [*self._flags, f"--user-data-dir={self._profile}"],
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            session = self._send("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            self._base = f"/session/{session}"
            self.open("about:blank")  # leaves the page that a new Chromium shows, and what that asks for
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self._send("DELETE", "", None)
        finally:
            self._end()

    def _end(self) -> None:
        """End the driver and what it started, which is its process group, and nothing else."""
        self._driver.send_signal(signal.SIGTERM)
        try:
            self._driver.wait(10)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()
        if self._driver.stdout:
            self._driver.stdout.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _port(self) -> int:
        said = ""
        for line in self._driver.stdout or ():
            said += line
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                return int(found[1])
        raise RuntimeError(f"ChromeDriver did not start:\n{said}")

    def _send(self, method: str, path: str, data: Mapping[str, Any] | None) -> Any:
        body = None if data is None else json.dumps(data)
        connection = http.client.HTTPConnection("127.0.0.1", self._there, timeout=SECONDS)
        try:
            connection.request(method, self._base + path, body, {"Content-Type": "application/json"})
            value = json.load(connection.getresponse())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{method} {path}: {value['error']}: {value['message']}")
        return value

    def open(self, page: Path | str) -> None:
        """Load a file, or a URL, and wait until it is there; what was logged before is forgotten."""
        self.console(), self.requests()
        self._send("POST", "/url", {"url": page.as_uri() if isinstance(page, Path) else page})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a JavaScript function in the page and return what it returns."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def settle(self) -> None:
        """Wait until the page has been drawn, and with it what handlers put off until then."""
        self.run_async("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run the body of a JavaScript function; return what it gives to the callback that is its last argument."""
        return self._send("POST", "/execute/async", {"script": script, "args": arguments})

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Send a command of the Chrome DevTools Protocol."""
        return self._send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def keys(self, text: str) -> None:
        """Type on the keyboard, one key a character; special keys are WebDriver's private characters."""
        strokes = [{"type": kind, "value": char} for char in text for kind in ("keyDown", "keyUp")]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def console(self) -> list[str]:
        """Return what the page wrote to the console since it was asked last: errors, warnings and messages."""
        return [entry["message"] for entry in self._send("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Return the URLs that the page asked for since it was asked last."""
        return list(self._requested())

    def _requested(self) -> Iterator[str]:
        for entry in self._send("POST", "/se/log", {"type": "performance"}):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                yield event["params"]["request"]["url"]

    def media(self, kind: str = "screen", scheme: str = "light") -> None:
        """Show the page as on a screen or on paper, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", media=kind, features=features)

    def screenshot(self, path: Path) -> None:
        """Write what is seen of the page as PNG."""
        path.write_bytes(base64.b64decode(self._send("GET", "/screenshot", None)))


TAB, ESCAPE, ENTER = "\ue004", "\ue00c", "\ue007"
"""WebDriver's characters for keys."""
