"""Make the virtual environment of `make`: run with the system's Python, standard library only.

A plain environment gets both frameworks and the development tools. With --accelerator the frameworks come with the
vendor's image: the environment sees the system's packages and adds what is missing. Packages of the frameworks' world
stay as they are in the image; of others a newer version may lie in the environment, before that of the image, which
is never changed.

The file can be read by Python 3.6, so that an older Python than is needed gets a sentence.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
PYPROJECT = PROJECT / "pyproject.toml"
CONSTRAINTS = PROJECT / "constraints.txt"
PINS = {"PIP_CONSTRAINT": CONSTRAINTS.as_uri(), "PIP_BUILD_CONSTRAINT": CONSTRAINTS.as_uri()}
PIP = dict.fromkeys(("PIP_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_DRY_RUN"), "")
PIP.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
"""Nothing may keep pip from the environment: NVIDIA's containers pin all their packages by PIP_CONSTRAINT."""

PYTHON_NAME = f"python3.{sys.version_info.minor}"
PYTHON = Path(sys.prefix, "bin", PYTHON_NAME)
FRAMEWORK_WORLD = re.compile(
    r"(?!nvidia-ml-py$)(torch|mindspore|nvidia|triton|pytorch)([-_].*)?|torch.*"
    r"|te|topi|hccl.*|auto-tune|op-.*|opc-tool|asc-.*|apex|xformers"
    r"|numpy|scipy|protobuf|sympy|decorator|cffi|attrs|absl-py|ml-dtypes|cloudpickle"
)
"""Distributions that a framework or CANN imports, whether they say so or not; what these require belongs to them.

nvidia-ml-py is a binding that this harness needs; it belongs to a framework only where one requires it.
"""

REQUIRES_NOTHING_OF_US = re.compile(r"nvidia-.*")
"""CUDA's libraries, which require each other alone, and NVIDIA's tools for networks, which no framework needs."""

FITS_ALL_OLDER_USERS = {"typing-extensions"}
"""Pure Python, of which newer versions do all that older ones do, by their own rules: a framework may get a newer."""

VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?")
INTERRUPTED = 130
REFUSAL = "crosscast: cannot make {}: {}"
STAMP, LOG = "setup.json", "setup.log"

LIST_DISTRIBUTIONS = """
import importlib.metadata, json
found = {}
for distribution in importlib.metadata.distributions():
    try:
        name, version = distribution.metadata["Name"], distribution.version
        needs = [line for line in distribution.requires or () if "extra ==" not in line]
    except (LookupError, ValueError, TypeError, OSError):
        continue
    if name and version:
        found.setdefault(name, (version, str(distribution.locate_file("")), needs))
print(json.dumps(found))
"""
"""What tells no name or no version, or cannot be read, is what interrupted installations leave."""

LIST_CORE_REQUIREMENTS = """
import importlib.metadata, json
print(json.dumps([line for line in importlib.metadata.requires("crosscast") or () if "extra ==" not in line]))
"""


class SetupError(Exception):
    """A reason, in one line, why the environment cannot be made."""


def check_version() -> None:
    """Raise SetupError for a Python that is too old or too new, with the way out that its place allows."""
    bounds = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', PYPROJECT.read_text(), re.MULTILINE)
    if not bounds or int(bounds.group(1)) <= sys.version_info[1] < int(bounds.group(2)):
        return
    newest = f"3.{int(bounds.group(2)) - 1}"
    this = f"this is Python {sys.version.split()[0]}, and 3.{bounds.group(1)} to {newest} will do"
    if "--accelerator" in sys.argv:
        raise SetupError(
            this + ", in which the framework must be installed, too: take an image of the vendor with such a Python "
            "(docs/chips names one for each chip)"
        )
    raise SetupError(f"{this}: name one, as in PYTHON=python{newest}")


def take_the_python_that_made_it() -> None:
    """Go on with the Python that made the environment, where it still fits and --any-python says that none is named."""
    words = [word for word in sys.argv if word != "--any-python"]
    is_named, sys.argv = words == sys.argv, words
    with suppress(OSError, ValueError, KeyError, TypeError):
        made = json.loads(Path(words[-1], STAMP).read_text())["python"]
        check = [made, words[0], "--check", *words[1:]]
        if not is_named and made != str(PYTHON) and subprocess.call(check, stderr=subprocess.DEVNULL) == 0:
            os.execv(made, [made, *words])


