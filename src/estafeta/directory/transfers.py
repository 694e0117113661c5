"""Taking in the files of other mail systems, and writing them out again.

An import is one transaction. A line that cannot be used changes nothing and is reported; the others go in. The same
file may be imported again. With `dry_run` the report is the same and nothing is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import importing, names
from estafeta.directory.accounts import address_key, find_address, read_users
from estafeta.directory.aliases import put_alias
from estafeta.directory.changes import Part, View
from estafeta.directory.importing import AliasEntry, PairEntry, PasswdEntry
from estafeta.directory.model import AddressKind, ImportReport, LineProblem
from estafeta.directory.passwords import normalise_hash
from estafeta.directory.tables import users
from estafeta.directory.users import import_user, write_redirect
from estafeta.mail.address import parse_address, quote_local


class _NothingKeptError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(slots=True)
class _Progress:
    """What an import has done so far."""

    problems: list[LineProblem]
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def note(self, line: int, text: str, problem: str) -> None:
        self.problems.append(LineProblem(line, text, problem))

    def report(self) -> ImportReport:
        problems = tuple(sorted(self.problems, key=lambda problem: problem.line))
        return ImportReport(tuple(self.added), tuple(self.changed), problems)


class TransferMethods(Part):
    """Imports and exports. `domain` completes bare names; empty is the default domain."""

    def import_aliases(self, text: str, domain: str = "", *, dry_run: bool = False) -> ImportReport:
        """Take in /etc/aliases. A line for an existing user redirects it, with a copy if it names itself."""
        entries, problems = importing.parse_aliases(text)

        def work(view: View, progress: _Progress) -> None:
            complete = _completer(view, domain)
            taken = [
                entry
                for entry in entries
                if _attempt(progress, entry.line, entry.name, partial(_take_alias, view, entry, complete, progress))
            ]
            for entry in taken:
                _report_unknown_targets(view, entry, complete, progress)

        return self._import(problems, work, dry_run)

    def export_aliases(self, domain: str = "") -> str:
        """The aliases of a domain as /etc/aliases, its redirected users among them. Local targets are bare names.

        Groups are not among them: `list_groups` has those.
        """
        with self._reading() as view:
            name = _domain(view, domain)
            lines = {alias.address: alias.targets for alias in names.read_aliases(view.conn, name)}
            for user in read_users(view.conn, view.settings, domain=name):
                if user.redirect:
                    own = (user.address,) if user.redirect_mode == "copy" else ()
                    lines[user.address] = (*own, *user.redirect)
        bare = {address: _without(address, name) for targets in lines.values() for address in targets}
        rendered = [
            importing.render_alias(_alias_name(address, name), tuple(_own_name(address, to, bare) for to in targets))
            for address, targets in sorted(lines.items())
        ]
        return "\n".join([f"# Aliases of {name}", *rendered, ""])

    def import_passwd(self, text: str, domain: str = "", *, dry_run: bool = False) -> ImportReport:
        """Take in passwd(5), shadow(5) or `user:hash` lines. Users that exist get the password of the file."""
        entries, problems = importing.parse_passwd(text)

        def work(view: View, progress: _Progress) -> None:
            complete = _completer(view, domain)
            for entry in entries:
                _attempt(progress, entry.line, entry.name, partial(self._take_user, view, entry, complete, progress))

        return self._import(problems, work, dry_run)

    def import_email_addresses(self, text: str, domain: str = "", *, dry_run: bool = False) -> ImportReport:
        """Take in /etc/email-addresses: the address that each user's mail is from."""
        entries, problems = importing.parse_pairs(text)

        def work(view: View, progress: _Progress) -> None:
            complete = _completer(view, domain)
            for entry in entries:
                _attempt(progress, entry.line, entry.name, partial(_take_preferred, view, entry, complete, progress))

        return self._import(problems, work, dry_run)

    def export_email_addresses(self, domain: str = "") -> str:
        """Users of a domain whose mail is from another address than their name."""
        with self._reading() as view:
            name = _domain(view, domain)
            found = read_users(view.conn, view.settings, domain=name)
        lines = [
            f"{_without(user.address, name)}: {user.preferred_address}"
            for user in found
            if user.preferred_address != user.address
        ]
        return "\n".join([f"# Addresses that users of {name} write from", *lines, ""])

    def _import(
        self, problems: list[LineProblem], work: Callable[[View, _Progress], None], dry_run: bool
    ) -> ImportReport:
        progress = _Progress(problems)
        try:
            with self._changing() as view:
                work(view, progress)
                if dry_run:
                    raise _NothingKeptError
        except _NothingKeptError:
            pass
        return progress.report()

    def _take_user(self, view: View, entry: PasswdEntry, complete: Callable[[str], str], progress: _Progress) -> None:
        stored = ""
        try:
            stored = normalise_hash(entry.hash)
        except EstafetaError as error:
            progress.note(entry.line, entry.name, f"{error.public} The user has no password from this file.")
        address = complete(entry.name)
        added = import_user(view, address, entry.display_name, stored, self._now())
        if added or stored:
            (progress.added if added else progress.changed).append(address)


