"""The command line: one verb a command; it parses, calls, prints, and answers with an exit code.

0 done · 1 a gate or an audit failed, nothing was published · 2 the request was wrong
130 interrupted: run the same command again to go on
"""

from toolkit.cli.main import main

__all__ = ["main"]
