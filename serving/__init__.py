"""gunicorn's worker of threads, as leader and followers (Schmidt et al., POSA 2, "Leader/Followers").

One thread of a worker leads: it looks for what clients ask, and answers it itself. To hand each request to
another thread and back is a queue, a pipe and the interpreter's lock, and costs more than many an answer. Who
is about to wait long, or has taken long, leads no more, and a follower goes on: a slow provider holds one
thread, and no other client.

Of several workers the one that has least to do takes a new connection: by chance one would have all of them,
and its clients would wait while the others idle.

An application may have answers that are to be settled before they are sent, which costs as much for one as
for many. The leader keeps them until it has called the application for all who have asked, and settles them
together. It never waits with one of them in its hands: who leads then goes on with them.
"""

from .worker import Worker

__all__ = ["Worker"]
