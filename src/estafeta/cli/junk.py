"""`estafeta junk`: what the server knows of junk, teaching it, and why a message is in Junk or not."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Yes, confirm, node_of, show_fields, show_json, show_table, site_of

if TYPE_CHECKING:
    from pathlib import Path

    from estafeta.app.junk import Explanation, Learnt
    from estafeta.app.stores import Site
    from estafeta.app.transfer.person import Person
    from estafeta.mailboxes.lessons import Lesson
    from estafeta.policy.content import Content

commands = typer.Typer(
    name="junk", help="What is learnt of junk, and why mail is in Junk.", no_args_is_help=True, rich_markup_mode=None
)

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Messages, mbox files, Maildirs, or directories of these.")
]
OfUser = Annotated[str, typer.Option("--user", metavar="ADDRESS", help="For this user, too, not for the site only.")]

_FAILED = 1
# Problems with files that are told one by one.
_MOST_PROBLEMS = 20
_DAY = 86_400


@commands.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what was learnt, and whether it is enough to judge by."""
    from estafeta.app import junk

    with site_of(context) as site:
        found = junk.status(site)
    if as_json:
        show_json(found)
        return
    judging = "yes" if found.judging else "no: switched off (bayes.enabled)" if not found.enabled else "not yet"
    show_fields(
        [
            ("Judging by words", judging),
            ("Good messages learnt", f"{found.good} ({found.least_good} are needed)"),
            ("Bad messages learnt", f"{found.bad} ({found.least_bad} are needed)"),
            ("Different words", found.words),
            ("Still to be learnt", found.waiting),
        ]
    )
    if found.users:
        typer.echo()
        show_table(["User", "Good", "Bad"], found.users)


@commands.command(name="learn-bad")
def learn_bad(context: typer.Context, paths: Paths, user: OfUser = "", as_json: Json = False) -> None:
    """Learn files as junk. What was learnt before is not learnt twice; what was learnt as good is taken back."""
    from estafeta.mailboxes.lessons import Lesson

    _learn(context, paths, user, Lesson.SPAM, as_json)


@commands.command(name="learn-good")
def learn_good(context: typer.Context, paths: Paths, user: OfUser = "", as_json: Json = False) -> None:
    """Learn files as good mail."""
    from estafeta.mailboxes.lessons import Lesson

    _learn(context, paths, user, Lesson.HAM, as_json)


@commands.command()
def forget(
    context: typer.Context,
    user: Annotated[
        str, typer.Option("--user", metavar="ADDRESS", help="What this user taught, itself and the site.")
    ] = "",
    site: Annotated[bool, typer.Option("--site", help="All that the site learnt; users keep their own.")] = False,
    yes: Yes = False,
) -> None:
    """Forget what was learnt: of a user whose account was stolen, say, or to begin anew."""
    from estafeta.policy.bayes_tending import forget_site, forget_user

    if bool(user) == site:
        raise typer.BadParameter("say whose: --user ADDRESS or --site")
    confirm(f"Forget what {user or 'the site'} learnt of junk?", yes)
    with site_of(context) as opened:
        if site:
            forget_site(opened.database)
            typer.echo("The site has forgotten all words.")
            return
        number = forget_user(opened.database, opened.directory.get_user(user).account_id)
    typer.echo(f"Taken back: {number} messages.")


