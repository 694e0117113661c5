"""Options that several commands share, as one value."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

Command = Callable[..., None]


def selecting(
    selection: Callable[..., object], parameters: Mapping[str, tuple[Any, Any]]
) -> Callable[[Command], Command]:
    """A decorator that gives a command these options (name -> annotation and default) behind its context; they come to
    it as one value that `selection` makes of them, its parameter `selection`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            chosen = selection(**{name: values.pop(name) for name in parameters})
            command(selection=chosen, **values)

        own = inspect.signature(command).parameters.values()
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in parameters.items()
        ]
        kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.name != "selection"]
        everything = [*kept[:1], *shared, *kept[1:]]
        with_options.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in everything}
        return with_options

    return decorate
