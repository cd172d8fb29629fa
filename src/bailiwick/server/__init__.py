"""The console: where people see what waits for them and answer it, over HTTP. Needs the extra `server`."""
