"""The page, `Recognizer` and predict load nothing that only training needs. The rest is import-linter's."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_page_never_loads_training() -> None:
    script = "import sys, app; print(*[m for m in sys.modules if m.startswith('hwr.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "hwr.recognizer" in loaded
    assert not loaded & {"hwr.data", "hwr.evaluation", "hwr.export", "hwr.predict", "hwr.training"}


SERVING = """if True:
    import sys
    import numpy as np
    import app
    from hwr import Recognizer, personal, predict
    recognizer = Recognizer.from_pretrained()
    app.build(recognizer)
    sketch = np.full((280, 280), 255, np.uint8)
    sketch[60:220, 130:150] = 0
    assert recognizer.top_k(sketch, 1, "digits").keys() == {"1"}
    assert recognizer.probabilities([sketch] * 20).shape[0] == 20
    assert recognizer.read(sketch).text
    seen = recognizer.see(sketch)
    assert recognizer.saliency(seen, "1", "digits").shape == seen.shape
    assert personal.adapted(recognizer, [(seen, "T")]).top_k(sketch, 1).keys() == {"T"}
    predict.predict(["examples"], "bundled", predict.Task())
    foreign = {name.partition(".")[0] for name in sys.modules}
    print(*sorted(foreign & {"torch", "timm", "torchvision", "onnx", "scipy", "matplotlib", "sklearn", "accelerate"}))
"""


def test_answering_and_teaching_load_neither_pytorch_nor_timm() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "", "none of them"


@pytest.mark.parametrize(("program", "command"), [("train.py", "train.py"), ("hwr", "hwr/__main__.py export")])
def test_what_needs_pytorch_says_what_installs_it(program: str, command: str) -> None:
    script = f"""if True:
        import sys, runpy
        sys.modules["torch"] = None
        sys.argv = {command.split()}
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{program}: torch is not installed: pip install -r requirements.txt -r requirements-train.txt"
    ]
