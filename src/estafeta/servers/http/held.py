"""The page of a held message, /held/TOKEN: what it is, and two buttons, to deliver it and to delete it.

GET never changes anything, since programs that look for malware open every link; only POST does, and it says which
button it was: a program that posts to what it finds decides nothing. What senders wrote is shown as text.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from estafeta.mailboxes.service import Submit
from estafeta.queue.quarantine import Decided, Decision, decide
from estafeta.queue.quarantinelinks import Offer, check_token
from estafeta.servers.http.answers import language_of, page_response
from estafeta.servers.http.forms import client_of, form_fields
from estafeta.servers.http.pages import TEXTS, Button, Page
from estafeta.storage.database import Database

_DECISIONS = {"release": Decision.RELEASE, "delete": Decision.DELETE}


@dataclass(frozen=True, slots=True)
class HeldDesk:
    """What the page works with. `clock` in epoch seconds."""

    database: Database
    submit: Submit
    clock: Callable[[], float]


class HeldPages:
    """Answers requests."""

    def __init__(self, desk: HeldDesk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """Where the pages are."""
        return [
            Route("/held/{token}", self._show, methods=["GET"]),
            Route("/held/{token}", self._take, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        offer = await self._look(request)
        return page_response(held_page(offer, language_of(request))) if offer is not None else _gone(request)

    async def _take(self, request: Request) -> Response:
        """A button."""
        decision = _DECISIONS.get(form_fields(await request.body()).get("act", ""))
        offer = await self._look(request)
        if offer is None:
            return _gone(request)
        language = language_of(request)
        if decision is None:
            return page_response(held_page(offer, language), 400)
        who = f"its recipient, by a link, from {client_of(request)}"
        wanted = Decided(decision, (offer.place,), self._now_ms(), who)
        if not await self._desk.submit(decide, wanted, ()):
            return _gone(request)
        texts = TEXTS[language]
        if decision is Decision.RELEASE:
            said = texts.held_released.format(who=offer.address)
            return page_response(Page(language, texts.held_released_title, (said,)))
        return page_response(Page(language, texts.held_deleted_title, (texts.held_deleted,)))

    async def _look(self, request: Request) -> Offer | None:
        token, now_ms = request.path_params["token"], self._now_ms()

        def look() -> Offer | None:
            with self._desk.database.read() as conn:
                return check_token(conn, token, now_ms)

        return await asyncio.to_thread(look)

    def _now_ms(self) -> int:
        return int(self._desk.clock() * 1000)


def held_page(offer: Offer, language: str) -> Page:
    """What is held, and what can be done."""
    texts, held = TEXTS[language], offer.held
    until = time.strftime("%Y-%m-%d", time.gmtime(held.expires_ms / 1000))
    return Page(
        language,
        texts.held_title,
        (
            texts.held_intro.format(who=offer.address, until=until),
            texts.held_from.format(author=held.author or held.sender or "<>"),
            texts.held_subject.format(subject=held.subject) if held.subject else "",
            texts.held_why.format(reason=held.reason),
        ),
        (Button(texts.held_release, "release", main=False), Button(texts.held_delete, "delete")),
        note=texts.held_note,
    )


def _gone(request: Request) -> Response:
    """The message is not held any more, or the link is false: whoever has no right link learns no more."""
    language = language_of(request)
    texts = TEXTS[language]
    return page_response(Page(language, texts.held_gone_title, (texts.held_gone,)), 404)
