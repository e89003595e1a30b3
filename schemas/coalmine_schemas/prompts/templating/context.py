"""What a rendering carries with it: the values, and its budget."""

from jinja2.runtime import Context

from coalmine_schemas.prompts.templating.budget import Budget


class RenderContext(Context):
    """Values of one rendering, with the budget that every operation draws on."""

    budget: Budget
