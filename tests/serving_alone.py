"""What requirements.txt alone has to be enough for: Recognizer, teaching, predict, and the page over HTTP.

    python -m venv serving && serving/bin/pip install -r requirements.txt && serving/bin/python tests/serving_alone.py

Run by .ci/run where PyTorch is not installed; plain Python, since pytest is not installed there either.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
PORT = 7899
STARTS_WITHIN = 120  # seconds
SKETCH = ROOT / "examples" / "5.png"


def main() -> None:
    foreign = [name for name in ("torch", "timm", "torchvision", "onnx", "scipy", "matplotlib") if find_spec(name)]
    if foreign:
        print(f"{', '.join(foreign)} is installed here: this shows nothing of a place without", file=sys.stderr)
    in_python()
    by_commands()
    by_the_page()
    print("requirements.txt is enough to answer")


def in_python() -> None:
    """Recognizer, a visitor's own, and what an answer hangs on."""
    from hwr import Recognizer, personal

    recognizer = Recognizer.from_pretrained()
    seen = recognizer.see(SKETCH)
    assert seen is not None
    assert recognizer.top_k(SKETCH, 1, "digits").keys() == {"5"}
    assert recognizer.read(SKETCH, "digits").text
    assert recognizer.saliency(seen, "5", "digits").any()
    assert personal.adapted(recognizer, [(seen, "S")]).top_k(SKETCH, 1).keys() == {"S"}


def by_commands() -> None:
    """What answers does; what trains says what to install."""
    found = run("-m", "hwr", "predict", str(SKETCH), "--alphabet", "digits", "--json")
    assert found.returncode == 0 and '"5"' in found.stdout, found.stderr
    if find_spec("torch") is None:
        for command in (("train.py",), ("-m", "hwr", "export")):
            found = run(*command)
            assert found.returncode == 2, found.stderr
            assert "requirements-train.txt" in found.stderr and "Traceback" not in found.stderr, found.stderr


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT, check=False)


def by_the_page() -> None:
    """``python app.py``, asked as its interface for programs is."""
    from gradio_client import handle_file

    with tempfile.TemporaryFile("w+") as log:
        page = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(PORT)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            client = connected(page)
            sketch = {"background": None, "layers": [], "composite": handle_file(SKETCH)}
            found = client.predict(sketch, "digits", api_name="/predict")
            assert next(iter(found["probabilities"])) == "5" and found["confident"], found
        except BaseException:
            log.seek(0)
            print(log.read(), file=sys.stderr)
            raise
        finally:
            page.terminate()
            page.wait(30)


def connected(page: subprocess.Popen[bytes]) -> Any:
    from gradio_client import Client

    for _ in range(STARTS_WITHIN):
        try:
            return Client(f"http://127.0.0.1:{PORT}", verbose=False)
        except Exception:  # not yet: of the client's own kinds, and of httpx
            assert page.poll() is None, "the page ended"
            time.sleep(1)
    raise AssertionError(f"the page did not listen within {STARTS_WITHIN} s")


if __name__ == "__main__":
    main()
