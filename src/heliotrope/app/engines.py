"""The segmentation engines of a site: what each offers here or lacks."""

from heliotrope.backends.registry import list_engines, make_engine
from heliotrope.backends.segmenter import EngineSettings, EngineStatus, Segmenter

__all__ = ["EngineSettings", "EngineStatus", "Segmenter", "list_engines", "make_engine"]
