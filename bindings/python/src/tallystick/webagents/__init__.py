"""The AOAuth skill for agents of the ``webagents`` package (extra ``[webagents]``).

    from tallystick.webagents import AuthSkill     # was: webagents.agents.skills.local.auth

    agent = BaseAgent(name="my-agent", skills={"auth": AuthSkill(config)})

Changing the import is the whole migration: configuration, hooks, HTTP endpoints and
commands are those of webagents 0.3, with Tallystick's core behind them.

What differs from webagents 0.3.9, on purpose:

- A request that carries an ``Authorization`` header whose token is refused gets the refusal
  (401, 403, 503) as its answer; 0.3.9 goes on without identity. One without the header stays
  anonymous, as before.
- Callers are named by what was verified (protocol section 5), never by the last segment
  of a URL that they chose.
- The token endpoint knows only the clients of the setting ``clients``.
- ``accept_from`` of the agent's ``config`` holds for every caller, and with it an agent
  without ``client_id`` in its token.
- A verified caller has webagents' scope ``user``, so ``@http(scope="user")`` admits it;
  in 0.3.9 only ``all`` does. ``owner`` and ``admin`` never come from a token.

**Base URL.** ``base_url`` of the configuration. Without it, in self-issued mode: the URL that
the server publishes the agent under, where it knows one (``create_server(public_url=...,
url_prefix=...)`` or ``WEBAGENTS_PUBLIC_URL``): ``{public_url}{url_prefix}/{name}``. Else, and in
portal mode, the agent's name as a reference: ``{authority or https://robutler.ai}/agents/{name}``.

**Importing this module** puts one middleware into each ``WebAgentsServer`` made later
(:mod:`tallystick.webagents.server` says why): its own route for an agent's key set comes
before the skill's and knows nothing of our keys.
"""

from __future__ import annotations

try:
    import webagents  # noqa: F401
except ImportError as reason:
    raise ImportError(
        "tallystick.webagents needs the package webagents, 0.3: install tallystick[webagents]"
    ) from reason

from tallystick.webagents.context import AuthContext
from tallystick.webagents.refusal import AuthError
from tallystick.webagents.server import install
from tallystick.webagents.skill import AuthSkill

__all__ = ["AuthContext", "AuthError", "AuthSkill"]

install()
