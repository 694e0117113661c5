"""Records of the journal that belong to no commit: refused connections and recipients. Committed once a second.

Strangers can cause any number of them, so only so many are kept each second; how many more there were is recorded."""

from estafeta.journal.filtering import Recording
from estafeta.journal.records import Code, Record
from estafeta.journal.writing import note
from estafeta.mailboxes.service import Submit

MAX_PER_FLUSH = 200


class Notes:
    """Gathers records of one worker, as far as `recording` keeps them."""

    def __init__(self, submit: Submit, recording: Recording) -> None:
        self.recording = recording
        self._submit = submit
        self._records: list[Record] = []
        self._more = 0

    def add(self, record: Record) -> None:
        """Keep a record for the next flush."""
        if not self.recording.keep((record,)):
            return
        if len(self._records) < MAX_PER_FLUSH:
            self._records.append(record)
        else:
            self._more += 1

    def flush(self) -> None:
        """Have them committed; nobody waits for it."""
        if not self._records:
            return
        records, self._records = self._records, []
        if self._more:
            records.append(Record(0, Code.REJECTED, text=f"{self._more} more refusals in this second"))
            self._more = 0
        self._submit(note, tuple(records), ()).add_done_callback(lambda done: done.exception())
