"""The ASGI guard before a real A2A agent of the SDK, and the SDK's client."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from a2a.client import A2AClientError, ClientConfig, create_client
from a2a.helpers import new_text_message
from a2a.helpers.proto_helpers import get_message_text, new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    GetTaskRequest,
    Role,
    SendMessageRequest,
    Task,
)
from a2a.utils.errors import TaskNotFoundError
from starlette.applications import Starlette

from agents import agent as serving_agent
from agents import authority as serving_authority
from mcp_servers import listening, running
from tallystick import AuthMiddleware, AuthSkill, InvalidArgumentError, httpx_auth
from tallystick.a2a import caller_url, card_security

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from a2a.server.agent_execution import RequestContext
    from a2a.server.events import EventQueue

    from servers import Site
    from tallystick import Authority

pytestmark = pytest.mark.medium

SCOPES = {"read": "Ask for orders"}
CARD = "/.well-known/agent-card.json"


class Echo(AgentExecutor):
    """Answers with who asks; with a task, where that is asked for."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        if context.get_user_input() == "task":
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
            return
        caller = context.call_context.state["auth"]
        text = f"{context.call_context.user.user_name} {caller.scopes} {caller.agent_url}"
        await event_queue.enqueue_event(new_text_message(text))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """There is nothing to cancel."""


def agent_of(skill: AuthSkill) -> Any:
    """Return the agent's application behind the guard."""
    interface = AgentInterface(
        url=skill.base_url, protocol_binding="JSONRPC", protocol_version="1.0"
    )
    card = AgentCard(
        name="orders",
        description="Knows orders",
        version="1",
        supported_interfaces=[interface],
        capabilities=AgentCapabilities(streaming=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="orders", name="Orders", description="Tells them", tags=["orders"])],
        **card_security(skill, SCOPES),
    )
    tasks = InMemoryTaskStore(owner_resolver=caller_url)
    handler = DefaultRequestHandler(agent_executor=Echo(), task_store=tasks, agent_card=card)
    routes = [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/a2a")]
    return AuthMiddleware(
        Starlette(routes=routes), skill, scopes=list(SCOPES), exclude=[f"GET {CARD}"]
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Authority, Site]]:
    with serving_authority(tmp_path_factory.mktemp("authority"), store="memory:") as served:
        yield served


@pytest.fixture(scope="module")
def orders(authority: tuple[Authority, Site]) -> Iterator[str]:
    """Serve the agent; its origin."""
    with listening() as (listener, site):
        options: dict[str, Any] = {"authority": authority[1].url, "store": "memory:"}
        with (
            AuthSkill(base_url=f"{site}/a2a", **options) as skill,
            running(agent_of(skill), listener),
        ):
            yield site


@contextlib.contextmanager
def client_of(authority: tuple[Authority, Site], name: str) -> Iterator[AuthSkill]:
    secret = authority[0].register_client(name, scopes=["read", "write"]).client_secret
    with AuthSkill(
        authority=authority[1].url, agent_id=name, client_secret=secret, store="memory:"
    ) as skill:
        yield skill


@contextlib.asynccontextmanager
async def calling(orders: str, auth: httpx.Auth | None) -> Any:
    async with httpx.AsyncClient(auth=auth, trust_env=False) as http:
        client = await create_client(orders, ClientConfig(streaming=False, httpx_client=http))
        async with client:
            yield client


def say(orders: str, auth: httpx.Auth | None, text: str = "hello") -> Any:
    """Send a message by the SDK's client, which reads the card first."""

    async def send() -> Any:
        async with calling(orders, auth) as client:
            message = new_text_message(text, role=Role.ROLE_USER)
            request = SendMessageRequest(message=message)
            [answer] = [answer async for answer in client.send_message(request)]
            return answer

    return asyncio.run(send())


def test_a_caller_with_a_token_is_known(orders: str, authority: tuple[Authority, Site]) -> None:
    with client_of(authority, "assistant") as assistant:
        answer = say(orders, httpx_auth(assistant, f"{orders}/a2a", ["read"]))
    expected = f"assistant ['read'] {authority[1].url}/agents/assistant"
    assert get_message_text(answer.message) == expected


def test_without_a_token_it_is_refused(orders: str) -> None:
    with pytest.raises(A2AClientError, match="401"):
        say(orders, None)


