"""What applications import: make a call with a version of a prompt, give feedback, and it is measured.

```python
from coalmine import Coalmine

cm = Coalmine.from_env()
prompt = cm.prompt("support-refund", unit_id=user_id)
with prompt.call(model="gpt-4o-mini") as call:
    messages = prompt.messages(question=question)
    call.record(client.chat.completions.create(model=call.model, messages=messages))
cm.feedback(call.request_id, thumbs="up")
```
"""

from coalmine.call import Call
from coalmine.chains import Chain, ChainResult, Step, StepFailed, StepRun
from coalmine.client import Coalmine
from coalmine.prompts import PollPolicy, Prompt
from coalmine.redaction import Redact, TextField
from coalmine.served import Served
from coalmine.settings import OnFull
from coalmine.stats import DropReason, ProblemKind, Stats
from coalmine_schemas.errors import CoalmineError, InvalidParameter
from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.prompts import (
    InvalidTemplate,
    InvalidVariable,
    MissingVariables,
    RenderError,
    RenderLimitExceeded,
    UnknownEnvironment,
    UnknownPrompt,
)

__all__ = [
    "Call",
    "Chain",
    "ChainResult",
    "Coalmine",
    "CoalmineError",
    "DropReason",
    "InvalidParameter",
    "InvalidTemplate",
    "InvalidVariable",
    "MissingVariables",
    "OnFull",
    "PollPolicy",
    "ProblemKind",
    "Prompt",
    "PromptFeedback",
    "PromptRequest",
    "PromptScore",
    "Redact",
    "RenderError",
    "RenderLimitExceeded",
    "Served",
    "Stats",
    "Step",
    "StepFailed",
    "StepRun",
    "TextField",
    "UnknownEnvironment",
    "UnknownPrompt",
]
