"""Every sentence that the POP3 server says, in the languages of LANG (RFC 6856 3). A session begins in English.

`{}` marks take values in the same order in every language. A sentence stays well below the 512 octets of a response
line (RFC 2449 4) and says what to do next where that is not plain.
"""

from enum import StrEnum, auto

DEFAULT_LANGUAGE = "en"
LANGUAGES = {"en": "English", "es": "Español", "ja": "日本語"}
"""Language tags and what each language calls itself, in the order of LANG's list."""


class Text(StrEnum):
    """What is said; `say` gives the words."""

    PLAIN = auto()
    READY = auto()
    READY_APOP = auto()
    DONE = auto()
    BYE = auto()
    BYE_REMOVED = auto()
    PASSWORD_PLEASE = auto()
    SIGNED_IN = auto()
    CAPABILITIES = auto()
    LANGUAGE_LIST = auto()
    LANGUAGE_SET = auto()
    UTF8_ON = auto()
    MECHANISMS = auto()
    BEGIN_TLS = auto()
    MESSAGES = auto()
    UNIQUE_IDS = auto()
    OCTETS = auto()
    TOP_OF_MESSAGE = auto()
    DELETED = auto()
    UNKNOWN_COMMAND = auto()
    USAGE = auto()
    SIGN_IN_FIRST = auto()
    SIGNED_IN_ALREADY = auto()
    LINE_TOO_LONG = auto()
    TOO_MANY_BAD = auto()
    NO_LANGUAGE = auto()
    USER_FIRST = auto()
    STLS_FIRST = auto()
    TLS_PORT = auto()
    NO_STLS = auto()
    TLS_ACTIVE = auto()
    STLS_AFTER_UTF8 = auto()
    NO_APOP = auto()
    NO_MECHANISM = auto()
    CANCELLED = auto()
    MALFORMED = auto()
    CHANNEL_BINDING = auto()
    TOO_WEAK = auto()
    OTHER_NAME = auto()
    CREDENTIALS = auto()
    TOO_MANY_SIGN_INS = auto()
    IN_USE = auto()
    LOGIN_DELAY = auto()
    NO_MESSAGE = auto()
    MESSAGE_DELETED = auto()
    NOT_REMOVED = auto()
    TEMPORARY = auto()
    PERMANENT = auto()
    STOPPING = auto()


def say(text: Text, language: str, *values: object) -> str:
    """The words for `text` in `language`, which is one of `LANGUAGES`."""
    return _TABLES[language][text].format(*values)


def find_language(wanted: str) -> str | None:
    """The language for a range such as `es-MX` (RFC 4647 3.4), or None. `i-default` is English (RFC 2277 4.5)."""
    tag = wanted.lower()
    if tag == "i-default":
        return DEFAULT_LANGUAGE
    while tag and tag not in LANGUAGES:
        tag = tag.rpartition("-")[0]
    return tag or None


