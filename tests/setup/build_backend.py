"""A build backend that requires nothing: editable wheels of the checkout that it lies in."""

import json
import re
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """As PEP 660 has it; lists of pyproject.toml stand on one line each."""
    text = (HERE / "pyproject.toml").read_text()
    head, _, extras = text.partition("[project.optional-dependencies]")
    project = head.partition("[project]")[2]
    name, version, python = (
        re.search(f'^{key} = "(.+)"$', project, re.M)[1] for key in ("name", "version", "requires-python")
    )
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Requires-Python: {python}"]
    lines += [f"Requires-Dist: {each}" for each in _lists(project)["dependencies"]]
    for extra, requirements in _lists(extras).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {each} ; extra == '{extra}'" for each in requirements]
    metadata = f"{name}-{version}.dist-info"
    files = {
        f"{name}.pth": f"{HERE}\n",
        f"{metadata}/METADATA": "\n".join([*lines, ""]),
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{metadata}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{metadata}/RECORD"])
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, wheel), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def _lists(text):
    return {name: json.loads(items) for name, items in re.findall(r"^(\w+) = (\[.*\])$", text, re.M)}
