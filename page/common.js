// What the pads and the photo share: words in the visitor's language, elements, and how an answer looks.
const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const say = (key, values = {}) =>
  (props.words[language][key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child != null));
  return made;
};

const ICONS = {
  pen: "M4 20l1-5L16 4l4 4L9 19z M14 6l4 4", eraser: "M8 20h12 M4 15l9-9 6 6-8 8H8z M9 10l6 6",
  width: "", undo: "M9 7L4 12l5 5 M4 12h10a6 6 0 0 1 0 8h-3", redo: "M15 7l5 5-5 5 M20 12H10a6 6 0 0 0 0 8h3",
  clear: "M5 7h14 M10 7V4h4v3 M7 7l1 13h8l1-13", left: "M5 12a7 7 0 1 0 2-5 M7 3v4h4", right: "M19 12a7 7 0 1 1-2-5 M17 3v4h-4",
  crop: "M7 3v14h14 M3 7h14v14", camera: "M4 8h4l2-3h4l2 3h4v11H4z M12 10a3.5 3.5 0 1 0 .1 0", file: "M5 19h14 M12 15V4 M7 9l5-5 5 5",
  copy: "M9 9h10v11H9z M15 9V4H5v11h4", check: "M5 13l4 4L19 7",
};
const icon = name => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS(svg.namespaceURI, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
};
const tool = (name, onclick, attributes = {}) =>
  make("button", {type: "button", class: `hwr-tool hwr-${name}`, onclick, ...attributes}, icon(name), make("span", {}, say(name)));

const percent = share => {
  const shown = Math.round(share * 100);
  return shown >= 100 ? "> 99 %" : shown < 1 ? "< 1 %" : `${shown} %`;
};

// The likeliest answers, each with a bar; small and grey where none of them is meant.
const guesses = (list, name) => make("ol", {class: "hwr-guesses", "aria-label": name}, ...list.map(([label, share]) =>
  make("li", {}, make("b", {}, label), make("i", {style: `--share: ${share.toFixed(4)}`}),
    make("span", {}, percent(share)))));

// A text, word by word; a doubtful word can be asked for what else it may be.
const writing = (words, onask) => {
  const lines = [];
  for (const word of words) {
    const shown = word.confident ? make("span", {class: "hwr-word"}, word.text) : make("button", {
      type: "button", class: "hwr-word hwr-doubt", onclick: () => onask(word), "aria-label": say("doubtful", {text: word.text}),
    }, word.text);
    const line = lines[word.line] ??= make("div");
    line.append(...(line.childNodes.length ? [" "] : []), shown);
  }
  return make("div", {class: "hwr-text"}, ...lines.filter(Boolean));
};
const doubts = words => words.every(word => word.confident) ? null : make("p", {class: "hwr-label"}, say("doubts"));
const rows = one => make("p", {}, make("b", {}, one.text), ": " +
  one.guesses.map(([label, share]) => `${label} ${percent(share)}`).join(", "));
const others = word => [rows(word), ...(word.characters.length > 1 ? word.characters.map(rows) : [])];

// One question at a time, always the newest: what was asked meanwhile and is old already is never sent.
const newest = (ask, show) => {
  let waiting = null, busy = false;
  const next = async () => {
    while (waiting) {
      const [question, number] = waiting;
      waiting = null;
      let found = await ask(question).catch(() => undefined);
      if (found?.busy) {
        await new Promise(resolve => setTimeout(resolve, 500));
        waiting ??= [question, number];
        continue;
      }
      show(found ?? {error: say("offline")}, question);
    }
    busy = false;
  };
  return question => {
    waiting = [question, 0];
    if (!busy) { busy = true; next(); }
  };
};
const alphabets = (name, current, onchange) => make("fieldset", {class: "hwr-choice", hidden: props.alphabets.length < 2},
  make("legend", {}, say("alphabet")), ...props.alphabets.map(one => make("label", {},
    make("input", {type: "radio", name, value: one.value, checked: one.value === current, onchange: () => onchange(one.value)}),
    make("span", {}, say(one.name)))));
