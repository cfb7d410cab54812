"""The page loads nothing that only training, evaluation or export need. The rest is import-linter's."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_never_loads_training() -> None:
    script = "import sys, app; print(*[m for m in sys.modules if m.startswith('hwr.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "hwr.recognizer" in loaded
    assert not loaded & {"hwr.data", "hwr.evaluation", "hwr.export", "hwr.predict", "hwr.training"}
