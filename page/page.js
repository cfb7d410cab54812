() => {
  const words = {
    en: {
      pad: "Drawing pad: draw with a mouse, a pen or a finger. Or move the pen with the arrow keys, and put it down " +
        "and up with the space bar.",
      hint: "Draw here", down: "pen down", up: "pen up",
    },
    zh: {
      pad: "手写板：用鼠标、笔或手指书写。也可以用方向键移动画笔，按空格键落笔和提笔。",
      hint: "在这里写", down: "落笔", up: "提笔",
    },
  };
  const own = words[navigator.language.split("-")[0]] ?? words.en;
  // An empty pad of Gradio 6.31 has no tool in hand, neither at first nor after clearing: strokes do nothing.
  setInterval(() => {
    const tools = document.querySelector("#pad .toolbar-wrap");
    if (tools && !tools.querySelector(".highlight")) tools.querySelector("button")?.click();
    document.querySelector("#pad:not([data-hint])")?.setAttribute("data-hint", own.hint);
    const canvas = document.querySelector("#pad canvas:not([aria-label])");
    for (const [name, value] of [["aria-label", own.pad], ["role", "application"], ["tabindex", "0"]])
      canvas?.setAttribute(name, value);
  }, 100);
  for (const id of ["spoken", "note", "learnt"])
    document.getElementById(id)?.setAttribute("aria-live", "polite");

  // A pen for the keyboard: what it does reaches the pad as the events of a mouse would.
  const STEP = 10, FINE = 2;  // pixels; fine with the shift key
  const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const cursor = document.createElement("div");
  cursor.id = "pen";
  cursor.setAttribute("aria-live", "polite");
  let at = null, down = false;  // where the pen is on the canvas, as shares of its sides
  const send = (canvas, type) => {
    const box = canvas.getBoundingClientRect();
    const place = {clientX: box.left + at[0] * box.width, clientY: box.top + at[1] * box.height};
    const mouse = {pointerId: 1, pointerType: "mouse", isPrimary: true, bubbles: true, cancelable: true};
    canvas.dispatchEvent(new PointerEvent(type, {...mouse, ...place, button: type === "pointermove" ? -1 : 0,
      buttons: type === "pointerup" ? 0 : Number(down)}));
  };
  const show = canvas => {
    const box = canvas.getBoundingClientRect(), pad = document.getElementById("pad").getBoundingClientRect();
    document.getElementById("pad").append(cursor);
    cursor.style.left = `${box.left - pad.left + at[0] * box.width}px`;
    cursor.style.top = `${box.top - pad.top + at[1] * box.height}px`;
    cursor.dataset.down = String(down);
  };
  const put = (canvas, wanted) => {
    if (down === wanted) return;
    down = wanted;
    send(canvas, down ? "pointerdown" : "pointerup");
    cursor.textContent = down ? own.down : own.up;
  };
  window.addEventListener("keydown", event => {
    const canvas = event.target, move = MOVES[event.key];
    if (!canvas.matches?.("#pad canvas") || (!move && event.key !== " ")) return;
    event.preventDefault();
    event.stopImmediatePropagation();  // the pad would take the space bar for itself
    at ??= [0.5, 0.5];
    if (move) {
      const box = canvas.getBoundingClientRect(), step = event.shiftKey ? FINE : STEP;
      const sides = [box.width, box.height];
      at = at.map((share, i) => Math.min(Math.max(share + (move[i] * step) / sides[i], 0), 1));
      send(canvas, "pointermove");
    } else if (!event.repeat) {
      if (!down) send(canvas, "pointermove");
      put(canvas, !down);
    }
    show(canvas);
  }, true);
  window.addEventListener("focusout", event => {
    if (!event.target.matches?.("#pad canvas")) return;
    if (at) put(event.target, false);
    cursor.remove();
  }, true);
}
