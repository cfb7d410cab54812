// The pad: it draws strokes, sends them as numbers while the pen moves, and shows what they are read as.
const mode = props.mode, isWriting = mode === "writing";
const UNITS = isWriting ? 1000 : 480;  // the width of the canvas, whatever its size on the screen
const PENS = isWriting ? [5, 9, 15] : [10, 18, 28], ERASER = 3;  // widths of the pen, and of the eraser in pens
const EVERY = 120;  // milliseconds between two questions while the pen is down
const STEP = UNITS / 48, FINE = STEP / 5;  // of the keyboard's pen; fine with the shift key
const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

let strokes = [], past = [], future = [];  // lists of strokes: what is drawn, what undo and redo bring back
let current = null, width = 1, erasing = false, height = UNITS, asked = 0, alphabet = props.alphabets[0].value, look = "", playing = 0;
let isExample = false, epoch = 0;  // answers to a drawing that is another one by now are dropped

// --- elements ---
const canvas = make("canvas", {class: "hwr-canvas", tabindex: 0, role: "application", "aria-label": say(`pad_${mode}`)});
const cursor = make("div", {class: "hwr-cursor", hidden: true});
const hint = make("div", {class: "hwr-hint", "aria-hidden": "true"}, say(`hint_${mode}`));
const paper = make("div", {class: "hwr-paper"}, canvas, hint, cursor);
const pen = tool("pen", () => choose(false), {"aria-pressed": "true"});
const eraser = tool("eraser", () => choose(true), {"aria-pressed": "false"});
const widths = tool("width", () => { width = (width + 1) % PENS.length; showWidth(); });
const undo = tool("undo", () => travel(past, future)), redo = tool("redo", () => travel(future, past));
const clear = tool("clear", () => { if (isExample) { strokes = []; past = []; } change([]); });
const tools = make("div", {class: "hwr-tools", role: "toolbar", "aria-label": say("tools")}, pen, eraser, widths, undo, redo, clear);
const verdict = make("div", {class: "hwr-verdict"}), more = make("div", {class: "hwr-more", "aria-live": "polite"});
const spoken = make("div", {class: "hwr-spoken", role: "status"});
const said = make("input", {type: "text", maxlength: isWriting ? 200 : 16, autocomplete: "off", autocapitalize: "off",
  spellcheck: "false", id: `said-${mode}`});
const donate = make("input", {type: "checkbox"}), wrong = make("label", {for: said.id});
const teach = make("form", {class: "hwr-teach", hidden: true, onsubmit: event => { event.preventDefault(); lesson(); }},
  wrong,
  make("div", {}, said, make("button", {type: "submit", class: "hwr-button"}, say(isWriting ? "send" : "teach"))),
  props.notice ? make("label", {class: "hwr-donate"}, donate, make("span", {}, say(isWriting ? "donate_line" : "donate"), make("small", {}, props.notice[language]))) : null);
const learnt = make("p", {class: "hwr-learnt", role: "status"});
const forget = make("button", {type: "button", class: "hwr-link", hidden: true, onclick: () => unlearn()}, say("forget"));
const view = make("div", {class: "hwr-seen"});
const why = make("input", {type: "checkbox", onchange: () => { look = why.checked ? "why" : "view"; question(); }});
const inside = make("details", {class: "hwr-inside", ontoggle: () => { look = inside.open ? (why.checked ? "why" : "view") : ""; question(); }},
  make("summary", {}, say("view")), view, make("label", {}, why, make("span", {}, say("look"))));
const examples = make("div", {class: "hwr-examples", role: "group", "aria-label": say("examples")},
  make("span", {}, say("try")), ...props.examples.map(one =>
    make("button", {type: "button", class: "hwr-button", onclick: () => play(one)}, one.name[language])));
const panel = make("section", {class: "hwr-answer", "aria-label": say("answer")}, verdict, more, spoken, teach, learnt, forget);
element.className = `hwr hwr-${mode}`;
element.replaceChildren(
  make("div", {class: "hwr-left"}, paper, tools),
  make("div", {class: "hwr-right"}, panel, alphabets(`alphabet-${mode}`, alphabet, one => { alphabet = one; question(); })),
  make("div", {class: "hwr-below"}, examples, isWriting ? null : inside));

