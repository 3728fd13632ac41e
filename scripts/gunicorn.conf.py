"""How ``make run`` serves: a few threads on this machine's own address, quiet until it is ready."""

import os

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = 2
threads = 4
loglevel = "warning"
control_socket_disable = True


def when_ready(server: object) -> None:
    """Say where, at the moment a browser would get an answer."""
    print(f"\nKansen is at http://{bind}/ (Ctrl-C stops it)", flush=True)
