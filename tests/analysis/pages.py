"""Read a page as a browser would: its tables, links and identifiers."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}


@dataclass
class Table:
    """A table with the anchors of the elements around it; `rows` hold pairs of text and link, row heads among them."""

    within: list[str]
    caption: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, str | None]]] = field(default_factory=list)


class Page(HTMLParser):
    """The tables, ids, links and texts of a page."""

    def __init__(self, source):
        super().__init__()
        self.tables, self.ids, self.links, self.open, self.loads = [], [], [], [], []
        self.text, self.headings, self.order = "", [], []
        self.feed(source)

    def table(self, beginning):
        """The first table whose caption begins so."""
        return next(table for table in self.tables if table.caption.startswith(beginning))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        loading = ("href", "src") if tag in ("link", "image", "use", "img", "script") else ("src", "xlink:href")
        self.loads += [value for name, value in attributes if name in (*loading, "xlink:href")]
        if tag not in VOID:
            self.open.append((tag, values.get("id")))
        if tag == "section":
            self.order.append(values["id"])
        if tag == "table":
            self.tables.append(Table([anchor for _, anchor in self.open if anchor]))
        if tag == "tr" and self._in("tbody"):
            self.tables[-1].rows.append([])
        if tag in ("td", "th") and self._in("tbody"):
            self.tables[-1].rows[-1].append(("", None))
        elif tag == "th":
            self.tables[-1].columns.append("")
        if tag == "a" and self._in("tbody"):
            self.tables[-1].rows[-1][-1] = (self.tables[-1].rows[-1][-1][0], values["href"])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self._in("style") or self._in("script"):
            return
        self.text += data
        if self._in("tbody") and (self._in("td") or self._in("th")):
            text, href = self.tables[-1].rows[-1][-1]
            self.tables[-1].rows[-1][-1] = (text + data, href)
        elif self._in("th"):
            self.tables[-1].columns[-1] += data
        elif self._in("caption"):
            self.tables[-1].caption += data

    def _in(self, tag):
        return any(name == tag for name, _ in self.open)
