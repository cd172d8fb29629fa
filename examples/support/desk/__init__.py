"""A small support desk with real parts: SQLite, full-text search, SMTP, files, and a LangChain agent.

Nothing in here knows of bailiwick. `desk.agent.build_agent` takes middleware like any LangChain agent does; with the
guard's in it the rules of this project folder hold, without it nothing does.
"""
