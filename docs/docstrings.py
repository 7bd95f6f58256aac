"""For mkdocstrings: `Example:` in a docstring is what Google's style calls `Examples:`."""

from __future__ import annotations

from typing import Any

import griffe


class OneExample(griffe.Extension):
    """So that what stands below is shown as Python, and not as text."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
