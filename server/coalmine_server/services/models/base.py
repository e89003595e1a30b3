"""What all answers have in common."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all answers: made from rows of the store by attribute."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)