// --- drawing ---
const context = canvas.getContext("2d");
const scale = () => canvas.width / UNITS;
const line = stroke => {
  context.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
  context.lineWidth = stroke.pen * scale();
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  stroke.x.forEach((x, i) => context.lineTo(x * scale(), stroke.y[i] * scale()));
  if (stroke.x.length === 1) context.lineTo(stroke.x[0] * scale() + .01, stroke.y[0] * scale());
  context.stroke();
};
const redraw = () => {
  context.clearRect(0, 0, canvas.width, canvas.height);
  strokes.forEach(line);
  if (current) line(current);
};
new ResizeObserver(() => {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (!box.width) return;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  height = Math.round(UNITS * box.height / box.width);
  redraw();
}).observe(canvas);
new MutationObserver(redraw).observe(document.body, {attributeFilter: ["class"]});  // the dark mode has other ink

const place = event => {
  const box = canvas.getBoundingClientRect(), clip = (value, most) => Math.min(Math.max(value, 0), most);
  return [clip((event.clientX - box.left) / box.width, 1) * UNITS, clip((event.clientY - box.top) / box.height, 1) * height];
};
const begin = (x, y, time) => {
  stop();
  epoch += 1;
  if (isExample) { change([]); past = []; }
  const own = PENS[width] * (erasing ? ERASER : 1);
  current = {x: [], y: [], t: [], pen: own, start: time, ...(erasing ? {erases: true} : {})};
  hint.hidden = true;
  extend(x, y, time);
};
const extend = (x, y, time) => {
  const round = value => Math.round(value * 10) / 10, last = current.x.length - 1;
  if (last >= 0 && Math.hypot(x - current.x[last], y - current.y[last]) < 1) return;  // nearer than can be seen
  current.x.push(round(x));
  current.y.push(round(y));
  current.t.push(Math.round(time - current.start));
};
const finish = () => {
  const {start, ...stroke} = current;
  current = null;
  change([...strokes, stroke]);
};
const change = drawn => {
  if (drawn.length || strokes.length) past.push(strokes);
  future = [];
  strokes = drawn;
  changed();
};
const travel = (from, to) => {
  if (!from.length) return;
  to.push(strokes);
  strokes = from.pop();
  changed();
};
const changed = () => {
  stop();
  epoch += 1;
  learnt.textContent = "";
  isExample = false;
  paper.classList.remove("hwr-ghost");
  redraw();
  hint.hidden = strokes.length > 0;
  buttons();
  question();
};
const buttons = () => {
  undo.disabled = !past.length;
  redo.disabled = !future.length;
  clear.disabled = !strokes.length;
};
const choose = erases => {
  erasing = erases;
  pen.setAttribute("aria-pressed", String(!erases));
  eraser.setAttribute("aria-pressed", String(erases));
};
const showWidth = () => {
  widths.style.setProperty("--pen", `${4 + 5 * width}px`);
  widths.lastChild.textContent = say(`width_${width}`);
  widths.setAttribute("aria-label", say("width_name", {width: say(`width_${width}`)}));
};

canvas.addEventListener("pointerdown", event => {
  if (event.button || current) return;
  event.preventDefault();
  canvas.focus({preventScroll: true});
  cursor.hidden = true;
  canvas.setPointerCapture(event.pointerId);
  begin(...place(event), event.timeStamp);
  current.pointer = event.pointerId;
  redraw();
  following();
});
canvas.addEventListener("pointerenter", event => {  // a stroke that began beside the paper
  if (event.pointerType === "mouse" && event.buttons === 1 && !current && event.target === canvas) {
    begin(...place(event), event.timeStamp);
    current.pointer = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
  }
});
canvas.addEventListener("pointermove", event => {
  if (!current || event.pointerId !== current.pointer) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const one of all.length ? all : [event]) extend(...place(one), one.timeStamp);
  redraw();
  following();
});
for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, event => {
  if (!current || event.pointerId !== current.pointer) return;
  delete current.pointer;
  finish();
});
canvas.addEventListener("touchmove", event => event.preventDefault(), {passive: false});

