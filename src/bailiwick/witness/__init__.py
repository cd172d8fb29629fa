"""A witness: a small service that runs elsewhere, remembers how far each log has come, and cosigns what goes on from
there. C2SP tlog-witness and tlog-cosignature; the rules are in `bailiwick.audit.witnessing`.

It needs the core installation alone (docs/adr/0028). Its folder holds two keys and one SQLite file.
"""
