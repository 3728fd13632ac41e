#!/usr/bin/env bash
# Starts Kansen on this machine for one person to try: `make run`. Settings and data live in var/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
export PORT=${PORT:-8000}
export SITE_URL=${SITE_URL:-http://127.0.0.1:$PORT}

# Ask first: a taken port is better told before the work than after it.
$python - "$PORT" <<'PYTHON' || exit 1
import socket, sys

port = sys.argv[1]
if not port.isdigit() or not 0 < int(port) < 65536:
    sys.exit(f"PORT={port} is not a port: give a number from 1 to 65535.")
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", int(port)))
    except OSError as error:
        sys.exit(f"Port {port} cannot be used ({error.strerror}). Pick another one: make run PORT=8001")
PYTHON

[[ -d var ]] || mkdir -m 700 var
mkdir -p var/static
if [[ ! -e var/env ]]; then
  (
    umask 077
    cat >var/env.new <<ENV
# Made by the first \`make run\` on this machine. README.md lists every variable.
SECRET_KEY=$($python -c 'import secrets; print(secrets.token_urlsafe(50))')
HTTPS=0
ALLOWED_HOSTS=localhost,127.0.0.1
ENV
  )
  mv var/env.new var/env
fi

$python manage.py migrate --verbosity 0

if DJANGO_SETTINGS_MODULE=crm.settings $python -c '
import django
django.setup()
from django.contrib.auth import get_user_model
raise SystemExit(get_user_model().objects.exists())'; then
  $python manage.py demo
else
  $python manage.py demo --sign-ins
fi

exec .venv/bin/gunicorn --config scripts/gunicorn.conf.py crm.wsgi
