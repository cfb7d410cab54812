"""What the page says, in English and Chinese."""

from __future__ import annotations

import re

import gradio as gr

from page.quota import PER_VISITOR

MINUTE, HOUR = (most for most, _ in PER_VISITOR)
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "# Read my handwriting\nDraw a character, write a word or a number, or take a photo. A small neural "
        "network reads it, and says when it is not sure.",
        "one": "One character",
        "writing_tab": "Writing",
        "photo": "Photo",
        "alphabet": "Read as",
        "digits": "Digits",
        "letters": "Letters",
        "all": "Anything",
        "tools": "Drawing tools",
        "pen": "Pen",
        "eraser": "Eraser",
        "width_0": "Thin",
        "width_1": "Medium",
        "width_2": "Thick",
        "width_name": "Pen width: {width}",
        "undo": "Undo",
        "redo": "Redo",
        "clear": "Clear",
        "pad_character": "Drawing pad: draw one character with a mouse, a pen or a finger. Or move the pen with the "
        "arrow keys, and put it down and up with the space bar.",
        "pad_writing": "Writing pad: write with a mouse, a pen or a finger. Or move the pen with the arrow keys, and "
        "put it down and up with the space bar.",
        "hint_character": "Draw one character here",
        "hint_writing": "Write here: a word, a number, several lines",
        "down": "pen down",
        "up": "pen up",
        "answer": "Answer",
        "example": "Example",
        "ready": "Ready when you are",
        "ready_character": "Draw a digit or a letter. The answer follows your pen.",
        "ready_writing": "Write a word, a number or a few lines. The answer follows your pen.",
        "unsure": "Not sure",
        "unsure_character": "This does not look like one character that I know.",
        "unsure_writing": "I cannot read this with confidence.",
        "no_writing": "I see no writing here.",
        "closest": "Closest guesses",
        "guesses": "Most likely characters",
        "several": "Several characters? Perhaps “{text}”.",
        "to_writing": "Open it in Writing",
        "one_character": "One character",
        "sure_of": "{percent} sure",
        "writing": "It says",
        "doubtful": "{text}, doubtful: show what else it may be",
        "said": "{label}, {percent} sure",
        "read": "It says: {text}",
        "wrong": "Wrong? Type what it is",
        "wrong_writing": "Wrong? Type what it says",
        "teach": "Teach",
        "send": "Send",
        "learnt": "Learned. This is for you alone, until you close the page.",
        "kept_line": "Thank you. Your writing and its text are kept for later models.",
        "forget": "Forget what I taught",
        "forgotten": "Forgotten.",
        "donate": "Also keep it for later models",
        "kept_here": "Your drawing, what you call it, the model's answer and version, and the time are kept in a "
        f"folder on this server. Nothing about you is kept, and at most {MINUTE} drawings a minute and {HOUR} an hour.",
        "kept_there": "Your drawing, what you call it, the model's answer and version, and the time are kept. Nothing "
        f"about you is kept, and at most {MINUTE} drawings a minute and {HOUR} an hour. The dataset they go to:",
        "view": "What the network sees",
        "look": "Show which ink decided the answer",
        "examples": "Examples",
        "try": "Try",
        "about": "About this model",
        "model": "Read by the model “{name}”: {architecture}, {count} characters, version {version}.",
        "drop": "Choose a photo of handwriting, drop it here, or paste it.",
        "photo_rule": "PNG, JPEG, WebP and others, up to 20 MB. Photos are read in memory and never stored.",
        "file": "Choose a photo",
        "camera": "Use the camera",
        "snap": "Take the photo",
        "your_photo": "Your photo",
        "left": "Turn left",
        "right": "Turn right",
        "crop": "Crop",
        "crop_done": "Apply",
        "crop_how": "Drag over the part to keep, then choose Apply.",
        "reading": "Reading …",
        "photo_ready": "No photo yet",
        "photo_first": "Words and numbers found in the photo appear here, to be copied.",
        "nothing": "No writing found",
        "refused": "This cannot be read",
        "tips": "What helps:",
        "tip_light": "even light, without shadows",
        "tip_near": "dark pen on plain paper, the writing filling the picture",
        "tip_upright": "writing that is upright: turn the photo if it is not",
        "tip_crop": "cropping to the lines that matter",
        "copy": "Copy the text",
        "copied": "Copied",
        "offline": "The page cannot be reached. Please try again.",
        "nothing_drawn": "There is nothing to teach yet: draw something first.",
        "no_label": "Type what it is first.",
        "not_kept": "Tick that it may be kept for later models: writing is not learned at once.",
        "one_line": "Several lines were written: please write and teach one line at a time.",
    },
    "zh": {
        "title": "# 读懂我的手写\n写一个字符、一个单词或一个数字，或者拍一张照片。"
        "小型神经网络会识别它，没有把握时也会直说。",
        "one": "单个字符",
        "writing_tab": "书写",
        "photo": "照片",
        "alphabet": "识别为",
        "digits": "数字",
        "letters": "字母",
        "all": "不限",
        "tools": "绘图工具",
        "pen": "画笔",
        "eraser": "橡皮",
        "width_0": "细",
        "width_1": "中",
        "width_2": "粗",
        "width_name": "笔画粗细：{width}",
        "undo": "撤销",
        "redo": "重做",
        "clear": "清空",
        "pad_character": "手写板：用鼠标、笔或手指写一个字符。也可以用方向键移动画笔，按空格键落笔和提笔。",
        "pad_writing": "书写板：用鼠标、笔或手指书写。也可以用方向键移动画笔，按空格键落笔和提笔。",
        "hint_character": "在这里写一个字符",
        "hint_writing": "在这里写单词或数字，可以写多行",
        "down": "落笔",
        "up": "提笔",
        "answer": "结果",
        "example": "示例",
        "ready": "随时可以开始",
        "ready_character": "写一个数字或字母，边写边出结果。",
        "ready_writing": "写一个单词、一个数字或几行字，边写边出结果。",
        "unsure": "不确定",
        "unsure_character": "这不像我认识的任何一个字符。",
        "unsure_writing": "我没有把握读出这些内容。",
        "no_writing": "这里没有看到文字。",
        "closest": "最接近的猜测",
        "guesses": "最可能的字符",
        "several": "是多个字符吗？可能是“{text}”。",
        "to_writing": "在“书写”中打开",
        "one_character": "单个字符",
        "sure_of": "{percent} 的把握",
        "writing": "内容是",
        "doubtful": "{text}，存疑：查看其他可能",
        "said": "{label}，{percent} 的把握",
        "read": "内容是：{text}",
        "wrong": "不对？请输入正确的字符",
        "wrong_writing": "不对？请输入正确的内容",
        "teach": "教它",
        "send": "提交",
        "learnt": "学会了。仅对您有效，关闭页面后即忘记。",
        "kept_line": "谢谢。您的笔迹和内容已保存，用于以后的模型。",
        "forget": "忘掉我教的内容",
        "forgotten": "已忘记。",
        "donate": "同时保存，用于以后的模型",
        "kept_here": "您的笔迹、您给出的答案、模型的答案与版本以及时间会保存在本服务器的文件夹中。"
        f"不保存任何关于您的信息；每分钟最多保存 {MINUTE} 幅，每小时最多 {HOUR} 幅。",
        "kept_there": "您的笔迹、您给出的答案、模型的答案与版本以及时间会被保存。"
        f"不保存任何关于您的信息；每分钟最多保存 {MINUTE} 幅，每小时最多 {HOUR} 幅。所存数据集：",
        "view": "网络看到的图像",
        "look": "显示哪些笔画决定了结果",
        "examples": "示例",
        "try": "试一试",
        "about": "关于此模型",
        "model": "由模型“{name}”识别：{architecture}，{count} 个字符，版本 {version}。",
        "drop": "选择一张手写照片，拖到这里，或直接粘贴。",
        "photo_rule": "支持 PNG、JPEG、WebP 等格式，最大 20 MB。照片只在内存中读取，从不保存。",
        "file": "选择照片",
        "camera": "使用相机",
        "snap": "拍照",
        "your_photo": "您的照片",
        "left": "向左转",
        "right": "向右转",
        "crop": "裁剪",
        "crop_done": "应用",
        "crop_how": "拖动选出要保留的部分，然后点“应用”。",
        "reading": "正在识别……",
        "photo_ready": "还没有照片",
        "photo_first": "照片中找到的单词和数字会显示在这里，可以复制。",
        "nothing": "没有找到文字",
        "refused": "无法识别",
        "tips": "以下做法会有帮助：",
        "tip_light": "光线均匀，没有阴影",
        "tip_near": "白纸黑字，让文字占满画面",
        "tip_upright": "文字要端正：如果是歪的，请转动照片",
        "tip_crop": "只裁剪出需要的几行",
        "copy": "复制文本",
        "copied": "已复制",
        "offline": "无法连接页面，请重试。",
        "nothing_drawn": "还没有可教的内容：请先写点什么。",
        "no_label": "请先输入它是什么。",
        "not_kept": "请勾选允许保存，用于以后的模型：书写内容无法当场学会。",
        "one_line": "您写了多行：请一次只写一行并教一行。",
        # What the library refuses, by a part of its English sentence: see refused.
        "it has no line reader": "这个模型只能识别单个字符。",
        "is not a picture": "这不是可以读取的图片：支持 PNG、JPEG、WebP、AVIF、GIF、TIFF、BMP 和 PPM。",
        "is damaged or cut off": "图片已损坏或不完整。",
        "is too large": "图片太大，请先缩小。",
        "has no pixels": "图片是空的。",
        "cannot be a text": "这不能作为内容：请输入 1 到 200 个可显示的字符。",
        "cannot be a label": "这不能作为答案：请输入 1 到 16 个可显示的字符。",
        "no more drawings are kept today": "今天不再保存更多笔迹：谢谢，请明天再来。",
        "please wait a little": "保存得太快了，请稍等片刻。",
        "could not be kept": "您的笔迹没能保存：服务器上没有空间，或文件夹不可写。",
        "points are drawn": "笔画太多了，请先清空一些。",
        "a list": "笔画太多了，请先清空一些。",
    },
}
FAILED = {"zh": "出错了：{message}"}  # what is refused so seldom that it is not translated

still = gr.I18n(**WORDS)  # still("photo") is a text that the browser puts into its own language


def kept(dataset: str | None) -> dict[str, str]:
    """What is kept of what visitors teach, in each language: on this server alone, or in a dataset."""
    if dataset is None:
        return {language: words["kept_here"] for language, words in WORDS.items()}
    return {language: f"{words['kept_there']} {dataset}" for language, words in WORDS.items()}


def say(key: str, language: str, **values: object) -> str:
    """A text in a language, with ``values`` filled in."""
    return WORDS[language][key].format(**values)


def refused(message: str, language: str) -> str:
    """A sentence of the library for a visitor: as it is in English, translated for others."""
    if language == "en":
        return re.sub(r"^[a-z]", lambda first: first[0].upper(), message)
    found = (text for part, text in WORDS[language].items() if " " in part and part in message)
    return next(found, FAILED[language].format(message=message))
