"""The page's API and command line. What a visitor does with it is in test_browser.py."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from hwr import Recognizer
from hwr.ink.strokes import draw
from page import about, layout
from page.answers import TOP
from page.words import WORDS

ROOT = Path(__file__).parents[2]
SEVEN = [np.array([(70, 60), (210, 60), (130, 230)])]  # a stroke on 280 x 280 pixels


@pytest.fixture(scope="module")
def client(page_url: str) -> Iterator[Client]:
    client = Client(page_url, verbose=False)
    yield client
    client.close()


@pytest.fixture
def on_paper(tmp_path: Path) -> Any:
    """A 7, black on white."""
    Image.fromarray(255 - draw(SEVEN, (280, 280), 18)).save(tmp_path / "paper.png")
    return handle_file(str(tmp_path / "paper.png"))


@pytest.fixture
def on_a_layer(tmp_path: Path) -> Any:
    """A 7, black on nothing."""
    ink = draw(SEVEN, (280, 280), 18)
    Image.fromarray(np.dstack([np.zeros((280, 280, 3), np.uint8), ink])).save(tmp_path / "layer.png")
    return handle_file(str(tmp_path / "layer.png"))


def sketch(**parts: Any) -> dict[str, Any]:
    return {"background": None, "layers": [], "composite": None} | parts


def answer(client: Client, sketch: dict[str, Any], alphabet: str = "digits") -> dict[str, float]:
    found: dict[str, float] = client.predict(sketch, alphabet, api_name="/predict")["probabilities"]
    return found


def test_a_composite_alone_is_answered(client: Client, on_paper: Any) -> None:
    assert next(iter(answer(client, sketch(composite=on_paper)))) == "7"


def test_layers_alone_are_answered(client: Client, on_a_layer: Any) -> None:
    assert next(iter(answer(client, sketch(layers=[on_a_layer])))) == "7"


def test_the_answer_is_the_recognizers(client: Client, on_a_layer: Any, recognizer: Recognizer) -> None:
    expected = recognizer.top_k({"layers": [on_a_layer["path"]]}, TOP, "all")
    assert answer(client, sketch(layers=[on_a_layer]), "all") == pytest.approx(expected, abs=1e-4)


def test_probabilities_come_best_first_and_only_from_the_alphabet(client: Client, on_paper: Any) -> None:
    found = answer(client, sketch(composite=on_paper), "letters")
    assert len(found) == TOP
    assert all(label.isupper() for label in found)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_an_empty_sketch_has_no_answer(client: Client) -> None:
    assert answer(client, sketch()) == {}


def test_white_paper_has_no_answer(client: Client, tmp_path: Path) -> None:
    Image.new("RGBA", (280, 280), "white").save(tmp_path / "white.png")
    assert answer(client, sketch(composite=handle_file(str(tmp_path / "white.png")))) == {}


def test_an_unknown_alphabet_is_refused_by_name(client: Client, on_paper: Any) -> None:
    with pytest.raises(AppError, match=r"greek.*expected one of"):
        answer(client, sketch(composite=on_paper), "greek")


def test_a_file_that_is_no_picture_is_refused_with_a_sentence(client: Client, tmp_path: Path, page_log: Path) -> None:
    before = page_log.read_text()
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    with pytest.raises(AppError, match=r"bad\.png is not a picture"):
        answer(client, sketch(composite=handle_file(str(tmp_path / "bad.png"))))
    assert page_log.read_text() == before, "a visitor's mistake is no stack trace in the log"


def test_a_cut_off_picture_is_refused_with_a_sentence(client: Client, tmp_path: Path, on_paper: Any) -> None:
    (tmp_path / "cut.png").write_bytes(Path(on_paper["path"]).read_bytes()[:200])
    with pytest.raises(AppError, match=r"cut\.png is damaged or cut off"):
        answer(client, sketch(layers=[handle_file(str(tmp_path / "cut.png"))]))


def test_strokes_are_answered_and_so_is_a_picture_file(client: Client, on_paper: Any) -> None:
    x, y = SEVEN[0].T.tolist()
    strokes = {"width": 280, "height": 280, "strokes": [{"x": x, "y": y, "pen": 18}]}
    for given in (strokes, on_paper):
        found = client.predict(given, "digits", api_name="/predict")
        assert next(iter(found["probabilities"])) == "7"
        assert found["confident"] is True


@pytest.mark.parametrize(
    ("given", "expected"),
    [("a word", "picture file is needed"), ({"strokes": 5}, "drawing"), ({"a": 1}, "picture file")],
)
def test_what_is_no_sketch_is_refused(client: Client, given: Any, expected: str) -> None:
    with pytest.raises(AppError, match=expected):
        client.predict(given, "digits", api_name="/predict")


def read(client: Client, image: Any, alphabet: str = "all") -> dict[str, Any]:
    found: dict[str, Any] = client.predict(image=image, alphabet=alphabet, api_name="/read")
    return found


@pytest.fixture
def two_sevens(tmp_path: Path) -> Any:
    """77 as a photo of paper: dark on light, and turned on its side as its EXIF says."""
    paper = (230 - (draw([*SEVEN, SEVEN[0] + (260, 0)], (280, 560), 18) * 0.8)).astype(np.uint8)
    turned = Image.fromarray(paper).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top of the picture is on its right
    turned.save(tmp_path / "photo.jpg", exif=exif)
    return handle_file(str(tmp_path / "photo.jpg"))


def test_several_characters_are_read_from_a_photo_held_upright(client: Client, two_sevens: Any) -> None:
    found = read(client, two_sevens, "digits")
    assert set(found["text"]) == {"7"}
    assert found["size"] == [560, 280]
    first, *_, last = (one["box"] for one in found["characters"])
    assert first[0] < 100 < 280 < last[0] < last[2] <= 560
    assert last[3] <= 280
    assert {next(iter(one["probabilities"])) for one in found["characters"]} == {"7"}


def test_the_reading_is_the_recognizers(client: Client, two_sevens: Any, recognizer: Recognizer) -> None:
    expected = recognizer.read(two_sevens["path"], "all")
    found = read(client, two_sevens)
    assert found["text"] == expected.text
    assert [one["box"] for one in found["characters"]] == [list(one.box) for one in expected.characters]


def test_a_picture_without_writing_reads_as_nothing(client: Client, tmp_path: Path) -> None:
    Image.new("L", (280, 280), 255).save(tmp_path / "white.png")
    found = read(client, handle_file(str(tmp_path / "white.png")))
    assert (found["text"], found["characters"]) == ("", [])


def test_reading_refuses_with_a_sentence(client: Client, two_sevens: Any, tmp_path: Path, page_log: Path) -> None:
    before = page_log.read_text()
    (tmp_path / "bad.jpg").write_bytes(b"no picture at all")
    with pytest.raises(AppError, match=r"^bad\.jpg is not a picture"):
        read(client, handle_file(str(tmp_path / "bad.jpg")))
    with pytest.raises(AppError, match=r"greek.*expected one of"):
        read(client, two_sevens, "greek")
    with pytest.raises(AppError, match="a picture file is needed"):
        read(client, "/etc/hostname")
    assert page_log.read_text() == before, "a visitor's mistake is no stack trace in the log"


def test_a_file_above_the_limit_is_refused_when_it_is_sent(page_url: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body += bytes(app.MOST_BYTES + 1) + b"\r\n--x--\r\n"
    call = Request(f"{page_url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(HTTPError) as refused:
        urlopen(call, timeout=60)
    refused.value.close()
    assert refused.value.code == 413


@pytest.mark.parametrize("endpoint", ["predict", "read"])
def test_pictures_on_the_server_cannot_be_asked_for(page_url: str, tmp_path: Path, endpoint: str) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "private.png")
    private = {"path": str(tmp_path / "private.png"), "meta": {"_type": "gradio.FileData"}}
    for image in (private, {"path": private["path"]}, private["path"]):
        picture = sketch(composite=image) if endpoint == "predict" else image
        body = json.dumps({"data": [picture, "digits"]}).encode()  # the client would upload it first
        call = Request(f"{page_url}/gradio_api/call/{endpoint}", body, {"Content-Type": "application/json"})
        with urlopen(call, timeout=60) as reply:
            event = json.load(reply)["event_id"]
        with urlopen(f"{page_url}/gradio_api/call/{endpoint}/{event}", timeout=60) as reply:
            assert reply.readline() == b"event: error\n", image


def test_a_curl_of_two_steps_reads_a_picture(page_url: str, on_paper: Any) -> None:
    curl = ["curl", "-sS", "--fail", "--noproxy", "*"]
    sent = subprocess.check_output([*curl, "-F", f"files=@{on_paper['path']}", f"{page_url}/gradio_api/upload"])
    image = {"path": json.loads(sent)[0], "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [image, "digits"]})
    call = f"{page_url}/gradio_api/call/read"
    event = subprocess.check_output([*curl, "-H", "Content-Type: application/json", "-d", body, call])
    reply = subprocess.check_output([*curl, f"{call}/{json.loads(event)['event_id']}"], text=True)
    assert json.loads(reply.partition("data: ")[2])[0]["text"] == "7"


def test_two_endpoints_are_for_programs_and_both_are_explained(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert isinstance(api, dict)
    assert set(api["named_endpoints"]) == {"/predict", "/read"}
    assert api["unnamed_endpoints"] == {}
    for name, endpoint in api["named_endpoints"].items():
        assert endpoint["description"], name
        assert "alphabet" in [one["parameter_name"] for one in endpoint["parameters"]]


def test_who_runs_no_script_sees_the_pages_own_card(page_url: str) -> None:
    with urlopen(
        Request(page_url, headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}), timeout=60
    ) as reply:
        head = reply.read().decode().partition("</head>")[0]
        assert reply.headers["content-type"].startswith("text/html")
    assert "<title>Read my handwriting</title>" in head
    assert re.findall(r'og:title" content="(.*?)"', head) == ["Read my handwriting"]
    assert re.findall(r'og:image" content="(.*?)"', head) == ["https://a.example/card.png"]
    assert 'name="description" content="Draw a character' in head
    assert "header-image.jpg" not in head
    with urlopen(f"{page_url}/card.png", timeout=60) as reply:
        assert Image.open(reply).size == (1200, 630)


def test_the_page_names_its_model(recognizer: Recognizer) -> None:
    for line in about.lines(recognizer).values():
        config = recognizer.config
        for part in (config.architecture, str(len(config.labels) - 1), config.sha256[:8]):
            assert part in line


def test_examples_of_characters_are_sure_but_for_the_one_that_is_none(recognizer: Recognizer) -> None:
    *characters, none = layout.drawings("character")
    for example in (*characters, none):
        strokes = [{"x": x, "y": y, "pen": 15} for x, y in example["strokes"]]
        assert recognizer.is_confident({**example, "strokes": strokes}) == (example is not none), example["name"]


def test_every_text_of_the_page_is_there_in_both_languages_with_the_same_values() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert set(english) <= set(chinese)
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("app.py: "), result.stderr
    assert all(word in lines[0] for word in words), result.stderr


def test_importing_app_launches_nothing_and_loads_no_model() -> None:
    code = """if True:
        import gradio, hwr
        def fail(*args, **kwargs): raise AssertionError("at import")
        gradio.Blocks.__init__ = gradio.Blocks.launch = hwr.Recognizer.from_pretrained = fail
        import app
    """
    result = run("-c", code)
    assert result.returncode == 0, result.stderr


def test_a_missing_model_is_one_line_and_status_2(tmp_path: Path) -> None:
    assert_one_line(run("app.py", "--model", str(tmp_path / "none")), "none", "no such model")


def test_the_environment_names_the_model_where_no_flag_does(tmp_path: Path) -> None:
    assert_one_line(run("app.py", HWR_MODEL=str(tmp_path / "from-environment")), "from-environment")


def test_a_taken_port_is_one_line_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_one_line(run("app.py", "--host", "127.0.0.1", "--port", port), port)


def test_an_impossible_port_is_one_line_and_status_2() -> None:
    assert_one_line(run("app.py", "--port", "99999"), "99999")


def test_a_folder_for_feedback_that_cannot_be_written_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_one_line(run("app.py", HWR_FEEDBACK_DIR=str(tmp_path / "file" / "x")), "feedback")


def test_unknown_flags_fail_with_status_2() -> None:
    result = run("app.py", "--modell", "x")
    assert result.returncode == 2
    assert "--modell" in result.stderr
    assert "Traceback" not in result.stderr
