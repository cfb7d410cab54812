"""What the page says, in English and Chinese: still texts by gr.I18n, answers by the visitor's own language."""

from __future__ import annotations

import gradio as gr

from page.quota import PER_VISITOR

MINUTE, HOUR = (most for most, _ in PER_VISITOR)
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "# Read my handwriting\nDraw a character, a number or a word. A small neural network reads it, "
        "stroke by stroke.",
        "draw": "Draw",
        "photo": "Photo",
        "alphabet": "Alphabet",
        "digits": "digits",
        "letters": "letters",
        "all": "all",
        "answer": "Answer",
        "clear": "Clear",
        "examples": "Examples",
        "view": "The model's view",
        "look": "what it went by",
        "was": "It was …",
        "was_hint": "What it really was",
        "teach": "Teach",
        "donate": "Keep it for later models",
        "kept_here": "If you tick this and say what it was, your drawing, what you call it, the model's answer and "
        "version, and the time are kept in a folder on this server, to make later models better. Nothing about you is "
        f"kept, and at most {MINUTE} drawings a minute and {HOUR} an hour.",
        "kept_there": "If you tick this and say what it was, your drawing, what you call it, the model's answer and "
        "version, and the time are kept, to make later models better. Nothing about you is kept, and at most "
        f"{MINUTE} drawings a minute and {HOUR} an hour. The dataset that they go to:",
        "forget": "Forget what I taught",
        "about": "About this model",
        "upload": "Photo of writing",
        "text": "Text",
        "photo_rule": "PNG, JPEG, WebP and others, up to 20 MB. A photo is deleted within minutes, and nothing of it "
        "is kept.",
        "blank": "Draw a character, a number or a word.",
        "unsure": "Not sure: this does not look like a character.",
        "read": "Read: {text}",
        "said": "{label}, {percent}",
        "nothing": "No writing was found in this photo.",
        "nothing_drawn": "There is nothing to teach yet: draw something first.",
        "no_label": "Say what it was first.",
        "count": "{found} characters were found, and you typed {typed}: type one for each.",
        "learnt": "Learnt from {n} of your characters, for you alone, until you close this page.",
    },
    "zh": {
        "title": "# 读懂我的手写\n写一个字符、一个数字或一个单词，小型神经网络会随着笔画逐笔识别。",
        "draw": "手写",
        "photo": "照片",
        "alphabet": "字符集",
        "digits": "数字",
        "letters": "字母",
        "all": "全部",
        "answer": "结果",
        "clear": "清空",
        "examples": "示例",
        "view": "模型所见",
        "look": "判断依据",
        "was": "其实是……",
        "was_hint": "它真正是什么",
        "teach": "教它",
        "donate": "保留下来，用于以后的模型",
        "kept_here": "勾选后，如果您说出它其实是什么，您的笔迹、您给出的答案、模型的答案与版本以及时间会保存在本服务器"
        f"的文件夹中，用于改进以后的模型。不保存任何关于您的信息；每分钟最多保存 {MINUTE} 幅，每小时最多 {HOUR} 幅。",
        "kept_there": "勾选后，如果您说出它其实是什么，您的笔迹、您给出的答案、模型的答案与版本以及时间会被"
        f"保存，用于改进以后的模型。不保存任何关于您的信息；每分钟最多保存 {MINUTE} 幅，每小时最多 {HOUR} 幅。"
        "所存数据集：",
        "forget": "忘掉我教的内容",
        "about": "关于此模型",
        "upload": "手写照片",
        "text": "文本",
        "photo_rule": "支持 PNG、JPEG、WebP 等格式，最大 20 MB。照片几分钟内即被删除，不作任何保留。",
        "blank": "请写一个字符、一个数字或一个单词。",
        "unsure": "不确定：这看起来不像一个字符。",
        "read": "识别结果：{text}",
        "said": "{label}，{percent}",
        "nothing": "照片中没有找到手写内容。",
        "nothing_drawn": "还没有可教的内容：请先写点什么。",
        "no_label": "请先填写它其实是什么。",
        "count": "找到 {found} 个字符，但您输入了 {typed} 个：请为每个字符输入一个。",
        "learnt": "已从您写的 {n} 个字符中学习，仅供您使用，关闭页面即忘记。",
    },
}

still = gr.I18n(**WORDS)  # still("draw") is a text that the browser puts into its own language


def kept(dataset: str | None) -> str:
    """What is kept of what visitors teach, where, why and how much of it: on this server alone, or in a dataset."""
    return str(still("kept_here")) if dataset is None else f"{still('kept_there')} {dataset}"


def language(request: gr.Request | None) -> str:
    """The first language of a visitor that the page speaks; English for programs."""
    wanted = request.headers.get("accept-language", "") if request is not None else ""
    tags = [part.split(";")[0].strip().split("-")[0].lower() for part in wanted.split(",")]
    return next((tag for tag in tags if tag in WORDS), "en")


def say(key: str, request: gr.Request | None = None, **values: object) -> str:
    """A text for one visitor, with ``values`` filled in."""
    return WORDS[language(request)][key].format(**values)
