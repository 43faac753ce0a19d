"""A WSGI application for an unmodified gunicorn, which knows LISTEN_FDS and READY=1 itself:

    holdfast run --protocol systemd --listen :8080 -- gunicorn --workers 2 wsgi_app:app
"""


def app(environ, start_response):
    body = b"Hello, world!"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
