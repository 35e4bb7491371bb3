"""The softreg command: parse, call the library, print. Data goes to stdout and talk to stderr.

Modules here import the heavy parts of the library inside their functions, so that `--help` answers at once.
"""

from softreg.cli.main import main

__all__ = ["main"]
