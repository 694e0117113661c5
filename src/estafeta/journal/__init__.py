"""One record for each transition of each message, in the commit of the transition; stories and statistics from them."""