// A pen for the keyboard: arrows move it, the space bar puts it down and up.
let at = null;
canvas.addEventListener("keydown", event => {
  const move = MOVES[event.key], command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") (event.shiftKey ? redo : undo).click();
  else if (command && event.key.toLowerCase() === "y") redo.click();
  else if (command || event.altKey || (!move && event.key !== " ")) return;
  else {
    at ??= [UNITS / 2, height / 2];
    if (move) {
      const step = event.shiftKey ? FINE : STEP, most = [UNITS, height];
      at = at.map((value, i) => Math.min(Math.max(value + move[i] * step, 0), most[i]));
      if (current) { extend(...at, event.timeStamp); redraw(); following(); }
    } else if (!event.repeat) {
      if (current) finish(); else begin(...at, event.timeStamp);
      spoken.textContent = say(current ? "down" : "up");
    }
    cursor.hidden = false;
    cursor.style.left = `${at[0] / UNITS * 100}%`;
    cursor.style.top = `${at[1] / height * 100}%`;
    cursor.dataset.down = String(Boolean(current));
  }
  event.preventDefault();
});
canvas.addEventListener("blur", () => {
  if (current && !cursor.hidden) finish();
  cursor.hidden = true;
});

// --- questions and answers ---
const drawing = () => ({width: UNITS, height, strokes: current ? [...strokes, (({start, pointer, ...one}) => one)(current)] : strokes});
const ask = newest(what => server.answer(what), (found, what) => show(found, what));
const question = () => {
  asked = performance.now();
  if (!strokes.length && !current) return show({state: "empty"}, {final: true});
  ask({drawing: drawing(), mode, alphabet, language, look, final: !current, epoch});
};
const following = () => { if (performance.now() - asked >= EVERY) question(); };

const show = (found, what) => {
  if (what.epoch !== undefined && what.epoch !== epoch) return;
  panel.dataset.state = isExample ? "example" : found.error ? "error" : found.state;
  more.textContent = "";
  verdict.replaceChildren(...parts(found));
  if (found.seen !== undefined) view.replaceChildren(...(found.seen ? [make("img", {src: found.seen, alt: say("view")})] : []));
  if (!strokes.length) view.replaceChildren();
  if (what.final) {
    spoken.textContent = found.error || isExample ? "" : sentence(found);
    wrong.textContent = say(isWriting ? "wrong_writing" : found.state === "unsure" ? "unknown" : "wrong");
    teach.hidden = isExample || !["sure", "unsure", "nothing"].includes(found.state) || (isWriting && !props.notice);
  }
};
const parts = found => {
  const heading = text => make("h2", {}, text), note = (text, name = "hwr-note") => make("p", {class: name}, text);
  const label = isExample ? [note(say("example"), "hwr-label")] : [];
  if (found.error) return [make("p", {class: "hwr-error", role: "alert"}, found.error)];
  if (found.state === "empty") return [heading(say("ready")), note(say(`ready_${mode}`))];
  if (found.state === "nothing") return [...label, heading(say("unsure")), note(say("no_writing"))];
  if (found.kind === "character" && found.state === "sure")
    return [...label, make("div", {class: "hwr-best"}, found.guesses[0][0]), note(isWriting ? say("one_character") : say("sure_of", {percent: percent(found.guesses[0][1])}), "hwr-sure"),
      guesses(found.guesses, say("guesses"))];
  if (found.kind === "character")
    return [...label, heading(say("unsure")), note(say("unsure_character")), found.hint ? several(found.hint) : null,
      make("div", {class: "hwr-closest"}, note(say("closest")), guesses(found.guesses.slice(0, 3), say("closest")))].filter(Boolean);
  const text = writing(found.words, word => more.replaceChildren(...others(word)));
  if (found.state === "sure") return [...label, note(say("writing"), "hwr-label"), text, doubts(found.words)].filter(Boolean);
  return [...label, heading(say("unsure")), note(say("unsure_writing")), make("div", {class: "hwr-closest"}, note(say("closest")), text), doubts(found.words)].filter(Boolean);
};
const several = text => make("p", {class: "hwr-note"}, say("several", {text}), " ",
  make("button", {type: "button", class: "hwr-link", onclick: () => {
    window.hwrMoved = strokes;
    document.querySelectorAll("#ways > .tab-wrapper [role=tab], #ways [role=tab]")[1]?.click();
    window.dispatchEvent(new Event("hwr-moved"));
  }}, say("to_writing")));