_SENTENCES: dict[Text, tuple[str, str, str]] = {
    Text.PLAIN: ("{}", "{}", "{}"),
    Text.READY: (
        "{} Estafeta POP3 server ready",
        "{} Servidor POP3 Estafeta a la espera",
        "{} Estafeta POP3 サーバーの準備ができました",
    ),
    Text.READY_APOP: (
        "{} Estafeta POP3 server ready {}",
        "{} Servidor POP3 Estafeta a la espera {}",
        "{} Estafeta POP3 サーバーの準備ができました {}",
    ),
    Text.DONE: ("Done", "Hecho", "完了しました"),
    Text.BYE: ("Goodbye", "Hasta luego", "さようなら"),
    Text.BYE_REMOVED: (
        "Goodbye, {} messages removed",
        "Hasta luego, {} mensajes borrados",
        "さようなら、{} 通を削除しました",
    ),
    Text.PASSWORD_PLEASE: (
        "Now the password: send PASS",
        "Ahora la contraseña: envíe PASS",
        "次に PASS を送ってください",
    ),
    Text.SIGNED_IN: (
        "Signed in, {} messages ({} octets)",
        "Sesión iniciada, {} mensajes ({} octetos)",
        "ログインしました、{} 通 ({} オクテット)",
    ),
    Text.CAPABILITIES: ("Capability list follows", "Sigue la lista de funciones", "機能の一覧です"),
    Text.LANGUAGE_LIST: ("Language list follows", "Sigue la lista de idiomas", "言語の一覧です"),
    Text.LANGUAGE_SET: ("{} Language changed", "{} Idioma cambiado", "{} 言語を変更しました"),
    Text.UTF8_ON: ("UTF-8 from now on", "UTF-8 desde ahora", "これより UTF-8 を使います"),
    Text.MECHANISMS: ("Mechanism list follows", "Sigue la lista de mecanismos", "認証方式の一覧です"),
    Text.BEGIN_TLS: ("Begin TLS now", "Comience TLS ahora", "TLS を開始してください"),
    Text.MESSAGES: ("{} messages ({} octets)", "{} mensajes ({} octetos)", "{} 通 ({} オクテット)"),
    Text.UNIQUE_IDS: ("Unique-id list follows", "Sigue la lista de identificadores únicos", "固有識別子の一覧です"),
    Text.OCTETS: ("{} octets", "{} octetos", "{} オクテット"),
    Text.TOP_OF_MESSAGE: ("Top of message follows", "Sigue el principio del mensaje", "メッセージの先頭部分です"),
    Text.DELETED: (
        "Message {} will be removed at QUIT",
        "El mensaje {} se borrará con QUIT",
        "メッセージ {} は QUIT のときに削除されます",
    ),
    Text.UNKNOWN_COMMAND: ("Unknown command", "Orden desconocida", "不明なコマンドです"),
    Text.USAGE: ("Usage: {}", "Uso: {}", "使い方: {}"),
    Text.SIGN_IN_FIRST: ("Sign in first", "Inicie sesión primero", "先にログインしてください"),
    Text.SIGNED_IN_ALREADY: (
        "Only possible before signing in",
        "Solo es posible antes de iniciar sesión",
        "ログイン前にだけ使えます",
    ),
    Text.LINE_TOO_LONG: ("Line too long", "Línea demasiado larga", "行が長すぎます"),
    Text.TOO_MANY_BAD: (
        "Too many wrong commands, closing the connection",
        "Demasiadas órdenes incorrectas, se cierra la conexión",
        "誤ったコマンドが多すぎるため接続を閉じます",
    ),
    Text.NO_LANGUAGE: (
        "Language not known, send LANG for the list",
        "Idioma desconocido, envíe LANG para ver la lista",
        "その言語には対応していません、LANG で一覧を確認してください",
    ),
    Text.USER_FIRST: ("Send USER first", "Envíe USER primero", "先に USER を送ってください"),
    Text.STLS_FIRST: (
        "Signing in this way is only possible under TLS: send STLS first",
        "Así solo se puede iniciar sesión con TLS: envíe STLS primero",
        "この方法でのログインには TLS が必要です。先に STLS を送ってください",
    ),
    Text.TLS_PORT: (
        "Signing in this way is only possible under TLS: connect to the TLS port",
        "Así solo se puede iniciar sesión con TLS: conéctese al puerto TLS",
        "この方法でのログインには TLS が必要です。TLS ポートに接続してください",
    ),
    Text.NO_STLS: ("TLS is not offered here", "Aquí no se ofrece TLS", "ここでは TLS を利用できません"),
    Text.TLS_ACTIVE: ("TLS is active already", "TLS ya está activo", "TLS はすでに有効です"),
    Text.STLS_AFTER_UTF8: (
        "STLS must come before UTF8",
        "STLS debe enviarse antes de UTF8",
        "STLS は UTF8 より前に送ってください",
    ),
    Text.NO_APOP: ("APOP is not offered here", "Aquí no se ofrece APOP", "ここでは APOP を利用できません"),
    Text.NO_MECHANISM: (
        "Mechanism not offered, send CAPA for the list",
        "Mecanismo no ofrecido, envíe CAPA para ver la lista",
        "その認証方式は利用できません、CAPA で一覧を確認してください",
    ),
    Text.CANCELLED: ("Authentication cancelled", "Autenticación cancelada", "認証を取り消しました"),
    Text.MALFORMED: (
        "Not a valid authentication message",
        "Mensaje de autenticación no válido",
        "認証メッセージが正しくありません",
    ),
    Text.CHANNEL_BINDING: (
        "The TLS channel binding does not match",
        "El vínculo con el canal TLS no coincide",
        "TLS チャネルバインディングが一致しません",
    ),
    Text.TOO_WEAK: (
        "This account may not use this mechanism",
        "Esta cuenta no puede usar este mecanismo",
        "このアカウントではこの認証方式を使えません",
    ),
    Text.OTHER_NAME: (
        "You may not act for another user",
        "No puede actuar en nombre de otro usuario",
        "他の利用者としては操作できません",
    ),
    Text.CREDENTIALS: (
        "Wrong name or password",
        "Nombre o contraseña incorrectos",
        "名前またはパスワードが違います",
    ),
    Text.TOO_MANY_SIGN_INS: (
        "Too many failed attempts to sign in, closing the connection",
        "Demasiados intentos fallidos, se cierra la conexión",
        "ログインの失敗が多すぎるため接続を閉じます",
    ),
    Text.IN_USE: (
        "Another session has this mailbox open; try again when it has ended",
        "Otra sesión tiene abierto este buzón; inténtelo cuando haya terminado",
        "このメールボックスは別のセッションが使用中です。終了後に再試行してください",
    ),
    Text.LOGIN_DELAY: (
        "Signed in a moment ago; try again in {} seconds",
        "Acaba de iniciar sesión; inténtelo de nuevo en {} segundos",
        "前回のログインから間がありません。{} 秒後に再試行してください",
    ),
    Text.NO_MESSAGE: ("No such message", "No existe ese mensaje", "そのメッセージはありません"),
    Text.MESSAGE_DELETED: (
        "Message {} is marked for removal",
        "El mensaje {} está marcado para borrarse",
        "メッセージ {} は削除予定です",
    ),
    Text.NOT_REMOVED: (
        "Some or all of the deleted messages could not be removed: {}",
        "Algunos o todos los mensajes borrados no se pudieron eliminar: {}",
        "削除予定のメッセージの一部または全部を削除できませんでした: {}",
    ),
    Text.TEMPORARY: (
        "A temporary problem; try again later",
        "Un problema temporal; inténtelo más tarde",
        "一時的な問題です。後で再試行してください",
    ),
    Text.PERMANENT: (
        "The server cannot do this; ask its operator",
        "El servidor no puede hacerlo; consulte a su administrador",
        "サーバーで処理できません。管理者にお問い合わせください",
    ),
    Text.STOPPING: (
        "The server is stopping; try again soon",
        "El servidor se está deteniendo; inténtelo en breve",
        "サーバーを停止します。しばらくしてから再試行してください",
    ),
}

_TABLES: dict[str, dict[Text, str]] = {
    language: {text: sentences[column] for text, sentences in _SENTENCES.items()}
    for column, language in enumerate(LANGUAGES)
}
