"""A support chat: its prompt comes from the registry, its answers from a model, its thumbs from people."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Cookie, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from openai import APIError, AsyncOpenAI
from pydantic import BaseModel, Field

from coalmine import Coalmine, UnknownEnvironment, UnknownPrompt
from coalmine.integrations import using
from coalmine.integrations.openai import instrument

cm = Coalmine.from_env(app="support-chat")
model: Any = instrument(AsyncOpenAI())  # reads OPENAI_API_KEY and OPENAI_BASE_URL


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Writes what the last requests made: uvicorn ends by a signal, before Python would."""
    yield
    await asyncio.to_thread(cm.close)


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    """What somebody asks."""

    text: str = Field(min_length=1, max_length=2_000)


class Answer(BaseModel):
    """What the model answers, and the call that a thumb is about."""

    text: str
    request_id: str


class Thumb(BaseModel):
    """What somebody thinks of an answer."""

    request_id: uuid.UUID
    thumbs: Literal["up", "down"]


@app.get("/")
def page() -> FileResponse:
    """The page."""
    return FileResponse(Path(__file__).with_name("page.html"))


@app.post("/answers")
async def answer(
    question: Question, response: Response, visitor: Annotated[str | None, Cookie(max_length=64)] = None
) -> Answer:
    """Asks the model with the version that this visitor is served."""
    visitor = visitor or str(uuid.uuid4())
    response.set_cookie("visitor", visitor, httponly=True, samesite="strict")
    try:
        prompt = cm.prompt("chat-answer", unit_id=visitor)
    except (UnknownPrompt, UnknownEnvironment) as error:
        raise HTTPException(503, str(error)) from error
    with using(prompt.call) as request_ids:
        try:
            reply = await model.chat.completions.create(
                model=prompt.model or "gpt-4o-mini",
                messages=prompt.messages(question=question.text),
                **prompt.parameters,
            )
        except APIError as error:  # the event of the call says which
            raise HTTPException(502, "The model did not answer.") from error
    return Answer(text=reply.choices[0].message.content or "", request_id=request_ids[-1])


@app.post("/thumbs", status_code=202)
def thumb(given: Thumb, visitor: Annotated[str | None, Cookie(max_length=64)] = None) -> None:
    """Records a thumb; of several by one visitor the last one counts."""
    cm.feedback(str(given.request_id), thumbs=given.thumbs, unit_id=visitor)
