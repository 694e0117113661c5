"""Which function handles which event of the machine."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from estafeta.protocols.imap import commands
from estafeta.servers.imap import append
from estafeta.servers.imap.authenticate import auth_failed, authenticate, authenticated, need
from estafeta.servers.imap.capability import capability
from estafeta.servers.imap.close import close
from estafeta.servers.imap.comparator import comparator
from estafeta.servers.imap.compress import compress
from estafeta.servers.imap.contexts import cancel_update
from estafeta.servers.imap.copy import copy
from estafeta.servers.imap.create import create
from estafeta.servers.imap.delete import delete
from estafeta.servers.imap.deleteacl import deleteacl
from estafeta.servers.imap.enable import enable
from estafeta.servers.imap.expunge import expunge
from estafeta.servers.imap.fetch import fetch
from estafeta.servers.imap.genurlauth import genurlauth
from estafeta.servers.imap.getacl import getacl
from estafeta.servers.imap.getmetadata import getmetadata
from estafeta.servers.imap.getquota import getquota
from estafeta.servers.imap.getquotaroot import getquotaroot
from estafeta.servers.imap.identify import identify
from estafeta.servers.imap.idle import idle, idle_done
from estafeta.servers.imap.language import language
from estafeta.servers.imap.list import list_names
from estafeta.servers.imap.listrights import listrights
from estafeta.servers.imap.login import login
from estafeta.servers.imap.logout import logout
from estafeta.servers.imap.lsub import lsub
from estafeta.servers.imap.myrights import myrights
from estafeta.servers.imap.namespace import namespace
from estafeta.servers.imap.noop import noop
from estafeta.servers.imap.notify import notify
from estafeta.servers.imap.rename import rename
from estafeta.servers.imap.resetkey import resetkey
from estafeta.servers.imap.search import refused, search
from estafeta.servers.imap.select import select
from estafeta.servers.imap.session import Handler
from estafeta.servers.imap.setacl import setacl
from estafeta.servers.imap.setmetadata import setmetadata
from estafeta.servers.imap.setquota import setquota
from estafeta.servers.imap.sort import sort
from estafeta.servers.imap.starttls import starttls
from estafeta.servers.imap.status import status
from estafeta.servers.imap.store import store
from estafeta.servers.imap.subscribe import subscribe
from estafeta.servers.imap.thread import thread
from estafeta.servers.imap.unauthenticate import unauthenticate
from estafeta.servers.imap.urlfetch import urlfetch

HANDLERS: Mapping[type[Any], Handler] = MappingProxyType(
    {
        commands.Capability: capability,
        commands.Noop: noop,
        commands.Logout: logout,
        commands.Id: identify,
        commands.Language: language,
        commands.StartTls: starttls,
        commands.Login: login,
        commands.Authenticate: authenticate,
        commands.AuthNeed: need,
        commands.Authenticated: authenticated,
        commands.AuthFailed: auth_failed,
        commands.Enable: enable,
        commands.Select: select,
        commands.Create: create,
        commands.Delete: delete,
        commands.Rename: rename,
        commands.Subscribe: subscribe,
        commands.List: list_names,
        commands.Lsub: lsub,
        commands.Namespace: namespace,
        commands.Status: status,
        commands.Idle: idle,
        commands.IdleDone: idle_done,
        commands.Compress: compress,
        commands.Unauthenticate: unauthenticate,
        commands.Comparator: comparator,
        commands.Append: append.append,
        commands.AppendMessage: append.message,
        commands.AppendData: append.data,
        commands.AppendUrl: append.url,
        commands.AppendMessageEnd: append.message_end,
        commands.AppendEnd: append.end,
        commands.AppendAborted: append.aborted,
        commands.GetQuota: getquota,
        commands.GetQuotaRoot: getquotaroot,
        commands.SetQuota: setquota,
        commands.GetAcl: getacl,
        commands.SetAcl: setacl,
        commands.DeleteAcl: deleteacl,
        commands.ListRights: listrights,
        commands.MyRights: myrights,
        commands.GetMetadata: getmetadata,
        commands.SetMetadata: setmetadata,
        commands.Notify: notify,
        commands.GenUrlAuth: genurlauth,
        commands.ResetKey: resetkey,
        commands.UrlFetch: urlfetch,
        commands.Close: close,
        commands.Expunge: expunge,
        commands.Fetch: fetch,
        commands.Store: store,
        commands.Copy: copy,
        commands.Search: search,
        commands.SearchRefused: refused,
        commands.Sort: sort,
        commands.Thread: thread,
        commands.CancelUpdate: cancel_update,
    }
)
