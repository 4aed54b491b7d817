"""Takes names of people and hosts, home folders and what else is private out of a text.

Left in, because nothing tells them from what is needed: names in a text that belong to nobody here and stand in no home
folder, addresses of other machines in plain text, and words of records that are also somebody's name.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, get_args

from harness.bundle.cluster import named_in
from harness.bundle.private import IN_HOME, Private, people_in, words_of_records
from harness.privacy import CREDENTIALS, SIGNATURE

What = Literal["users", "hosts", "folders"]
WHAT: tuple[What, ...] = get_args(What)

END = r"(?=$|[/\s:;,'\"()\[\]<>|\\])"
SYSTEM = r"(?!/(?:dev|proc|sys|usr|opt|etc|lib|lib64|bin|sbin|run)/)"
FOLDERS = re.compile(rf"(?<![\w/.~…]){SYSTEM}/(?:[^\s/:;,'\"()\[\]<>|]+/)+(?=[^\s/:;,'\"()\[\]<>|])")
"""A path outside the system's folders, up to its last part."""

PACKAGES = re.compile(r"(?:site|dist)-packages/")
ANY_HOME = re.compile(rf"(?<![\w./~])/(?:[\w.-]+/){{0,3}}{IN_HOME.pattern[1:]}{END}")
SOMEBODY = re.compile(r"(?<![\w.+-])[A-Za-z][\w.+-]*@[A-Za-z][\w-]*(?:\.[\w-]+)*\b")
SECRET = r"(?:token|passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|secret[_-]?key|credentials?)"
VALUE = r"(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s'\"]\S*)"
SECRETS = (
    re.compile(rf"\b([A-Z0-9_]*(?-i:{SECRET.upper()})[A-Z0-9_]*['\"]?\]?\s*[=:]\s*){VALUE}"),
    re.compile(rf"(?<![A-Za-z0-9])([\w-]{{0,40}}{SECRET}(?:['\"]\]?\s*[:=]|\s*=)\s*){VALUE}", re.I),
    re.compile(rf"^(\s*[\w-]{{0,40}}{SECRET}:\s+){VALUE}", re.I | re.M),
    re.compile(rf"(?<!\S)(--?[\w-]{{0,40}}{SECRET}\s+){VALUE}", re.I),
    SIGNATURE,
    re.compile(r"\b(Authorization['\"]?\s*[:=]\s*['\"]?\w+\s+|Bearer\s+)[\w.~+/=-]{8,}", re.I),
    re.compile(r"\b(hf_|gh[pousr]_|glpat-|AKIA|sk-)[A-Za-z0-9_-]{16,}"),
)
"""What stands before a secret, in variables, mappings, options, URLs, headers, and in the tokens of known houses."""

NAMES_A_SECRET = re.compile(rf"[\w-]*{SECRET}", re.I)
NETWORK_CARD = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")


class Scrubber:
    """Scrubs texts of one bundle alike: the same name becomes the same word in all of them.

    `keep` names what the user allows to stay. `counts` says how often something was replaced, by what it was.
    """

    def __init__(self, private: Private, keep: Collection[What] = ()) -> None:
        self.keep = frozenset(keep)
        self.counts: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        if "hosts" not in self.keep:
            self._names |= {address.casefold(): "address" for address in private.addresses}
            self._names |= _called("host", private.hosts)
        if "users" not in self.keep:
            self._names |= _called("user", private.users)
        self.stay = tuple(sorted(name for name in self._names if name in words_of_records()))
        words = sorted((name for name in self._names if name not in self.stay), key=len, reverse=True)
        self._words = _pattern(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])" for word in words)
        self._homes = _pattern(
            rf"(?<![\w.]){re.escape(home)}{END}" for home in sorted(private.homes, key=len, reverse=True)
        )

    def text(self, text: str) -> str:
        """The text without what is private."""
        if "folders" not in self.keep:
            text = self._replaced(self._homes, "~", text, "folders")
            text = self._replaced(ANY_HOME, "~", text, "folders")
            text = self._replaced(FOLDERS, _last_part, text, "folders")
        text = self._replaced(CREDENTIALS, "", text, "credentials")
        for secret in SECRETS:
            text = self._replaced(secret, r"\1…", text, "credentials")
        if "users" not in self.keep:
            text = self._replaced(SOMEBODY, "somebody@somewhere", text, "users")
        if "hosts" not in self.keep:
            text = self._replaced(NETWORK_CARD, "address", text, "hosts")
        return self._replaced(self._words, self._word, text, "names")

    def json(self, text: str) -> str:
        """JSON whose texts are scrubbed, one by one; as it is where nothing is private, scrubbed whole if no JSON."""
        before = sum(self.counts.values())
        try:
            found = self._value(json.loads(text))
        except (ValueError, RecursionError):
            return self.text(text)
        if sum(self.counts.values()) == before:
            return text
        return json.dumps(found, ensure_ascii=False, indent=0) + "\n"

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self._of(name, each) for name, each in value.items()}
        return value

    def _of(self, name: str, value: Any) -> Any:
        """A value as `_value` has it; nothing is left of a text whose name says that it is a secret."""
        if isinstance(value, str) and NAMES_A_SECRET.fullmatch(name):
            self.counts["credentials"] += 1
            return "…"
        return self._value(value)

    def _word(self, found: "re.Match[str]") -> str:
        return self._names[found[0].casefold()]

    def _replaced(
        self, pattern: "re.Pattern[str] | None", by: "str | Callable[[re.Match[str]], str]", text: str, what: str
    ) -> str:
        if pattern is None:
            return text
        replaced, count = pattern.subn(by, text)
        if count:
            self.counts[what] += count
        return replaced


def learned(private: Private, texts: Mapping[str, str]) -> Private:
    """What is private here, the names of the people whose home folders the texts name, and those of their cluster.

    `texts` are given by their places, which are looked at, too.
    """
    of_cluster = named_in(texts)
    users = {name for text in (*texts, *texts.values()) for name in people_in(text)}
    return private.with_names(users | of_cluster.users, of_cluster.hosts)


def _called(kind: str, names: Collection[str]) -> dict[str, str]:
    """A word for each name, in small letters; numbers tell several apart."""
    ordered = sorted({name.casefold() for name in names})
    return {name: kind if len(ordered) == 1 else f"{kind}-{number}" for number, name in enumerate(ordered, start=1)}


def _last_part(found: "re.Match[str]") -> str:
    """What is left of the folders of a path: nothing, or those below the packages of a Python."""
    below = PACKAGES.search(found[0])
    return f"…/{found[0][below.start() :]}" if below else "…/"


def _pattern(alternatives: Iterable[str]) -> "re.Pattern[str] | None":
    found = "|".join(alternatives)
    return re.compile(found, re.IGNORECASE) if found else None
