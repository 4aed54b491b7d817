"""Pages in a real browser, without network."""

import json
import os
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
)
DARK = "--blink-settings=preferredColorScheme=0"
"""The desktop that asks for dark pages."""

PROBED = """<script>
(async () => {{
{script}
const probe = document.createElement("pre");
probe.id = "probe";
probe.textContent = JSON.stringify(found);
document.body.append(probe);
}})();
</script>"""

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


def browse(page, *options):
    """Standard output of the browser and what the page told its console."""
    home = page.parent / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={home / 'profile'}", *options, page.as_uri()],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probed(source, script, folder, *options, width=1300, height=900):
    """What a script, which leaves it in `found`, learns of a page; the page's policy is lifted for it.

    The script may await; time passes as fast as the page lets it.
    """
    loosened = re.sub(r"script-src (&#39;sha256-[^&]*&#39; ?)+", "script-src 'unsafe-inline'", source)
    assert loosened != source
    page = folder / "probed.html"
    page.write_text(loosened.replace("</body>", f"{PROBED.format(script=script)}</body>"))
    size = f"--window-size={width},{height}"
    dom, console = browse(page, "--dump-dom", "--virtual-time-budget=20000", size, *options)
    assert console == []
    text = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL).group(1)
    return json.loads(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
