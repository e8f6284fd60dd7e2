"""hoopgw: a gateway appliance that stands between agents and the targets they work on.

The floors.  Imports go down only; equals do not import each other (``tests/test_house.py`` walks the imports).

====  ===================  ==========================================================================================
0     ``model/``           frozen values; no I/O, no Twisted: operation, verdict, identity, target, grant, errors
1     ``wire/``            bytes <-> messages, sans-IO; knows no user and no rule.  Compiled by mypyc in packages
1     ``policy/``          operation -> verdict; pure.  SQL by PostgreSQL's grammar; commands by bash's; masks; budgets
2     ``relay/``           the sans-IO middle of each protocol: from_client, from_target, decided -> effects
2     ``record/``          journal entries, chunk chain, seals, verification, replay, exports
3     ``session/``         a client on a target: decide, record; holds; budgets.  Deferreds from here on
3     ``store/``           what outlives a process: index, approvals, budgets (SQLite | PostgreSQL); spool, recordings
3     ``auth/``            one way in for every protocol: OIDC tokens, SSH keys and certificates; checkers, realm
4     ``servers/``         Twisted edges; thin: eager transport, pump, postgres, ssh/, tls, reach, dial, admin
5     ``cli/``             the ``hoopgw`` command; ``setup/``, ``backup/`` and ``demo/`` are rooms of their own
5     ``config*``          TOML -> frozen Config: files, schema, values, secrets, the reference
5     ``service*``         Options and makeService; logins, secrets, sessions; ``systemd``; ``memory``
====  ===================  ==========================================================================================

The path of a statement.

1. ``servers/pump`` gets bytes -> ``relay/postgres`` -> ``wire/pgframes`` -> the statement's text.
2. The relay answers ``[Ask(...)]``.  ``session.decide`` asks the protocol's judge (``policy``) for a ``Verdict``,
   applies budgets and holds, and writes operations and answers to the journal before anything moves.
3. ``relay.decided``: allowed -> ``ToTarget`` with the original bytes.  Else -> the target is made to fail a substitute,
   so that its transaction state stays true, and its error is replaced by the gateway's.
4. Rows come back through ``from_target``: first the mask, then the record, then the client.

The path of a command.

1. ``servers/ssh/transport`` opens packets (``wire/sshpackets``, ``sshciphers``) -> a run of messages (``sshmessages``).
2. ``relay/ssh`` passes channels 1:1 to the one connection that the session has to its target; what starts something is
   an ``Ask`` on its channel's lane, and no other channel waits for it.
3. ``relay.decided``: allowed -> the request goes on.  Else -> reason and JSON on stderr, status 126, and CLOSE to the
   target, paid from a reserve of the client's window (``relay/ssh_channel``).
"""

__version__ = "0.1.0"
