"""`sendmail`: the program by which other programs of this machine send mail, under its usual name and options."""
