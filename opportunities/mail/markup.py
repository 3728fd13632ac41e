"""HTML made into the text that a person would have read, with its lines."""

import re
from html.parser import HTMLParser

LARGEST_PAGE = 300_000  # characters that are looked at
LONGEST_LINK = 300  # characters of an address that is shown
UNREAD = frozenset(["head", "script", "style", "template", "title"])
ON_LINES_OF_THEIR_OWN = frozenset(
    [
        *("address", "article", "blockquote", "body", "div", "dl", "dt", "dd", "fieldset", "footer", "form"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre"),
        *("section", "table", "tr", "ul"),
    ]
)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
DECLARATION = re.compile(r"<[!?][^<>]*>")
LONG_TAG = re.compile(r"<[^<>]{2000,}>")
LONE_BRACKET = re.compile(r"<(?![a-z/][^<>]{0,2000}>)", re.IGNORECASE)
BLANK_LINES = re.compile(r"\n{3,}")


def text_of_html(page: str) -> str:
    """The words of a page; links keep their address where it is not what is written."""
    reader = _Reader()
    reader.feed(_harmless(page[:LARGEST_PAGE]))
    reader.close()
    return tidy("".join(reader.parts))


def tidy(text: str) -> str:
    """Without blanks at the ends of lines, and never more than one empty line in a row."""
    lines = (line.rstrip() for line in text.split("\n"))
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _harmless(page: str) -> str:
    """A page of which every bracket begins or ends a short tag: the parser takes very long over others, or gives up."""
    page = LONG_TAG.sub(" ", DECLARATION.sub("", COMMENT.sub("", page)))
    return LONE_BRACKET.sub("&lt;", page)


class _Reader(HTMLParser):
    """Collects the words in ``parts``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread = 0
        self._link = ""
        self._link_begins = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNREAD:
            self._unread += 1
        elif tag == "body":
            self._unread = 0  # a head that is never closed hides nothing
        elif tag == "br":
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag == "a":
            self._link = dict(attrs).get("href") or ""
            self._link_begins = len(self.parts)
        if tag in ON_LINES_OF_THEIR_OWN:
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in UNREAD:
            self._unread = max(self._unread - 1, 0)
        elif tag == "a":
            self._name_link()
        elif tag in ON_LINES_OF_THEIR_OWN:
            self.parts.append("\n\n" if tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _name_link(self) -> None:
        link, self._link = self._link.strip(), ""
        if not link.lower().startswith(("http://", "https://")) or len(link) > LONGEST_LINK:
            return
        shown = "".join(self.parts[self._link_begins :])
        if link.rstrip("/") not in shown:
            self.parts.append(f" ({link})")
