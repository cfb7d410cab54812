// The photo: chosen, taken or pasted; turned and cropped here, read on the server, and shown with what was found.
const SIDE = 2048;  // pixels: the longer side of a photo that is sent
let picture = null, number = 0, alphabet = props.alphabets[0].value, cropping = null, name = "photo";

const file = make("input", {type: "file", accept: "image/*", hidden: true, onchange: () => { take(file.files[0]); file.value = ""; }});
const shot = make("input", {type: "file", accept: "image/*", capture: "environment", hidden: true, onchange: () => { take(shot.files[0]); shot.value = ""; }});
const video = make("video", {autoplay: true, playsinline: true, muted: true, hidden: true, "aria-label": say("camera")});
const canvas = make("canvas", {"aria-label": say("your_photo"), role: "img"});
const boxes = make("div", {class: "hwr-boxes"}), frame = make("div", {class: "hwr-frame", hidden: true});
const stage = make("div", {class: "hwr-stage", hidden: true}, canvas, boxes, frame);
const choose = tool("file", () => file.click()), camera = tool("camera", () => look());
const snap = make("button", {type: "button", class: "hwr-button hwr-main", hidden: true, onclick: () => snapped()}, say("snap"));
const left = tool("left", () => turn(-1)), right = tool("right", () => turn(1));
const crop = tool("crop", () => cut(), {"aria-pressed": "false"}), clear = tool("clear", () => { halt(); reset(); });
const edit = make("div", {class: "hwr-tools", role: "toolbar", "aria-label": say("tools"), hidden: true}, left, right, crop, clear);
const drop = make("div", {class: "hwr-drop"}, make("p", {}, say("drop")), make("div", {class: "hwr-tools"}, choose, camera),
  make("small", {}, say("photo_rule")));
const verdict = make("div", {class: "hwr-verdict"}), more = make("div", {class: "hwr-more", "aria-live": "polite"});
const spoken = make("div", {class: "hwr-spoken", role: "status"});
const copy = tool("copy", () => copied(), {hidden: true});
const panel = make("section", {class: "hwr-answer", "aria-label": say("answer")}, verdict, more, spoken, copy);
const bar = make("div", {class: "hwr-progress", hidden: true, role: "progressbar", "aria-label": say("reading")}, make("i"));
const examples = make("div", {class: "hwr-examples", role: "group", "aria-label": say("examples")}, make("span", {}, say("try")),
  ...props.examples.map(one => make("button", {type: "button", class: "hwr-button hwr-thumb",
    onclick: async () => { const found = await server.example(one.file); if (found) load(found.picture, one.file); }},
    make("img", {src: one.thumbnail, alt: ""}), make("span", {}, one.name[language]))));
element.className = "hwr hwr-photo";
element.replaceChildren(file, shot, make("div", {class: "hwr-left"}, drop, video, snap, stage, bar, edit),
  make("div", {class: "hwr-right"}, panel, alphabets("alphabet-photo", alphabet, one => { alphabet = one; read(); })),
  make("div", {class: "hwr-below"}, examples));

// --- where photos come from ---
const take = async given => {
  if (!given) return;
  name = given.name || "photo";
  const address = URL.createObjectURL(given);
  await load(address, name, given);
  URL.revokeObjectURL(address);
};
const load = async (address, called, original) => {
  halt();
  busy(true);
  const mine = ++number, image = new Image();
  picture = cropping = null;
  framed();
  name = called;
  image.src = address;
  try {
    await image.decode();
  } catch {
    return original ? read(original, mine) : show({error: say("no_picture")});  // what the browser cannot show, the server may read
  }
  if (mine !== number) return;
  const size = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  picture = make("canvas", {width: Math.max(1, Math.round(image.naturalWidth * size)), height: Math.max(1, Math.round(image.naturalHeight * size))});
  picture.getContext("2d").drawImage(image, 0, 0, picture.width, picture.height);
  read();
};
element.addEventListener("dragover", event => event.preventDefault());
element.addEventListener("drop", event => { event.preventDefault(); take(event.dataTransfer.files[0]); });
window.addEventListener("paste", event => {
  const given = [...(event.clipboardData?.files ?? [])].find(one => one.type.startsWith("image/"));
  if (given && element.offsetParent) take(given);
});
const look = async () => {
  if (!navigator.mediaDevices?.getUserMedia) return shot.click();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment", width: {ideal: 1920}}});
    reset();
    video.srcObject = stream;
    video.hidden = snap.hidden = edit.hidden = false;
    drop.hidden = left.hidden = right.hidden = crop.hidden = true;
    snap.focus();
  } catch {
    shot.click();
  }
};
const snapped = () => {
  const taken = make("canvas", {width: video.videoWidth, height: video.videoHeight});
  taken.getContext("2d").drawImage(video, 0, 0);
  halt();
  picture = taken;
  name = "camera";
  read();
};
const halt = () => {
  video.srcObject?.getTracks().forEach(track => track.stop());
  video.srcObject = null;
  video.hidden = snap.hidden = true;
};

