() => {
  const words = {
    en: {pad: "Drawing pad: draw with a mouse, a pen or a finger", hint: "Draw here"},
    zh: {pad: "手写板：用鼠标、笔或手指书写", hint: "在这里写"},
  };
  const own = words[navigator.language.split("-")[0]] ?? words.en;
  // An empty pad of Gradio 6.31 has no tool in hand, neither at first nor after clearing: strokes do nothing.
  setInterval(() => {
    const tools = document.querySelector("#pad .toolbar-wrap");
    if (tools && !tools.querySelector(".highlight")) tools.querySelector("button")?.click();
    document.querySelector("#pad:not([data-hint])")?.setAttribute("data-hint", own.hint);
    document.querySelector("#pad canvas:not([aria-label])")?.setAttribute("aria-label", own.pad);
  }, 100);
  for (const id of ["spoken", "note", "learnt"])
    document.getElementById(id)?.setAttribute("aria-live", "polite");
}