def test_without_the_scope_it_is_refused(orders: str, authority: tuple[Authority, Site]) -> None:
    with (
        client_of(authority, "writer") as writer,
        pytest.raises(A2AClientError, match="403"),
    ):
        say(orders, httpx_auth(writer, f"{orders}/a2a", ["write"]))


def test_a_token_for_another_agent_is_refused(
    orders: str, authority: tuple[Authority, Site]
) -> None:
    with client_of(authority, "assistant") as assistant:
        elsewhere = httpx_auth(
            assistant, "http://127.0.0.1:9/a2a", ["read"], send_to=f"{orders}/a2a"
        )
        with pytest.raises(A2AClientError, match="401"):
            say(orders, elsewhere)


def test_the_card_alone_needs_no_token(orders: str) -> None:
    assert httpx.get(orders + CARD, trust_env=False).status_code == 200
    assert httpx.post(orders + CARD, trust_env=False).status_code == 401
    assert httpx.post(f"{orders}/a2a", json={}, trust_env=False).status_code == 401


def test_the_card_says_how_to_authenticate(orders: str, authority: tuple[Authority, Site]) -> None:
    card = httpx.get(orders + CARD, trust_env=False).json()
    flow = card["securitySchemes"]["oauth2"]["oauth2SecurityScheme"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{authority[1].url}/auth/token"
    assert flow["scopes"] == SCOPES
    bearer = card["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]
    assert bearer == {"scheme": "Bearer", "bearerFormat": "JWT"}
    required = [list(each["schemes"]) for each in card["securityRequirements"]]
    assert required == [["oauth2"], ["bearer"]]
    assert card["securityRequirements"][0]["schemes"]["oauth2"] == {"list": ["read"]}


def test_the_token_url_of_the_card_gives_tokens(
    orders: str, authority: tuple[Authority, Site]
) -> None:
    """As a client that knows nothing but the card gets its token."""
    card = httpx.get(orders + CARD, trust_env=False).json()
    flow = card["securitySchemes"]["oauth2"]["oauth2SecurityScheme"]["flows"]["clientCredentials"]
    secret = authority[0].register_client("plain", scopes=["read"]).client_secret
    form = {
        "grant_type": "client_credentials",
        "scope": "read",
        "resource": card["supportedInterfaces"][0]["url"],
    }
    client = ("plain", str(secret))
    answer = httpx.post(flow["tokenUrl"], data=form, auth=client, trust_env=False)
    token = answer.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    async def send() -> Any:
        async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
            client = await create_client(orders, ClientConfig(streaming=False, httpx_client=http))
            request = SendMessageRequest(message=new_text_message("hello", role=Role.ROLE_USER))
            return [answer async for answer in client.send_message(request)]

    [answered] = asyncio.run(send())
    assert get_message_text(answered.message).startswith("plain ['read']")


def test_a_task_is_its_callers(orders: str, authority: tuple[Authority, Site]) -> None:
    async def get(skill: AuthSkill, task: str) -> Task:
        async with calling(orders, httpx_auth(skill, f"{orders}/a2a", ["read"])) as client:
            found: Task = await client.get_task(GetTaskRequest(id=task))
            return found

    with client_of(authority, "assistant") as own, client_of(authority, "stranger") as other:
        task = say(orders, httpx_auth(own, f"{orders}/a2a", ["read"]), "task").task.id
        assert asyncio.run(get(own, task)).id == task
        with pytest.raises((A2AClientError, TaskNotFoundError)):
            asyncio.run(get(other, task))


def test_whose_a_task_is_without_a_caller() -> None:
    assert caller_url(ServerCallContext()) == ""


def test_an_agent_that_signs_itself_gives_tokens_itself(tmp_path: Path) -> None:
    with serving_agent(tmp_path, "orders", store="memory:") as (skill, site):
        card = AgentCard(**card_security(skill, SCOPES))
    flow = agent_card_to_dict(card)["securitySchemes"]["oauth2"]["oauth2SecurityScheme"]["flows"]
    assert flow["clientCredentials"]["tokenUrl"] == f"{site.url}/auth/token"


def test_a_skill_is_asked_for(authority: tuple[Authority, Site]) -> None:
    for wrong in (None, "skill", authority[0]):
        with pytest.raises(InvalidArgumentError, match="skill takes an AuthSkill"):
            card_security(wrong, SCOPES)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        card_security(authority[0], "read")  # type: ignore[arg-type]
