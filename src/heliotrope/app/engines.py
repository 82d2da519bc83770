"""The segmentation engines of a site: what each offers here or lacks."""

from heliotrope.backends.registry import list_engines, make_engine
from heliotrope.backends.segmenter import EngineIdentity, EngineSettings, EngineStatus, Segmenter

__all__ = ["EngineIdentity", "EngineSettings", "EngineStatus", "Segmenter", "list_engines", "make_engine"]
