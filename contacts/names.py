"""Names as they are compared."""

import re

from crm.text import normalised

# What companies add to their name, which says nothing about who they are.
LEGAL_FORMS = re.compile(
    r"ab|ag|aps|asbl|as|bvba|bv|corporation|corp|co|cvba|cv|eg|ek|eurl|eu|gie|gmbh|hf|incorporated|inc|kft|kgaa|kg"
    r"|limited|llc|llp|lp|ltd|mbh|nv|oyj|oy|plc|pte|pty|sarl|sasu|sas|sca|scrl|sa|sl|spa|sp|srl|sro|vof|vzw|zoo"
    r"|the|company|and"
)


def name_key(name: str) -> str:
    """A name as duplicates are compared by: “The Été Company N.V.” becomes “ete”; never empty for a name."""
    words = re.sub(r"[^\w\s]", "", normalised(name.replace("&", " and ").replace("-", " "))).split()
    telling = [word for word in words if not LEGAL_FORMS.fullmatch(word)]
    return " ".join(telling or words)[:200]