@commands.command()
def explain(
    context: typer.Context,
    message: Annotated[
        str,
        typer.Argument(metavar="IDENT|FILE", help="The ident of a message that came here, or a file; - for input."),
    ],
    user: Annotated[
        str, typer.Option("--user", metavar="ADDRESS", help="Of a file: what this user's own learning says, too.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say why a message is in Junk or not: what each check said when it came, and what its words say now."""
    import os

    from estafeta.app import junk

    octets = None
    if message == "-":
        octets = sys.stdin.buffer.read()
    elif os.path.isfile(message):
        with open(message, "rb") as file:
            octets = file.read()
    with site_of(context) as site:
        found = junk.explain_message(site, message) if octets is None else junk.explain_content(site, octets, user)
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: "Explanation") -> None:
    from estafeta.journal.words import printable

    if found.ident:
        typer.echo(f"Message {found.ident}: {printable(found.outcome) or 'no check was asked about it'}")
    elif found.outcome:
        typer.echo(f"When it came: {printable(found.outcome)}")
    if found.filed:
        typer.echo(f"Filed in {', '.join(map(printable, found.filed))}")
    if found.reasons:
        typer.echo()
        rows = [
            [
                f"{one.points:+.1f}" if one.points else "",
                one.check,
                printable(one.words) + (" (for one recipient)" if one.account else ""),
            ]
            for one in found.reasons
        ]
        show_table(["Points", "Check", "Why"], rows)
    for one in found.learnt:
        _show_words(one)
    if found.gone:
        typer.echo("\nThe message is no longer here: of its words nothing can be said.")
    elif not found.learnt:
        typer.echo("\nNothing was learnt yet that its words could be compared with (estafeta junk status).")


def _show_words(one: "Learnt") -> None:
    from estafeta.journal.words import printable
    from estafeta.policy.bayes_check import percent

    counts = "" if one.enough else "; that is too little to count"
    typer.echo(f"\nIts words, by {one.good} good and {one.bad} bad messages of {one.owner}{counts}:")
    typer.echo(f"  {percent(one.chance)} those of junk, {one.points:+.1f} points")
    rows = [
        [printable(word.word), f"{word.says + 0.5:.2f}", word.good, word.bad]
        + ([word.own_good, word.own_bad] if one.account else [])
        for word in one.words
    ]
    own = ["Own good", "Own bad"] if one.account else []
    show_table(["Word", "Junk", "Good", "Bad", *own], rows)


def _learn(context: typer.Context, paths: list[str], user: str, lesson: "Lesson", as_json: bool) -> None:
    import time
    from pathlib import Path

    from estafeta.app.junk_files import find_files, learn_messages
    from estafeta.app.stores import open_site
    from estafeta.app.transfer.person import as_owner

    node = node_of(context)
    problems: list[tuple[str, str]] = []
    read = new = 0
    with as_owner(node) as person, open_site(node) as site, _meter() as advance:
        account = _account(site, user)
        with person:
            files = find_files(map(Path, paths))
        messages = _read(files, person, problems, advance)
        today, pairs = int(time.time() // _DAY), site.settings.current.bayes.pairs
        for number, learnt in learn_messages(site.database, messages, lesson, account=account, day=today, pairs=pairs):
            read, new = read + number, new + learnt
    if as_json:
        show_json({"read": read, "learnt": new, "problems": [f"{name}: {why}" for name, why in problems]})
    else:
        typer.echo(f"Read {read} messages, learnt {new} that were not known as such.")
        for name, why in problems[:_MOST_PROBLEMS]:
            typer.echo(f"{name}: {why}", err=True)
        if len(problems) > _MOST_PROBLEMS:
            typer.echo(f"and {len(problems) - _MOST_PROBLEMS} more files that could not be read", err=True)
    if problems and not read:
        raise typer.Exit(_FAILED)


def _read(
    files: "list[Path]", person: "Person", problems: list[tuple[str, str]], advance: "Callable[[int, int], None]"
) -> "Iterator[Content]":
    """The messages of all files, read as the person who asked."""
    from estafeta.app.junk_files import read_messages

    for number, path in enumerate(files):
        messages = read_messages(path, lambda name, why: problems.append((name, why)))
        while True:
            with person:
                content = next(messages, None)
            if content is None:
                break
            yield content
        advance(number + 1, len(files))


def _account(site: "Site", user: str) -> int:
    from estafeta.policy.bayes_learning import SITE

    return site.directory.get_user(user).account_id if user else SITE


@contextmanager
def _meter() -> "Iterator[Callable[[int, int], None]]":
    """A bar of files on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
