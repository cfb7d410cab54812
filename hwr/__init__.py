"""Handwritten characters, read by a small ResNet: draw one, and it says what it is and how sure it is."""

from hwr.config import UserError
from hwr.hub.network import UnavailableError
from hwr.recognizer import Recognizer

__all__ = ["Recognizer", "UnavailableError", "UserError", "__version__"]
__version__ = "0.1.0"
