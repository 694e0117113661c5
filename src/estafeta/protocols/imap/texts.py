"""The sentences of the IMAP server in the languages of LANGUAGE (RFC 5255 3). A session begins in English.

The English sentence is the key: what stands here in another language is translated wherever it is said, by the machine
or by the session; what does not stand here stays English. `{}` marks take values in the same order in every language.
"""

from enum import StrEnum

from estafeta.protocols.imap.sentences import SENTENCES

DEFAULT_LANGUAGE = "en"
LANGUAGES = ("en", "es", "ja")
"""Language tags; the first is the one of a new session."""


class Text(StrEnum):
    """What the machine itself says."""

    BYE = "Goodbye."
    DONE = "Done."
    IDLING = "idling"
    READY_FOR_LITERAL = "Ready for literal data"
    NO_TAG = "A command begins with a tag and a name."
    UNKNOWN_COMMAND = "Unknown command."
    USAGE = "Wrong arguments. Usage: {}"
    SIGN_IN_FIRST = "Sign in first."
    SIGNED_IN_ALREADY = "Only possible before signing in."
    SELECT_FIRST = "Select a mailbox first."
    LINE_TOO_LONG = "The command line is too long."
    LITERAL_TOO_LONG = "The literal is too long."
    COMMAND_TOO_LONG = "The command is too long."
    MESSAGE_TOO_LONG = "The message is too large."
    MESSAGE_EMPTY = "A message of no octets is not stored."
    TOO_MANY_BAD = "Too many wrong commands, closing the connection."
    TOO_MANY_SIGN_INS = "Too many attempts to sign in, closing the connection."
    TOO_MUCH = "Too much data that nobody asked for, closing the connection."
    NOT_DEFLATE = "The data is not compressed as agreed, closing the connection."
    IDLE_ENDS_WITH_DONE = "Expected DONE."
    UID_REQUIRED = "Message numbers cannot be used here, use the UID command."
    NUL = "A string must not hold a NUL octet."
    NOT_UTF8 = "The text is not valid UTF-8."
    NOT_IN_CHARSET = "The text is not valid in that character set."
    UNKNOWN_CHARSET = "The character set is not known."
    NO_CHARSET_NOW = "CHARSET cannot be used after UTF8=ACCEPT was enabled."
    NUMBER_TOO_LARGE = "A number is out of range."
    SET_TOO_LONG = "The set has too many ranges."
    TOO_DEEP = "Too many parentheses within each other."
    TOO_MANY_KEYS = "Too many search keys."
    TOO_MANY_WORDS = "The command has too many words."
    TOO_MANY_ITEMS = "Too many items of a message at once."
    NO_SUCH_FLAG = "There is no such flag, or it cannot be set."
    NO_SUCH_DATE = "There is no such date."
    NEEDS_QRESYNC = "Enable QRESYNC first."
    ONLY_DEFLATE = "Only DEFLATE is offered."
    TIMEOUT = "Nothing was heard for too long, closing the connection."
    STOPPING = "The server is stopping; try again soon."
    BAD_EVENT = "An event is not known."


def say(sentence: str, language: str, *values: object) -> str:
    """The sentence in `language`, one of `LANGUAGES`, with its values; English where there is no translation."""
    if language != DEFAULT_LANGUAGE:
        sentence = _translate(sentence, LANGUAGES.index(language) - 1)
    return sentence.format(*values) if values else str(sentence)


def _translate(sentence: str, column: int) -> str:
    translated = _SENTENCES.get(sentence) or SENTENCES.get(sentence)
    if translated is not None:
        return translated[column]
    command = sentence.removesuffix(_COMPLETED)
    return sentence if command == sentence else _COMPLETIONS[column].format(command)


def find_language(wanted: str) -> str | None:
    """The language for a range such as `es-MX` (RFC 4647 3.4), or None. `i-default` is English (RFC 2277 4.5)."""
    tag = wanted.lower()
    if tag in ("i-default", "*", "default"):
        return DEFAULT_LANGUAGE
    while tag and tag not in LANGUAGES:
        tag = tag.rpartition("-")[0]
    return tag or None


_COMPLETED = " completed."
_COMPLETIONS = ("{} terminado.", "{} が完了しました。")
"""Most commands end with their name and these words."""