const sentence = found => {
  if (found.state === "empty") return "";
  if (found.state === "nothing") return `${say("unsure")} ${say("no_writing")}`;
  if (found.state === "unsure") return `${say("unsure")} ${say(`unsure_${found.kind}`)}`;
  return found.kind === "character" ? say("said", {label: found.guesses[0][0], percent: percent(found.guesses[0][1])})
    : say("read", {text: found.text});
};

// --- teaching ---
const lesson = async () => {
  const found = await server.teach({drawing: drawing(), mode, alphabet, language, text: said.value, keep: donate.checked}).catch(() => undefined);
  learned(found ?? {error: say("offline")});
};
const unlearn = async () => learned(await server.forget({language}).catch(() => undefined) ?? {error: say("offline")});
const learned = found => {
  learnt.classList.toggle("hwr-error", Boolean(found.error));
  learnt.textContent = found.error ?? (found.kept_line ? say("kept_line") : found.taught ? say("learnt") : say("forgotten"));
  if (found.error) return said.focus();
  said.value = "";
  forget.hidden = !found.taught;
  question();
};

// --- examples ---
const stop = () => { cancelAnimationFrame(playing); playing = 0; };
const fitted = example => {  // in the middle of the pad, whatever its shape
  const size = Math.min(UNITS / example.width, height / example.height), pen = PENS[1];
  const left = (UNITS - example.width * size) / 2, top = (height - example.height * size) / 2;
  return example.strokes.map(([x, y]) => ({x: x.map(v => Math.round(v * size + left)), y: y.map(v => Math.round(v * size + top)), t: x.map((_, i) => 12 * i), pen}));
};
const play = (example, isGhost = false) => {
  stop();
  epoch += 1;
  learnt.textContent = "";
  if (!isGhost) { past.push(strokes); future = []; }
  strokes = [];
  clear.disabled = false;  // it ends the playing as well
  const all = fitted(example), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const points = all.reduce((sum, one) => sum + one.x.length, 0), start = performance.now(), lasts = still ? 0 : Math.min(1200, 300 + 12 * points);
  hint.hidden = true;
  paper.classList.toggle("hwr-ghost", isGhost);
  const frame = now => {
    let left = lasts ? Math.ceil(points * Math.min((now - start) / lasts, 1)) : points;
    const isEnd = left >= points;
    strokes = all.map(one => { const n = Math.min(left, one.x.length); left -= n; return {...one, x: one.x.slice(0, n), y: one.y.slice(0, n), t: one.t.slice(0, n)}; }).filter(one => one.x.length);
    isExample = isGhost;
    redraw();
    if (isEnd) { playing = 0; buttons(); question(); return; }
    following();
    playing = requestAnimationFrame(frame);
  };
  playing = requestAnimationFrame(frame);
};

// --- the beginning ---
const moved = () => {
  if (!isWriting || !window.hwrMoved) return;
  const shift = (UNITS - height) / 2, size = height / 480;
  change(window.hwrMoved.map(one => ({...one, x: one.x.map(x => x * size + shift), y: one.y.map(y => y * size), pen: one.pen * size})));
  window.hwrMoved = null;
};
window.addEventListener("hwr-moved", () => setTimeout(moved, 300));
showWidth();
buttons();
show({state: "empty"}, {final: true});
if (window.hwrMoved) setTimeout(moved, 300);
else if (props.ghost) setTimeout(() => { if (!strokes.length && !current) play(props.ghost, true); }, 700);
