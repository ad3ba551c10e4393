"""What made an object, kept on it as one custom property in JSON, so that the same clip can be made again."""

import json

PROPERTY = "anthesis"


def write(obj, made_by: dict[str, str], facts: dict) -> None:
    """`made_by` is protocol.provenance(request); `facts` is what came of it, anything that JSON can hold."""
    obj[PROPERTY] = json.dumps({"made_by": made_by, **facts}, ensure_ascii=False)


def read(obj) -> dict | None:
    """What write() wrote, or None where the object is not ours or the property was overwritten."""
    text = obj.get(PROPERTY)
    if not isinstance(text, str):
        return None
    try:
        facts = json.loads(text)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) and "made_by" in facts else None
