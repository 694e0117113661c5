"""The daily letters about held mail in a running server."""

import asyncio
import logging
from collections.abc import Callable

from estafeta.app.jobs import DAY, Job
from estafeta.core.errors import EstafetaError
from estafeta.delivery.heldletters import HeldLetters
from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.service import Submit
from estafeta.queue.quarantine import Told, tell

log = logging.getLogger("estafeta.jobs")


def letters_job(
    letters: HeldLetters,
    submit: Submit,
    settings: SiteSettings,
    loop: asyncio.AbstractEventLoop,
    stopping: Callable[[], bool],
) -> Job:
    """Once a day, where the settings want it, for one machine of the site. Runs in a thread."""

    async def commit(told: Told, content: bytes) -> bool:
        return bool(await submit(tell, told, (content,)))

    def send() -> None:
        sent = 0
        for letter in letters.collect() if settings.current.quarantine.digest else ():
            if stopping():
                break
            try:
                prepared = letters.prepare(letter)
                if prepared is not None:
                    sent += asyncio.run_coroutine_threadsafe(commit(*prepared), loop).result()
            except EstafetaError as error:  # the others go all the same; this one comes again tomorrow
                cause = error.private or error.public
                log.warning("a letter about held mail was not sent", extra={"to": letter.to, "cause": cause})
        if sent:
            log.info("quarantine: wrote to users", extra={"letters": sent})

    return Job("quarantine-letters", DAY, send)
