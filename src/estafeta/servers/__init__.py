"""What listens: one package per protocol, each joining its machine to directory, policy, intake and mailboxes."""