def _attempt(progress: _Progress, line: int, name: str, take: Callable[[], None]) -> bool:
    """Whether `take` went in; why not is noted."""
    try:
        take()
    except EstafetaError as error:
        progress.note(line, name, error.public)
        return False
    return True


def _take_alias(view: View, entry: AliasEntry, complete: Callable[[str], str], progress: _Progress) -> None:
    address = complete(entry.name)
    targets = [complete(target) for target in entry.targets]
    named = view.name(address)
    if named.row is not None and named.is_taken and named.row.account_id is not None:
        write_redirect(view, named.row.account_id, targets, keep_copy=False)
    else:
        put_alias(view, address, targets)
    (progress.changed if named.is_taken else progress.added).append(address)


def _report_unknown_targets(view: View, entry: AliasEntry, complete: Callable[[str], str], progress: _Progress) -> None:
    """A target that nobody has is taken in, since it may come later, but mail for it would be refused."""
    for text in entry.targets:
        try:
            target = parse_address(complete(text))
        except EstafetaError:
            continue
        key = address_key(view.locality, target)
        if key and not key.startswith("postmaster@") and find_address(view.conn, key) is None:
            progress.note(entry.line, text, f"There is no {target} here yet.")


def _take_preferred(view: View, entry: PairEntry, complete: Callable[[str], str], progress: _Progress) -> None:
    user = view.user(complete(entry.name))
    preferred = parse_address(complete(entry.value))
    key = address_key(view.locality, preferred)
    if key:
        named = view.name(str(preferred))
        if named.row is None or named.row.account_id != user.account_id:
            named = view.free_name(str(preferred))
            names.insert_address(view.conn, named.key, named.address, AddressKind.USER, user.account_id)
    own = update(users).where(users.c.account_id == user.account_id)
    view.conn.execute(own.values(preferred_address=str(preferred)))
    progress.changed.append(user.address)


def _domain(view: View, text: str) -> str:
    """The directory's name of a domain of ours. EstafetaError NOT_FOUND."""
    found = view.locality.find_domain(text)
    if found is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no domain {text or 'to add to bare names'}.")
    return found.name


def _completer(view: View, domain: str) -> Callable[[str], str]:
    name = _domain(view, domain)

    def complete(text: str) -> str:
        return text if "@" in text else f"{quote_local(text)}@{name}"

    return complete


def _without(address: str, domain: str) -> str:
    local, _, its_domain = address.rpartition("@")
    return local if its_domain == domain else address


def _alias_name(address: str, domain: str) -> str:
    """What stands before the colon: for an address of `domain` the local part's meaning, quoted only by the file."""
    parsed = parse_address(address)
    return parsed.local if parsed.domain == domain else address


def _own_name(address: str, target: str, bare: dict[str, str]) -> str:
    r"""A user that keeps a copy is written `\name`, as other systems expect."""
    return f"\\{bare[target]}" if target == address else bare[target]