if __name__ == "__main__":
    take_the_python_that_made_it()
    try:
        check_version()
    except SetupError as unfit:
        sys.exit(REFUSAL.format(sys.argv[-1], unfit))


class PinConflict(SetupError):
    """A pinned version that does not fit a need, or that no index offers."""

    def __init__(self, name: str, version: str, need: str) -> None:
        super().__init__(f"pip finds no {name}=={version} where {need}")
        self.name, self.version, self.need = name, version, need

    def way_out(self, numpy: "str | None" = None) -> str:
        """The line to print where the version is the system's, whose NumPy stays below 2 where `numpy` is below it."""
        requirement = self.need.split(" needs ")[1]
        if name_of(requirement) == "numpy":
            wanted = f"'{requirement}'" if "<" in requirement else f"'{requirement},<2'"
        else:
            wanted = f"'{requirement}' 'numpy<2'" if numpy and numpy.startswith(("0.", "1.")) else f"'{requirement}'"
        free = "PIP_CONSTRAINT= " if os.environ.get("PIP_CONSTRAINT") else ""
        return (
            f"the system's {self.name} {self.version} does not fit, {self.need}: change it there "
            f"({free}{PYTHON} -m pip install {wanted}) or take an image that has it"
        )


def main() -> None:
    """Entry point: one line on stderr where the environment cannot be made, silence where it is up to date."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of crosscast.")
    parser.add_argument("folder", type=Path, help="folder of the environment")
    parser.add_argument("--accelerator", action="store_true", help="see and keep the packages of the system")
    parser.add_argument("--check", action="store_true", help="exit with 0 where this Python has made it, and no more")
    arguments = parser.parse_args()
    folder = Path.cwd() / arguments.folder
    try:
        if os.pathsep in str(folder):
            raise SetupError(f"PATH cannot name a folder with a {os.pathsep!r} in it: move or rename {folder.parent}")
        if arguments.check:
            sys.exit(not _differ_by_inputs(_read_stamp(folder), _wanted_stamp(folder, arguments.accelerator)))
        _leave_environment(folder)
        set_up(folder, accelerator=arguments.accelerator)
    except (SetupError, OSError, subprocess.SubprocessError) as error:
        sys.exit(REFUSAL.format(arguments.folder, error))
    except KeyboardInterrupt:
        print(f"crosscast: interrupted; {arguments.folder} is made anew next time", file=sys.stderr)
        sys.exit(INTERRUPTED)


def set_up(folder: Path, *, accelerator: bool) -> None:
    """Bring the environment up to date; its stamp is written last, so that a half-made one is never taken for good."""
    wanted = _wanted_stamp(folder, accelerator)
    if _read_stamp(folder) == wanted:
        return
    with _lock(folder):
        made = _read_stamp(folder)
        if made == wanted:
            return
        if _differ_by_inputs(made, wanted):
            print(f"updating {folder.name}", flush=True)
            (folder / STAMP).unlink()
        else:
            cost = "about a minute, 0.7 GB" if accelerator else "two or three minutes, 4 GB"
            _check_tools("pip" if accelerator else "ensurepip")
            print(f"making {folder.name}: {cost}", flush=True)
            _create(folder, accelerator)
        (folder / LOG).write_text("")
        if accelerator:
            _install_beside_system(folder)
        else:
            _pip(folder, "-e", ".[pytorch,mindspore,dev]", **PINS)
        (folder / STAMP).write_text(json.dumps(wanted, indent=2))


def _check_tools(installer: str) -> None:
    missing = [name for name in ("venv", installer) if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"{PYTHON} lacks {' and '.join(missing)}: install the system's packages for it "
            f"(Debian and Ubuntu: {PYTHON_NAME}-venv python3-pip)"
        )


def _leave_environment(folder: Path) -> None:
    """Start again with the Python that made the active environment, where that one is ours."""
    active = _read_stamp(Path(sys.prefix))
    if active is not None:
        os.execv(active["python"], [active["python"], *sys.argv])
    if Path(sys.prefix) == folder.resolve():
        raise SetupError("it is active and must be made anew: deactivate it first")


def _wanted_stamp(folder: Path, accelerator: bool) -> dict[str, str]:
    """What the environment is made of: changed inputs are installed over it, any other change starts it anew."""
    machine = os.uname().machine
    inputs = b"\0".join(path.read_bytes() for path in (PYPROJECT, CONSTRAINTS, Path(__file__)))
    return {
        "folder": str(folder),
        "python": str(PYTHON),
        "version": sys.version if machine == "x86_64" else f"{sys.version} on {machine}",
        "system": _system_digest() if accelerator else "not seen",
        "inputs": hashlib.sha256(inputs).hexdigest(),
    }


def _system_digest() -> str:
    """Of the metadata folders of the system's distributions: their names hold the versions."""
    folders = sorted(str(path) for entry in sys.path[1:] for path in Path(entry).glob("*.*-info"))
    return hashlib.sha256("\n".join(folders).encode()).hexdigest()


