"""The pages of distribution lists: /lists/ADDRESS to join and leave, /lists/confirm/TOKEN and /lists/leave/TOKEN.

GET never changes anything, since programs that look for malware open every link; POST does, and a second one is as
good as the first. A POST to a link needs nothing in its body, so the one-click form of mail programs (RFC 8058 3.2, of
either content type, without cookies) and the button of the page are the same. No answer redirects.

Reading and writing the directory happens in threads; letters are durable before the answer says that they are sent.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import Join, MailingList
from estafeta.journal.records import Record
from estafeta.lists.links import Offer, check_link, find_left
from estafeta.lists.tokens import Act
from estafeta.lists.values import Means
from estafeta.lists.visits import Visit, ask_to_join, ask_to_leave, follow_link
from estafeta.mail.address import Address, parse_address
from estafeta.mailboxes.service import Submit
from estafeta.policy.networks import Networks
from estafeta.queue.accepting import accept
from estafeta.servers.http.allowance import Allowance
from estafeta.servers.http.answers import error_response, language_of, page_response
from estafeta.servers.http.forms import client_of, form_fields
from estafeta.servers.http.pages import TEXTS, Button, Link, Page

log = logging.getLogger("estafeta.http")


@dataclass(frozen=True, slots=True)
class ListDesk:
    """What the pages work with. `exempt`: clients that are not counted, such as a proxy; `note` keeps a record."""

    means: Means
    submit: Submit
    note: Callable[[Record], None]
    allowance: Allowance
    exempt: Callable[[], Networks]


class ListPages:
    """Answers requests."""

    def __init__(self, desk: ListDesk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """Where the pages are."""
        return [
            Route("/lists/leave/{token}", self._show_link, methods=["GET"]),
            Route("/lists/leave/{token}", self._take_link, methods=["POST"]),
            Route("/lists/confirm/{token}", self._show_link, methods=["GET"]),
            Route("/lists/confirm/{token}", self._take_link, methods=["POST"]),
            Route("/lists/{address:path}", self._show_list, methods=["GET"]),
            Route("/lists/{address:path}", self._take_request, methods=["POST"]),
        ]

    async def _show_list(self, request: Request) -> Response:
        found = await self._find_list(request)
        if found is None:
            return _no_list(request)
        return page_response(list_page(found, language_of(request, found.options.language)))

    async def _take_request(self, request: Request) -> Response:
        """Somebody typed an address."""
        form = form_fields(await request.body())
        found = await self._find_list(request)
        if found is None:
            return _no_list(request)
        language = language_of(request, found.options.language)
        texts = TEXTS[language]
        try:
            who = parse_address(form.get("address", ""))
        except EstafetaError:
            return page_response(Page(language, texts.no_address_title, (texts.no_address,)), 400)
        client = client_of(request)
        if not self._desk.allowance.take(client, who, exempt=client in self._desk.exempt()):
            return error_response(request, 429, {"retry-after": "3600"})
        leaving = form.get("act") == "leave"
        await self._ask(found, who, client, leaving=leaving)
        return page_response(Page(language, texts.asked_title, (texts.asked.format(who=who), texts.asked_more)))

    async def _show_link(self, request: Request) -> Response:
        """What a link permits, and a button."""
        offer, left = await asyncio.to_thread(self._look, request.path_params["token"])
        if offer is None:
            return _stale(request, left)
        return page_response(offer_page(offer, language_of(request, offer.found.options.language)))

    async def _take_link(self, request: Request) -> Response:
        """The button, or a mail program."""
        await request.body()
        offer, left = await asyncio.to_thread(self._look, request.path_params["token"])
        if offer is None:
            return _stale(request, left)
        language = language_of(request, offer.found.options.language)
        try:
            visit = await asyncio.to_thread(follow_link, self._desk.means, offer, client_of(request))
        except EstafetaError as error:
            if error.kind is not Kind.LIMIT:
                raise
            full = TEXTS[language].full.format(owner=with_role(offer.found.address, "owner"))
            return page_response(Page(language, offer.found.title, (full,)), 409)
        await self._finish(visit)
        return page_response(done_page(offer, language))

    async def _find_list(self, request: Request) -> MailingList | None:
        try:
            key = parse_address(request.path_params["address"]).key
        except EstafetaError:
            return None
        return await asyncio.to_thread(self._desk.means.directory.find_list, key)

    def _look(self, token: str) -> tuple[Offer | None, MailingList | None]:
        means = self._desk.means
        offer = check_link(means.directory, token, means.clock())
        return offer, find_left(means.directory, token, means.clock()) if offer is None else None

    async def _ask(self, found: MailingList, who: Address, client: str, *, leaving: bool) -> None:
        ask = ask_to_leave if leaving else ask_to_join
        await self._finish(await asyncio.to_thread(ask, self._desk.means, found, who, client))

    async def _finish(self, visit: Visit) -> None:
        """Letters to whom there is a way are taken in; the others are nobody's business here, but the journal's."""
        self._desk.note(visit.record)
        for made in visit.made:
            if made.acceptance.entry is not None or made.acceptance.arrival is not None:
                await self._desk.submit(accept, (made.acceptance,), (made.content,))


def list_page(found: MailingList, language: str) -> Page:
    """What the list is, and a form. Of a list that is closed, strangers learn no more than its address."""
    texts = TEXTS[language]
    owner = with_role(found.address, "owner")
    link = Link(owner, f"mailto:{quote(owner, safe='@')}", texts.responsible)
    leave = Button(texts.leave, "leave", main=False)
    if found.options.subscribe is Join.CLOSED:
        return Page(
            language, found.address, (texts.closed,), (leave,), texts.address_label, texts.leave_only, link=link
        )
    return Page(
        language,
        found.title,
        (found.address, found.options.description),
        (Button(texts.join, "join"), leave),
        texts.address_label,
        texts.join_and_leave,
        link=link,
    )


def offer_page(offer: Offer, language: str) -> Page:
    """What a link permits."""
    texts = TEXTS[language]
    joining = offer.act is Act.JOIN
    title, said = (
        (texts.confirm_join_title, texts.confirm_join) if joining else (texts.confirm_leave_title, texts.confirm_leave)
    )
    paragraph = said.format(who=offer.address, list=offer.found.address)
    button = Button(texts.join if joining else texts.leave)
    return Page(language, title.format(title=offer.found.title), (paragraph,), (button,))


def done_page(offer: Offer, language: str) -> Page:
    """It is done; whoever left by mistake finds the way back."""
    texts = TEXTS[language]
    said = {"who": offer.address, "list": offer.found.address}
    if offer.act is Act.JOIN:
        return Page(language, texts.joined_title, (texts.joined.format_map(said),))
    return Page(language, texts.left_title, (texts.left.format_map(said),), link=_way_back(offer.found, language))


def _way_back(found: MailingList, language: str) -> Link | None:
    if found.options.subscribe is Join.CLOSED:
        return None
    # Relative to /lists/leave/TOKEN, so that it is right behind a proxy that adds to our paths.
    return Link(TEXTS[language].mistake, f"../{quote(found.address, safe='@')}")


def _stale(request: Request, left: MailingList | None) -> Response:
    """A link that permits nothing: its member has left, which is what was wanted; or it is false or too old."""
    if left is not None:
        language = language_of(request, left.options.language)
        texts = TEXTS[language]
        said = texts.already_left.format(list=left.address)
        return page_response(Page(language, texts.left_title, (said,), link=_way_back(left, language)))
    language = language_of(request)
    texts = TEXTS[language]
    return page_response(Page(language, texts.old_link_title, (texts.old_link,)), 404)


def _no_list(request: Request) -> Response:
    language = language_of(request)
    texts = TEXTS[language]
    return page_response(Page(language, texts.no_list, (texts.errors[404][1],)), 404)
