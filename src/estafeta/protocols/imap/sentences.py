"""What IMAP sessions say besides the machine, in Spanish and Japanese: see `texts`, which looks here."""

SENTENCES: dict[str, tuple[str, str]] = {
    # Signing in
    "Signed in.": ("Sesión iniciada.", "ログインしました。"),
    "Signed out.": ("Sesión cerrada.", "ログアウトしました。"),
    "The name or the password is wrong.": (
        "El nombre o la contraseña no son correctos.",
        "名前またはパスワードが違います。",
    ),
    "Signing in is not possible now; try again later.": (
        "Ahora no se puede iniciar sesión; inténtelo más tarde.",
        "現在ログインできません。後で再試行してください。",
    ),
    "You have too many sessions open; close some of them.": (
        "Tiene demasiadas sesiones abiertas; cierre algunas.",
        "開いているセッションが多すぎます。いくつか閉じてください。",
    ),
    "You may act only as yourself.": (
        "Solo puede actuar en su propio nombre.",
        "他の利用者としては操作できません。",
    ),
    "That mechanism is not offered here.": (
        "Ese mecanismo no se ofrece aquí.",
        "その認証方式は利用できません。",
    ),
    "That is not what this mechanism expects.": (
        "Eso no es lo que espera este mecanismo.",
        "この認証方式に合わない応答です。",
    ),
    "The channel binding does not fit this connection.": (
        "El vínculo no corresponde a esta conexión.",
        "チャネルバインディングがこの接続と一致しません。",
    ),
    "This mechanism is too weak for this user.": (
        "Este mecanismo es demasiado débil para este usuario.",
        "この利用者にはこの認証方式は弱すぎます。",
    ),
    "Sign in once with PLAIN, then this mechanism works.": (
        "Inicie sesión una vez con PLAIN; después este mecanismo funcionará.",
        "一度 PLAIN でログインすると、この認証方式が使えるようになります。",
    ),
    "Begin TLS first: a password does not come in clear here.": (
        "Comience TLS primero: aquí no se envía la contraseña en claro.",
        "先に TLS を開始してください。パスワードを平文で送ることはできません。",
    ),
    "Begin TLS now.": ("Comience TLS ahora.", "TLS を開始してください。"),
    "TLS is active already.": ("TLS ya está activo.", "TLS はすでに有効です。"),
    "STARTTLS is not offered here.": ("Aquí no se ofrece STARTTLS.", "STARTTLS は利用できません。"),
    # The connection
    "Compression begins.": ("Comienza la compresión.", "圧縮を開始します。"),
    "The connection is compressed already.": (
        "La conexión ya está comprimida.",
        "接続はすでに圧縮されています。",
    ),
    "Compression is not offered here.": ("Aquí no se ofrece compresión.", "圧縮は利用できません。"),
    "None of these languages is spoken here.": (
        "Aquí no se habla ninguno de esos idiomas.",
        "これらの言語には対応していません。",
    ),
    "Only i;unicode-casemap compares here.": (
        "Aquí solo compara i;unicode-casemap.",
        "比較方法は i;unicode-casemap だけです。",
    ),
    "CONDSTORE is on from here.": (
        "CONDSTORE está activo desde aquí.",
        "これより CONDSTORE が有効です。",
    ),
    "Enable QRESYNC before you select a mailbox.": (
        "Active QRESYNC antes de seleccionar un buzón.",
        "メールボックスを選択する前に QRESYNC を有効にしてください。",
    ),
    "A search with this tag is kept up to date.": (
        "Ya se mantiene al día una búsqueda con esta etiqueta.",
        "このタグの検索はすでに更新通知の対象です。",
    ),
    "What is gone is told later.": (
        "Lo eliminado se comunica más tarde.",
        "削除されたものは後で通知します。",
    ),
    "Your rights to this mailbox were changed.": (
        "Se cambiaron sus derechos sobre este buzón.",
        "このメールボックスに対する権限が変更されました。",
    ),
    "Still at it.": ("Sigue en curso.", "処理中です。"),
    # Mailboxes
    "There is no such mailbox.": ("Ese buzón no existe.", "そのメールボックスはありません。"),
    "No mailbox is selected.": (
        "No hay ningún buzón seleccionado.",
        "メールボックスが選択されていません。",
    ),
    "The mailbox is closed.": ("El buzón está cerrado.", "メールボックスは閉じられています。"),
    "The mailbox before is closed.": (
        "El buzón anterior está cerrado.",
        "前のメールボックスを閉じました。",
    ),
    "The mailbox is full.": ("El buzón está lleno.", "メールボックスがいっぱいです。"),
    "The mailbox was opened for reading only.": (
        "El buzón se abrió solo para lectura.",
        "メールボックスは読み取り専用で開かれています。",
    ),
    "You may not do that in this mailbox.": (
        "No puede hacer eso en este buzón.",
        "このメールボックスではその操作はできません。",
    ),
    "You have no right to do that with this mailbox.": (
        "No tiene derecho a hacer eso con este buzón.",
        "このメールボックスに対してその操作をする権限がありません。",
    ),
    "You have no right to this mailbox any more.": (
        "Ya no tiene derecho a este buzón.",
        "このメールボックスに対する権限がなくなりました。",
    ),
    "You have no right to make a mailbox there.": (
        "No tiene derecho a crear un buzón ahí.",
        "そこにメールボックスを作成する権限がありません。",
    ),
    "You may not set these flags in this mailbox.": (
        "No puede poner esas marcas en este buzón.",
        "このメールボックスではそれらのフラグを設定できません。",
    ),
    "Names of mailboxes do not begin with #; that is for namespaces.": (
        "Los nombres de buzón no empiezan por #, que es para espacios de nombres.",
        "メールボックス名は # で始められません。# は名前空間用です。",
    ),
    "INBOX cannot be removed.": ("INBOX no se puede eliminar.", "INBOX は削除できません。"),
    "Only its owner may rename INBOX.": (
        "Solo su dueño puede cambiar el nombre de INBOX.",
        "INBOX の名前を変更できるのは所有者だけです。",
    ),
    "A mailbox stays with its owner: make a new one and move the messages.": (
        "Un buzón se queda con su dueño: cree otro y mueva los mensajes.",
        "メールボックスの所有者は変えられません。新しく作成してメッセージを移動してください。",
    ),
    "Special uses are for your own mailboxes.": (
        "Los usos especiales son para sus propios buzones.",
        "特別な用途は自分のメールボックスにだけ設定できます。",
    ),
    "Another mailbox has that special use.": (
        "Otro buzón ya tiene ese uso especial.",
        "別のメールボックスがその用途に使われています。",
    ),
    "UIDs are valid.": ("Los UID son válidos.", "UID は有効です。"),
    "The next UID.": ("El siguiente UID.", "次の UID です。"),
    "The highest MODSEQ.": ("El MODSEQ más alto.", "最大の MODSEQ です。"),
    "The mailbox has an id.": ("El buzón tiene un identificador.", "メールボックスの識別子です。"),
    "The first message that is not seen.": (
        "El primer mensaje no leído.",
        "最初の未読メッセージです。",
    ),
    "These stay when changed.": ("Estas se conservan al cambiarlas.", "これらの変更は保存されます。"),
    # Messages
    "They are there now.": ("Ya están ahí.", "コピーしました。"),
    "The new message is there.": ("El mensaje nuevo ya está ahí.", "新しいメッセージを保存しました。"),
    "The message is larger than this server takes.": (
        "El mensaje es más grande de lo que admite este servidor.",
        "メッセージがこのサーバーの上限より大きすぎます。",
    ),
    "A message needs at least one octet.": (
        "Un mensaje necesita al menos un octeto.",
        "空のメッセージは保存できません。",
    ),
    "A message with NUL octets has to come as literal8.": (
        "Un mensaje con octetos NUL debe enviarse como literal8.",
        "NUL を含むメッセージは literal8 で送ってください。",
    ),
    "The message to be replaced is not there.": (
        "El mensaje que se quiere reemplazar no está.",
        "置き換えるメッセージがありません。",
    ),
    "These messages are no longer there.": (
        "Esos mensajes ya no están.",
        "それらのメッセージはもうありません。",
    ),
    "Some of these messages are no longer there.": (
        "Algunos de esos mensajes ya no están.",
        "それらのメッセージの一部はもうありません。",
    ),
    "Some messages were changed by others since and are as they were.": (
        "Otros cambiaron algunos mensajes entretanto; quedan como estaban.",
        "一部のメッセージは他から変更されたため、そのままです。",
    ),
    "Some parts have an unknown transfer encoding.": (
        "Algunas partes tienen una codificación desconocida.",
        "一部のパートの転送エンコーディングが不明です。",
    ),
    "The message is damaged in the store; the operator can repair it.": (
        "El mensaje está dañado en el almacén; el administrador puede repararlo.",
        "保存されたメッセージが壊れています。管理者が修復できます。",
    ),
    "A message is damaged in the store; the operator can repair it.": (
        "Un mensaje está dañado en el almacén; el administrador puede repararlo.",
        "保存されたメッセージが壊れています。管理者が修復できます。",
    ),
    "The server is short of disk space; try again later.": (
        "Al servidor le falta espacio en disco; inténtelo más tarde.",
        "サーバーのディスク容量が不足しています。後で再試行してください。",
    ),
    # Searches and notices
    "Too many searches are kept up to date.": (
        "Demasiadas búsquedas se mantienen al día.",
        "更新を続ける検索が多すぎます。",
    ),
    "Too many mailboxes to tell of.": (
        "Demasiados buzones de los que avisar.",
        "通知するメールボックスが多すぎます。",
    ),
    "Results of several mailboxes can be neither saved nor kept up to date.": (
        "Los resultados de varios buzones no se pueden guardar ni mantener al día.",
        "複数のメールボックスの結果は、保存も更新もできません。",
    ),
    "Sequence numbers and $ mean nothing in several mailboxes.": (
        "Los números de mensaje y $ no significan nada en varios buzones.",
        "複数のメールボックスではメッセージ番号と $ は使えません。",
    ),
    # Quota, rights, annotations, URLs
    "There is no such quota root.": ("Esa raíz de cuota no existe.", "そのクォータルートはありません。"),
    "There is no such quota root, or it is not yours.": (
        "Esa raíz de cuota no existe o no es suya.",
        "そのクォータルートはないか、あなたのものではありません。",
    ),
    "Quotas are for administrators to set.": (
        "Las cuotas las fijan los administradores.",
        "クォータを設定できるのは管理者だけです。",
    ),
    "Shared mailboxes have no quota.": (
        "Los buzones compartidos no tienen cuota.",
        "共有メールボックスにクォータはありません。",
    ),
    "The owner of a mailbox always has all rights on it.": (
        "El dueño de un buzón siempre tiene todos los derechos.",
        "メールボックスの所有者は常にすべての権限を持ちます。",
    ),
    "That is for the server's administrator to set.": (
        "Eso lo fija el administrador del servidor.",
        "それを設定できるのはサーバーの管理者だけです。",
    ),
    "That URL leads to nothing here.": ("Ese URL no lleva a nada aquí.", "その URL の指すものはありません。"),
}
