"""Settings of the tests: those of the product, with nothing taken from this machine's own set-up.

``DATABASE_URL`` alone is obeyed, so that the same tests run on SQLite and on PostgreSQL.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.update(
    ENV_FILE=os.devnull,  # never var/env, where a person keeps real settings
    SECRET_KEY="only-for-tests",
    DEBUG="0",
    HTTPS="0",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
)
for name in (
    "CURRENCY",
    "COUNTRY",
    "TIME_ZONE",
    "LANGUAGE_CODE",
    "VISIBILITY",
    "EMAIL_URL",
    "MAIL_IN",
    "SITE_URL",
):
    os.environ.pop(name, None)

from crm.settings import *  # noqa: E402, F403, TID251

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # A file, not memory: threads that write at the same time then meet the locks they would meet in use.
    scratch = Path(tempfile.mkdtemp(prefix="kansen-tests-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    DATABASES["default"]["TEST"] = {"NAME": str(scratch / "test.sqlite3")}  # noqa: F405
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405  # a kept connection would hold the test database

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick, and worth nothing
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "attachments": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True  # look a file up when asked, not all of them for every test client
