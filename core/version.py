"""The version of Lucency. It is stated here and nowhere else: the package (`pyproject.toml`), the command, the API, its
contract and through it the web application, and the results all take it from here.
"""

from __future__ import annotations

VERSION = "0.1.0"