def _differ_by_inputs(made: dict[str, str] | None, wanted: dict[str, str]) -> bool:
    """Whether an environment is there and nothing but what is installed may have changed since."""
    return made is not None and {**made, "inputs": ""} == {**wanted, "inputs": ""}


def _read_stamp(folder: Path) -> dict[str, str] | None:
    with suppress(OSError, ValueError, TypeError):
        return dict(json.loads((folder / STAMP).read_text()))
    return None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One set-up of a folder at a time, where the file system knows locks."""
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        with suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"another set-up of {folder.name} is running: waiting for its end", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(folder: Path, accelerator: bool) -> None:
    import venv

    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise SetupError("the folder holds something else: move that away")
    _clear(folder)
    venv.create(folder, symlinks=True, system_site_packages=accelerator, with_pip=not accelerator)
    if accelerator and sys.prefix != sys.base_prefix:
        places = site.getsitepackages([sys.prefix])  # which system_site_packages does not reach
        lines = [f"import site; site.addsitedir({path!r})\n" for path in places]
        (folder / "lib" / PYTHON_NAME / "site-packages" / "image.pth").write_text("".join(lines))


def _clear(folder: Path) -> None:
    """Remove what an older environment holds, but for the file that tells one from a folder of somebody else.

    Whoever is killed here can begin again.
    """
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "pyvenv.cfg":
            path.unlink()


def _install_beside_system(folder: Path) -> None:
    """Install what the system lacks or has too old, with the frameworks' world pinned to what the system has."""
    system = _distributions(PYTHON)
    world = _framework_world(system)
    _pip(folder, "--no-deps", "-e", ".", **PINS)
    requirements = _answer(_python(folder), LIST_CORE_REQUIREMENTS)
    kept = {name: f"{name}=={found[0]}" for name, found in system.items() if VERSION.fullmatch(found[0])}
    _install_with(folder, requirements, kept, world)
    seen = _distributions(_python(folder))
    hidden = sorted(name for name in system if seen.get(name) != system[name])
    lost = [name for name in hidden if name in world]
    if lost:
        raise SetupError(f"these packages of the system would be hidden: {', '.join(lost)}")
    for name in hidden:
        print(f"{name} {seen[name][0]} lies in {folder.name} before the system's {system[name][0]}, which stays")


def _install_with(folder: Path, requirements: list[str], kept: dict[str, str], world: set[str]) -> None:
    """Install with pins of the system and of ours; what conflicts gives way: first what no framework needs, then ours.

    What the harness needs newer is not pinned from the start, since each conflict takes pip as long as an installation.

    Raises SetupError where the frameworks' world itself does not fit.
    """
    pins, ours = folder / "constraints.txt", CONSTRAINTS.read_text().splitlines()
    for requirement in requirements:
        name = name_of(requirement)
        if name in kept and name not in world and _is_unmet(requirement, kept[name].partition("==")[2]):
            del kept[name]
    while True:
        pins.write_text("\n".join([*kept.values(), *(line for line in ours if name_of(line) not in kept)]))
        try:
            _pip(folder, "-c", str(pins), *requirements)
            break
        except PinConflict as conflict:
            name = name_of(conflict.name)
            if name in kept and name not in world:
                del kept[name]
            elif ours:
                ours = []
            else:
                raise SetupError(conflict.way_out(kept.get("numpy", "").rpartition("==")[2])) from None
    if not ours:
        print("constraints.txt does not fit the system's packages: other versions were taken")


