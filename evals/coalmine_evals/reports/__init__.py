"""Reports of the gate: Markdown for a comment, JUnit XML for CI."""

from coalmine_evals.reports.junit import junit
from coalmine_evals.reports.markdown import MARKER, markdown
from coalmine_evals.reports.texts import CaseTexts

__all__ = ["MARKER", "CaseTexts", "junit", "markdown"]
