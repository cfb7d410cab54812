// The page and, registered by it, its service worker: one file. Names in double braces are filled in by `python -m hwr export`.
const MODEL = {{model}};      // alphabets, threshold, other, symbols, graph, version
const RUNTIME = {{runtime}};  // the files of ONNX Runtime Web: {script, wasm}, each {url, integrity}
const CACHE = "hwr-" + MODEL.version;
const SHOWN = 5;              // answers
const PEN = 18;               // pixels of the pad, which has 280
const WITH_SYMBOLS = "printable" in MODEL.alphabets;
const NAMES = {printable: "Anything", all: WITH_SYMBOLS ? "Digits and letters" : "Anything", digits: "Digits", letters: "Letters"};

if (typeof document === "undefined") serveOffline(); else startPage();

// --- service worker: after the first visit everything comes from the cache ---

function serveOffline() {
  self.addEventListener("install", () => self.skipWaiting());
  self.addEventListener("activate", event => event.waitUntil(forgetOthers().then(() => self.clients.claim())));
  self.addEventListener("fetch", event => {
    if (event.request.method === "GET") event.respondWith(cachedOr(event.request));
  });
}

async function forgetOthers() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
}

async function cachedOr(request) {
  const cache = await caches.open(CACHE);
  const found = await cache.match(request, {ignoreSearch: true});
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) cache.put(request, answer.clone());
  return answer;
}

// --- the page ---

async function startPage() {
  const pad = document.getElementById("pad"), pen = pad.getContext("2d", {willReadFrequently: true});
  const note = document.getElementById("note");
  let ask = null, waiting = false, stroke = null;

  for (const name of Object.keys(NAMES).filter(one => one in MODEL.alphabets)) {
    const label = document.createElement("label");
    label.innerHTML = `<input type="radio" name="alphabet" value="${name}"> ${NAMES[name]}`;
    label.firstChild.checked = name === (WITH_SYMBOLS ? "printable" : "all");
    label.firstChild.addEventListener("change", change);
    document.getElementById("alphabets").append(label);
  }
  document.getElementById("clear").addEventListener("click", clear);
  pad.addEventListener("pointerdown", down);
  pad.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { stroke = null; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  try {
    ask = await network();
    note.textContent = "";
    change();
  } catch (error) {
    note.textContent = `The network cannot be loaded: ${error.message}`;
  }
  if ("serviceWorker" in navigator) await keepForOffline();

  function place(event) {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
  }

  function down(event) {
    pad.setPointerCapture(event.pointerId);
    stroke = place(event);
    line(stroke, stroke);
  }

  function move(event) {
    if (!stroke) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(one);
      line(stroke, next);
      stroke = next;
    }
  }

  function line(from, to) {
    pen.strokeStyle = getComputedStyle(pad).color;
    pen.lineWidth = PEN;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    change();
  }

  function recolour() {
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = getComputedStyle(pad).color;
    pen.fillRect(0, 0, pad.width, pad.height);
    pen.globalCompositeOperation = "source-over";
  }

  function clear() {
    pen.clearRect(0, 0, pad.width, pad.height);
    change();
  }

  // One question at a time; what is drawn meanwhile is asked about next.
  async function change() {
    if (!ask || waiting) { waiting = ask ? "again" : waiting; return; }
    waiting = true;
    const drawn = pen.getImageData(0, 0, pad.width, pad.height);
    show(await ask(new Uint8Array(drawn.data.buffer), pad.height, pad.width));
    const again = waiting === "again";
    waiting = false;
    if (again) change();
  }

  function show(probabilities) {
    const chosen = document.querySelector("input[name=alphabet]:checked").value;
    const sums = MODEL.alphabets[chosen].map(([answer, members]) => [answer, members.reduce((sum, i) => sum + probabilities[i], 0)]);
    const total = sums.reduce((sum, [, share]) => sum + share, 0);
    const best = total ? sums.sort((a, b) => b[1] - a[1]).slice(0, SHOWN) : [];
    document.getElementById("answers").replaceChildren(...best.map(([answer, share]) => {
      const row = document.createElement("li"), percent = `${(100 * share / total).toFixed(0)} %`;
      row.style.setProperty("--share", percent.replace(" ", ""));
      for (const text of [answer, percent]) row.append(Object.assign(document.createElement("span"), {textContent: text}));
      return row;
    }));
    const known = MODEL.other === null ? Math.max(...probabilities) : 1 - probabilities[MODEL.other];
    const symbols = chosen === "printable" ? [] : MODEL.symbols;
    const confidence = symbols.reduce((rest, i) => rest - probabilities[i], known);
    note.textContent = total && confidence < MODEL.threshold ? "Not sure: this does not look like one character." : "";
    document.body.dataset.answered = performance.now();
  }
}

async function network() {
  const [script, wasm, graph] = await Promise.all([RUNTIME.script, RUNTIME.wasm, MODEL.graph].map(fetched));
  const ort = await import(URL.createObjectURL(new Blob([script], {type: "text/javascript"})));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  const session = await ort.InferenceSession.create(graph, {executionProviders: ["wasm"]});
  return async (pixels, height, width) => {
    const canvas = new ort.Tensor("uint8", pixels, [height, width, 4]);
    return Array.from((await session.run({canvas})).probabilities.data);
  };
}

async function fetched({url, integrity}) {
  const answer = await fetch(url, {integrity});
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  return answer.arrayBuffer();
}

async function keepForOffline() {
  await navigator.serviceWorker.register("app.js", {type: "module"});
  const cache = await caches.open(CACHE);
  for (const url of ["./", "app.js", "style.css", RUNTIME.script.url, RUNTIME.wasm.url, MODEL.graph.url]) {
    if (!await cache.match(url)) await cache.add(url);
  }
  document.body.dataset.offline = "ready";
}
