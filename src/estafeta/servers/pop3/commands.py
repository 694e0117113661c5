"""Which function handles which event of the machine."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from estafeta.protocols.pop3 import events
from estafeta.servers.pop3 import access, leaving, listing, reading, sasl, signin
from estafeta.servers.pop3.session import Handler

HANDLERS: Mapping[type[Any], Handler] = MappingProxyType(
    {
        events.Answered: lambda session, event: None,
        events.Capabilities: access.capa,
        events.Mechanisms: access.auth_list,
        events.StartTls: access.stls,
        events.User: signin.user,
        events.Password: signin.password,
        events.Apop: signin.apop,
        events.Authenticate: sasl.auth,
        events.AuthNeed: sasl.need,
        events.Authenticated: sasl.authenticated,
        events.AuthFailed: sasl.auth_failed,
        events.Stat: listing.stat,
        events.List: listing.list_sizes,
        events.UniqueIds: listing.list_ids,
        events.Delete: listing.dele,
        events.Reset: listing.rset,
        events.Retrieve: reading.retr,
        events.Top: reading.top,
        events.Quit: leaving.quit_session,
    }
)
