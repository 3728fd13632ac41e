"""Posting a form of a record as a browser does: with the mark of what it was drawn from."""


def post_seen(client, url, data, **headers):
    """Look at the form, then post ``data`` with its mark."""
    form = client.get(url).context["form"]
    return client.post(url, {"seen": form["seen"].value(), **data}, **headers)