_SENTENCES: dict[str, tuple[str, str]] = {
    Text.BYE: ("Hasta luego.", "さようなら。"),
    Text.DONE: ("Hecho.", "完了しました。"),
    Text.NO_TAG: (
        "Una orden empieza con una etiqueta y un nombre.",
        "コマンドはタグと名前で始まります。",
    ),
    Text.UNKNOWN_COMMAND: ("Orden desconocida.", "不明なコマンドです。"),
    Text.USAGE: ("Argumentos incorrectos. Uso: {}", "引数が正しくありません。使い方: {}"),
    Text.SIGN_IN_FIRST: ("Inicie sesión primero.", "先にログインしてください。"),
    Text.SIGNED_IN_ALREADY: ("Solo es posible antes de iniciar sesión.", "ログイン前にだけ使えます。"),
    Text.SELECT_FIRST: ("Seleccione un buzón primero.", "先にメールボックスを選択してください。"),
    Text.LINE_TOO_LONG: ("La línea de la orden es demasiado larga.", "コマンド行が長すぎます。"),
    Text.LITERAL_TOO_LONG: ("El literal es demasiado largo.", "リテラルが長すぎます。"),
    Text.COMMAND_TOO_LONG: ("La orden es demasiado larga.", "コマンドが長すぎます。"),
    Text.MESSAGE_TOO_LONG: ("El mensaje es demasiado grande.", "メッセージが大きすぎます。"),
    Text.MESSAGE_EMPTY: ("Un mensaje sin octetos no se guarda.", "空のメッセージは保存できません。"),
    Text.TOO_MANY_SIGN_INS: (
        "Demasiados intentos fallidos, se cierra la conexión.",
        "ログインの失敗が多すぎるため接続を閉じます。",
    ),
    Text.TOO_MANY_BAD: (
        "Demasiadas órdenes incorrectas, se cierra la conexión.",
        "誤ったコマンドが多すぎるため接続を閉じます。",
    ),
    Text.TOO_MUCH: (
        "Demasiados datos que nadie pidió, se cierra la conexión.",
        "要求していないデータが多すぎるため接続を閉じます。",
    ),
    Text.NOT_DEFLATE: (
        "Los datos no están comprimidos como se acordó, se cierra la conexión.",
        "データが取り決めどおりに圧縮されていないため接続を閉じます。",
    ),
    Text.IDLE_ENDS_WITH_DONE: ("Se esperaba DONE.", "DONE を送ってください。"),
    Text.UID_REQUIRED: (
        "Aquí no se pueden usar números de mensaje, use la orden UID.",
        "ここではメッセージ番号を使えません。UID コマンドを使ってください。",
    ),
    Text.NUL: ("Una cadena no puede contener el octeto NUL.", "文字列に NUL は使えません。"),
    Text.NOT_UTF8: ("El texto no es UTF-8 válido.", "テキストが正しい UTF-8 ではありません。"),
    Text.NOT_IN_CHARSET: (
        "El texto no es válido en ese juego de caracteres.",
        "テキストがその文字コードとして正しくありません。",
    ),
    Text.UNKNOWN_CHARSET: ("El juego de caracteres es desconocido.", "その文字コードには対応していません。"),
    Text.NO_CHARSET_NOW: (
        "CHARSET no se puede usar después de activar UTF8=ACCEPT.",
        "UTF8=ACCEPT を有効にした後は CHARSET を使えません。",
    ),
    Text.NUMBER_TOO_LARGE: ("Un número está fuera de rango.", "数値が範囲外です。"),
    Text.SET_TOO_LONG: ("El conjunto tiene demasiados rangos.", "集合の範囲が多すぎます。"),
    Text.TOO_DEEP: ("Demasiados paréntesis anidados.", "括弧の入れ子が深すぎます。"),
    Text.TOO_MANY_KEYS: ("Demasiados criterios de búsqueda.", "検索キーが多すぎます。"),
    Text.TOO_MANY_WORDS: ("La orden tiene demasiadas palabras.", "コマンドの語が多すぎます。"),
    Text.TOO_MANY_ITEMS: ("Demasiados elementos de un mensaje a la vez.", "一度に求める項目が多すぎます。"),
    Text.NO_SUCH_FLAG: (
        "Esa marca no existe o no se puede poner.",
        "そのフラグは存在しないか、設定できません。",
    ),
    Text.NO_SUCH_DATE: ("Esa fecha no existe.", "その日付は存在しません。"),
    Text.NEEDS_QRESYNC: ("Active QRESYNC primero.", "先に QRESYNC を有効にしてください。"),
    Text.ONLY_DEFLATE: ("Solo se ofrece DEFLATE.", "使えるのは DEFLATE だけです。"),
    Text.TIMEOUT: (
        "No se recibió nada durante demasiado tiempo, se cierra la conexión.",
        "長時間応答がないため接続を閉じます。",
    ),
    Text.STOPPING: (
        "El servidor se está deteniendo; inténtelo en breve.",
        "サーバーを停止します。しばらくしてから再試行してください。",
    ),
    Text.BAD_EVENT: ("Un evento es desconocido.", "不明なイベントです。"),
    "The mailbox name is not valid UTF-8.": (
        "El nombre del buzón no es UTF-8 válido.",
        "メールボックス名が正しい UTF-8 ではありません。",
    ),
    "The mailbox name holds control characters.": (
        "El nombre del buzón contiene caracteres de control.",
        "メールボックス名に制御文字が含まれています。",
    ),
    "The mailbox name is not valid modified UTF-7.": (
        "El nombre del buzón no es UTF-7 modificado válido.",
        "メールボックス名が正しい修正 UTF-7 ではありません。",
    ),
}