def _framework_world(system: dict[str, tuple[str, str, list[str]]]) -> set[str]:
    """Names of the distributions of frameworks and of all that these require."""
    world: set[str] = set()
    found = {name for name in system if FRAMEWORK_WORLD.fullmatch(name)}
    while found:
        world |= found
        asking = [name for name in found if not REQUIRES_NOTHING_OF_US.fullmatch(name)]
        found = {name_of(need) for name in asking for need in system[name][2]} & system.keys() - world
    return world - FITS_ALL_OLDER_USERS


def _python(folder: Path) -> Path:
    return folder / "bin" / PYTHON_NAME


def _answer(python: Path, code: str) -> Any:
    """The JSON that a program prints last, after what an image may say at the start of each Python.

    It runs in a session of its own, so that Ctrl-C ends it without a word of its own.
    """
    asked = subprocess.run([python, "-c", code], cwd="/", capture_output=True, start_new_session=True)
    if asked.returncode:
        words = asked.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise SetupError(f"{python} does not tell which packages it has: {words[-1]}")
    return json.loads(asked.stdout.splitlines()[-1])


def _distributions(python: Path) -> dict[str, tuple[str, str, list[str]]]:
    """Version, place and needs of every distribution that this Python sees, crosscast aside."""
    found = _answer(python, LIST_DISTRIBUTIONS)
    return {name_of(name): place for name, place in found.items() if name_of(name) != "crosscast"}


def name_of(requirement: str) -> str:
    """The name of the distribution that a requirement or a pin names, as indexes compare it."""
    match = re.match(r"[\w.-]*", requirement)
    return re.sub(r"[-_.]+", "-", match[0] if match else "").lower()


def _pip(folder: Path, *arguments: str, **environment: str) -> None:
    command = [str(_python(folder)), "-m", "pip", "install", "--progress-bar", "off", *arguments]
    log = folder / LOG
    with log.open("a") as file:
        start = file.tell()
        failed = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **PIP, **environment}, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    if failed:
        raise failure_in(log.read_bytes()[start:].decode(errors="replace"), f" (log: {log})")


def _is_unmet(need: str, version: str) -> bool:
    """Whether a version is outside the bounds at the end of a line, by the numbers of its release."""
    bounds = re.findall(r"(>=|<=|<|>)\s*(\d+(?:\.\d+)*)", need)
    found = _numbers(version)
    tests = {">=": found.__ge__, "<=": found.__le__, "<": found.__lt__, ">": found.__gt__}
    return not all(tests[sign](_numbers(bound)) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4])


def failure_in(text: str, where: str = "") -> SetupError:
    """What pip's output says went wrong."""
    if "connection broken" in text:
        return SetupError("pip reaches no package index: see to the network or to pip's configuration")
    block = re.search(r"The conflict is caused by:\n(( {4}.+\n)+)", text)
    pin = re.search(r"The user requested \(constraint\) (\S+)==(\S+)", block[1]) if block else None
    if block and pin:
        needs = [line.strip() for line in block[1].splitlines() if "(constraint)" not in line]
        need = next((line for line in needs if _is_unmet(line, pin[2])), needs[0])
        need = need.replace("The user requested", "crosscast needs").replace("depends on", "needs")
        return PinConflict(pin[1], pin[2], need)
    lines = text.strip().splitlines() or ["pip failed"]
    errors = [line for line in lines if line.lower().startswith("error:") and line != "ERROR: Exception:"]
    reason = errors[-1] if errors else lines[-1]
    return SetupError(f"{reason}{where}")


if __name__ == "__main__":
    main()
