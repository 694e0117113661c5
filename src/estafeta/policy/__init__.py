"""Who may do what: functions over plain values that return a Verdict with its reason. Nothing is sent from here."""
