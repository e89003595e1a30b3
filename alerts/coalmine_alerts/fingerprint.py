"""Identity of an alert: its rule and labels."""

import hashlib
import json
from collections.abc import Mapping


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """Returns 16 hexadecimal digits that depend on the rule and its labels, not on their order."""
    text = json.dumps([rule, sorted(labels.items())], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