// --- turning and cropping ---
const turn = way => {
  const turned = make("canvas", {width: picture.height, height: picture.width}), context = turned.getContext("2d");
  context.translate(turned.width / 2, turned.height / 2);
  context.rotate(way * Math.PI / 2);
  context.drawImage(picture, -picture.width / 2, -picture.height / 2);
  picture = turned;
  read();
};
const cut = () => {
  if (!cropping) {
    cropping = [.1, .1, .9, .9];
    more.textContent = say("crop_how");
  } else {
    const [x0, y0, x1, y1] = cropping, width = Math.round((x1 - x0) * picture.width), height = Math.round((y1 - y0) * picture.height);
    cropping = null;
    if (width > 8 && height > 8) {
      const part = make("canvas", {width, height});
      part.getContext("2d").drawImage(picture, -Math.round(x0 * picture.width), -Math.round(y0 * picture.height));
      picture = part;
    }
    read();
  }
  framed();
};
const framed = () => {
  crop.setAttribute("aria-pressed", String(Boolean(cropping)));
  crop.lastChild.textContent = say(cropping ? "crop_done" : "crop");
  frame.hidden = !cropping;
  boxes.hidden = Boolean(cropping);
  if (cropping) {
    const [x0, y0, x1, y1] = cropping;
    frame.style.inset = `${y0 * 100}% ${(1 - x1) * 100}% ${(1 - y1) * 100}% ${x0 * 100}%`;
  }
};
let corner = null;
const place = event => {
  const box = stage.getBoundingClientRect(), clip = value => Math.min(Math.max(value, 0), 1);
  return [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
};
stage.addEventListener("pointerdown", event => {
  if (!cropping) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  corner = place(event);
});
stage.addEventListener("pointermove", event => {
  if (!corner || !cropping) return;
  const [x, y] = place(event);
  cropping = [Math.min(x, corner[0]), Math.min(y, corner[1]), Math.max(x, corner[0]), Math.max(y, corner[1])];
  framed();
});
for (const type of ["pointerup", "pointercancel"]) stage.addEventListener(type, () => { corner = null; });

// --- reading ---
const busy = is => {
  bar.hidden = !is;
  panel.setAttribute("aria-busy", String(is));
  if (!is) return;
  drop.hidden = true;
  panel.dataset.state = "busy";
  boxes.replaceChildren();
  more.textContent = "";
  copy.hidden = true;
  verdict.replaceChildren(make("h2", {}, say("reading")));
  spoken.textContent = say("reading");
};
const read = async (original, mine = ++number) => {
  if (!picture && !original) return;
  busy(true);
  stage.hidden = !picture || Boolean(original);
  edit.hidden = false;
  for (const one of [left, right, crop]) one.hidden = Boolean(original);
  if (picture && !original) {
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0);
  }
  await new Promise(resolve => setTimeout(resolve));  // the bar is seen before the work begins
  const sent = original ?? await new Promise(resolve => picture.toBlob(resolve, "image/jpeg", .92));
  for (;;) {
    const found = await server.photo({binary: true, data: {file: sent, name, alphabet, language}}).catch(() => undefined);
    if (mine !== number) return;  // another photo is shown by now
    if (!found?.busy) return show(found ?? {error: say("offline")});
    await new Promise(resolve => setTimeout(resolve, 500));
  }
};
const show = found => {
  busy(false);
  edit.hidden = false;
  panel.dataset.state = found.error ? "refused" : found.state;
  copy.hidden = !found.text;
  copy.dataset.text = found.text ?? "";
  const tips = () => make("div", {}, make("p", {class: "hwr-note"}, say("tips")),
    make("ul", {class: "hwr-tips"}, ...["tip_light", "tip_near", "tip_upright", "tip_crop"].map(key => make("li", {}, say(key)))));
  if (found.error) {
    verdict.replaceChildren(make("h2", {}, say("refused")), make("p", {class: "hwr-error"}, found.error));
    spoken.textContent = `${say("refused")} ${found.error}`;
    return;
  }
  const ask = word => more.replaceChildren(...others(word));
  boxes.replaceChildren(...found.words.map(word => {
    const [x0, y0, x1, y1] = word.box.map(share => `${share * 100}%`);
    return make("button", {type: "button", class: `hwr-box ${word.confident ? "" : "hwr-unsure"}`, "aria-label": word.text, title: word.text,
      style: `left:${x0};top:${y0};width:calc(${x1} - ${x0});height:calc(${y1} - ${y0})`,
      onclick: () => ask(word)}, make("b", {"aria-hidden": "true"}, word.text));
  }));
  if (found.state === "nothing") verdict.replaceChildren(make("h2", {}, say("nothing")), tips());
  else if (found.state === "unsure") verdict.replaceChildren(make("h2", {}, say("unsure")), make("p", {class: "hwr-note"}, say("unsure_writing")),
    make("div", {class: "hwr-closest"}, make("p", {class: "hwr-note"}, say("closest")), writing(found.words, ask)), tips());
  else verdict.replaceChildren(make("p", {class: "hwr-label"}, say("writing")), writing(found.words, ask), doubts(found.words) ?? "");
  spoken.textContent = found.state === "sure" ? say("read", {text: found.text}) : say(found.state === "nothing" ? "nothing" : "unsure");
};
const copied = async () => {
  await navigator.clipboard?.writeText(copy.dataset.text).catch(() => {});
  copy.lastChild.textContent = say("copied");
  setTimeout(() => { copy.lastChild.textContent = say("copy"); }, 2000);
};
const reset = () => {
  number += 1;
  picture = cropping = null;
  framed();
  busy(false);
  stage.hidden = edit.hidden = copy.hidden = true;
  drop.hidden = false;
  more.textContent = spoken.textContent = "";
  panel.dataset.state = "empty";
  verdict.replaceChildren(make("h2", {}, say("photo_ready")), make("p", {class: "hwr-note"}, say("photo_first")));
};
reset();
