"""Result to document to HTML text and figures; returns text, writes nothing."""

from heliotrope.report.album import taking_from
from heliotrope.report.build import build
from heliotrope.report.comparison import build_comparison, calcium_headlines, comparison_to_html
from heliotrope.report.document import Document
from heliotrope.report.html import to_html

__all__ = ["Document", "build", "build_comparison", "calcium_headlines", "comparison_to_html", "taking_from", "to_html"]
