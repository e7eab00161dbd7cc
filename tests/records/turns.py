"""Short names for messages in tests."""


def turn(role, content, tool_calls=None):
    """A message of the canonical schema."""
    return {"role": role, "content": content, "tool_calls": tool_calls}


def user(content):
    """A user's message."""
    return turn("user", content)


def said(content):
    """An assistant's message."""
    return turn("assistant", content)


def system(content):
    """A system message."""
    return turn("system", content)
