/**
 * @file What a reader sees of the models: the element <lm-playground>, and the parts that it shares with the smaller
 * explorers in explorers.js. No model is computed here; that is the work of engine.js.
 *
 * An element names its models in the attribute `models`. Each comes from a script that calls `LMModels.register`: one
 * that stands in the page, or else models/NAME.js beside this script, which is asked for once the element is near the
 * window. What stands between the tags of an element is shown where no script runs, and where something went wrong.
 *
 * Text is never read as HTML, and no script is made from text: a page that allows its own scripts alone
 * (Content-Security-Policy) shows all of it. Nothing is asked of another host.
 */

/**
 * @typedef {{
 *   title: string,
 *   kind: string,
 *   config: any,
 *   tensors: Map<string, { shape: number[], data: any }>,
 *   model: any,
 *   tokenizer: PageTokenizer,
 * }} Loaded
 * @typedef {{
 *   register: (name: string, base64: string) => void,
 *   load: (name: string) => Promise<Loaded>,
 *   texts: Map<string, string>,
 *   loading: Map<string, Promise<Loaded>>,
 * }} ModelShelf
 */

// eslint-disable-next-line no-var -- a page may load this script twice, once for each notebook cell
var LMModels = /** @type {ModelShelf} */ (
  (() => {
    "use strict";
    const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
    const folder = script?.src ? new URL("models/", script.src) : null;
    /** Models that came but were not asked for yet, in base64. @type {Map<string, string>} */
    const texts = new Map();
    /** @type {Map<string, Promise<Loaded>>} */
    const loading = new Map();

    /** Scripts of models that were asked for and have not come yet. @type {Set<string>} */
    const awaited = new Set();

    /** Keep what a script brings, unless it is there already. @param {string} name @param {string} base64 */
    function register(name, base64) {
      if (awaited.delete(name) || !loading.has(name)) texts.set(name, base64);
    }

    /** @param {string} name */
    function fetchText(name) {
      return new Promise((resolve, reject) => {
        const fault = () => reject(new LMModelFile.ModelFileError(`The model file ${name}.js could not be loaded.`));
        if (texts.has(name)) return resolve(undefined);
        if (!folder || !/^[\w.-]+$/.test(name)) return fault();
        awaited.add(name);
        const request = document.createElement("script");
        request.src = new URL(`${name}.js`, folder).href;
        request.onload = () => (texts.has(name) ? resolve(undefined) : fault());
        request.onerror = fault;
        document.head.append(request);
      });
    }

    /** @param {string} name @returns {Promise<Loaded>} */
    async function build(name) {
      await fetchText(name);
      const bytes = LMModelFile.fromBase64(texts.get(name) ?? "");
      texts.delete(name);
      await LMPage.pause();
      const file = LMModelFile.readModelFile(bytes);
      await LMPage.pause();
      try {
        const isModel = !["Tokenizer", "Text", "WordMap"].includes(file.kind);
        const model = isModel ? LMEngine.buildModel(file) : null;
        const tokenizer = file.kind === "WordMap" ? /** @type {any} */ (null) : LMTokenizers.build(file.tokenizer);
        if (model && model.vocabSize !== tokenizer.vocabSize) {
          throw new LMModelFile.ModelFileError(
            `The model has ${model.vocabSize} tokens and its tokenizer ${tokenizer.vocabSize}; export the model again.`,
          );
        }
        return { ...file, model, tokenizer };
      } catch (error) {
        if (error instanceof LMModelFile.ModelFileError) throw error;
        throw new LMModelFile.ModelFileError(`The model file ${name} does not hold what its model needs (${error}).`);
      }
    }

    /** @param {string} name */
    function load(name) {
      const known = loading.get(name);
      if (known) return known;
      const promise = build(name);
      loading.set(name, promise);
      promise.catch(() => loading.delete(name)); // who asks again may be luckier
      return promise;
    }

    return { texts, loading, load, register };
  })()
);

// eslint-disable-next-line no-var -- as above
var LMPage = (() => {
  "use strict";

  /** For how long, in milliseconds, work goes on before the page gets its turn. */
  const SLICE = 10;
  const MOST_CHARACTERS = 2000;

  // --- small tools

  const channel = new MessageChannel();
  /** @type {(() => void)[]} */
  const paused = [];
  channel.port1.onmessage = () => paused.shift()?.();

  /** Let the page answer to what its reader does. @returns {Promise<void>} */
  function pause() {
    return new Promise((resolve) => {
      paused.push(resolve);
      channel.port2.postMessage(0);
    });
  }

  /**
   * Take steps until one returns false, and pause between slices of them.
   * @param {() => boolean} step
   * @param {() => boolean} isCurrent whether anybody still waits for the result
   * @param {() => void} [afterSlice]
   * @returns {Promise<boolean>} whether all steps were taken
   */
  async function inSlices(step, isCurrent, afterSlice) {
    for (;;) {
      const end = performance.now() + SLICE;
      let goesOn = true;
      while (goesOn && performance.now() < end) goesOn = step();
      afterSlice?.();
      if (!goesOn) return true;
      await pause();
      if (!isCurrent()) return false;
    }
  }

  /**
   * An HTML element. Strings among the children become text.
   * @param {string} tag
   * @param {Record<string, any>} [properties] attributes; functions listen to the event of that name
   * @param {...(Node | string)} children
   * @returns {any}
   */
  function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children);
    return element;
  }

  let lastId = 0;
  const newId = () => `lm-${++lastId}`;

  /**
   * A slider with its name and its value.
   * @param {string} name
   * @param {{ min: number, max: number, step: number, value: number, show?: (value: number) => string }} range
   * @param {() => void} changed
   * @returns {{ element: HTMLElement, value: number }} the value is read anew each time
   */
  function slider(name, { min, max, step, value, show = String }, changed) {
    const id = newId();
    const input = el("input", { type: "range", id, min, max, step, value });
    const output = el("span", { class: "value", "aria-hidden": "true" }, show(value)); // the input says it
    input.addEventListener("input", () => {
      output.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", show(Number(input.value)));
      changed();
    });
    input.setAttribute("aria-valuetext", show(value));
    return {
      element: el("div", { class: "control" }, el("label", { for: id }, name), output, input),
      get value() {
        return Number(input.value);
      },
    };
  }

  /** Temperature, top-k and top-p. @param {() => void} changed */
  function choiceSliders(changed) {
    const temperature = slider(
      "Temperature",
      { min: 0, max: 2, step: 0.05, value: 0.8, show: (value) => (value ? value.toFixed(2) : "0 (greedy)") },
      changed,
    );
    const topK = slider(
      "Top-k",
      { min: 0, max: 100, step: 1, value: 0, show: (value) => (value ? String(value) : "all") },
      changed,
    );
    const topP = slider(
      "Top-p",
      { min: 0.05, max: 1, step: 0.05, value: 0.9, show: (value) => value.toFixed(2) },
      changed,
    );
    return {
      elements: [temperature.element, topK.element, topP.element],
      /** @returns {Choice} */
      get choice() {
        return { temperature: temperature.value, topK: topK.value || Infinity, topP: topP.value };
      },
    };
  }

  /**
   * A labelled field for text; `changed` is called a moment after the last key.
   * @param {string} name @param {string} value @param {() => void} changed @param {number} [rows]
   */
  function textField(name, value, changed, rows = 2) {
    const id = newId();
    const field = el("textarea", { id, rows, maxlength: MOST_CHARACTERS, spellcheck: "false", dir: "auto" });
    field.value = value;
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(changed, 60);
    });
    return {
      element: el("div", { class: "control wide" }, el("label", { for: id }, name), field),
      get value() {
        return /** @type {string} */ (field.value);
      },
      /** Forget the change that was still to be told. */
      settle: () => clearTimeout(timer),
    };
  }

  /** @param {number} share */
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

  /**
   * Rows of a name, a bar and a number.
   * @param {HTMLElement} list
   * @param {{ name: string, share: number, of?: number, text?: string, faded?: boolean }[]} rows
   *   `of` draws the outline of a second share
   */
  function paintBars(list, rows) {
    while (list.children.length < rows.length) {
      list.append(
        el("li", {}, el("span", { class: "name" }), el("span", { class: "bar" }), el("span", { class: "number" })),
      );
    }
    while (list.children.length > rows.length) list.lastElementChild?.remove();
    rows.forEach(({ name, share, of = 0, text, faded = false }, place) => {
      const item = /** @type {HTMLElement} */ (list.children[place]);
      const [nameAt, bar, number] = /** @type {any} */ (item.children);
      item.classList.toggle("faded", faded);
      nameAt.textContent = name;
      bar.style.setProperty("--share", share);
      bar.style.setProperty("--of", of);
      number.textContent = text ?? percent(share);
    });
  }

  /**
   * Arrow keys move among buttons of which one can be reached with the tab key.
   * @param {HTMLElement} group @param {string} label @param {(place: number) => void} choose
   * @param {number} [columns] how many buttons are in a row, where up and down move by rows
   */
  function toolbar(group, label, choose, columns = 1) {
    group.setAttribute("role", "toolbar");
    group.setAttribute("aria-label", label);
    group.addEventListener("keydown", (event) => {
      const buttons = /** @type {HTMLElement[]} */ (Array.from(group.children));
      const place = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
      const steps = /** @type {Record<string, number>} */ ({
        ArrowRight: 1,
        ArrowDown: columns,
        ArrowLeft: -1,
        ArrowUp: -columns,
        Home: -buttons.length,
        End: buttons.length,
      });
      if (place < 0 || !(event.key in steps)) return;
      event.preventDefault();
      const next = Math.max(0, Math.min(buttons.length - 1, place + steps[event.key]));
      choose(next);
      buttons[next].focus();
    });
    group.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button) choose(Array.from(group.children).indexOf(button));
    });
  }

  /** Mark one button of a toolbar. @param {HTMLElement} group @param {number} chosen */
  function markChosen(group, chosen) {
    Array.from(group.children).forEach((button, place) => {
      button.setAttribute("aria-pressed", String(place === chosen));
      /** @type {HTMLElement} */ (button).tabIndex = place === chosen ? 0 : -1;
    });
  }

  // --- the look

  const CSS = `
    :host { --paper: #ffffff; --ink: #1b1b1b; --soft: #595959; --line: #767676; --fill: #a9cbee; --strong: #0b5cad;
      --warm: #ffb454; --fault: #a40000; display: block; margin: 1rem 0; container-type: inline-size; }
    :host([dark]) { --paper: #14181e; --ink: #ececec; --soft: #b8b8b8; --line: #8a8f98; --fill: #1f4f7f; --strong: #7cbcff;
      --warm: #8a4b00; --fault: #ffb0a8; }
    .box { background: var(--paper); color: var(--ink); border: 1px solid var(--line); border-radius: 8px; padding: 0.8rem;
      font: 0.9rem/1.4 system-ui, sans-serif; overflow-wrap: anywhere; }
    .controls, .columns { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; align-items: end; }
    .columns { align-items: stretch; margin-top: 0.8rem; }
    .columns > section { flex: 1 1 12rem; min-width: 0; }
    .control { display: grid; grid-template-columns: 1fr auto; gap: 0 0.5rem; flex: 1 1 9rem; min-width: 0; }
    .control > label, .control > .value { white-space: nowrap; }
    .control.wide { flex-basis: 100%; }
    .control > textarea, .control > input, .control > select { grid-column: 1 / -1; }
    label, .title { font-weight: 600; }
    textarea, select, input[type="number"], input[type="search"] { width: 100%; box-sizing: border-box; font: inherit;
      color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 4px; padding: 0.3rem; }
    select option { background: var(--paper); color: var(--ink); }
    input[type="range"] { width: 100%; min-height: 24px; margin: 0; accent-color: var(--strong); }
    button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 4px;
      min-width: 24px; min-height: 28px; padding: 0.1rem 0.6rem; cursor: pointer; }
    button.main { background: var(--strong); color: var(--paper); border-color: var(--strong); font-weight: 600; }
    button:disabled { opacity: 0.6; cursor: default; }
    :focus-visible { outline: 3px solid var(--strong); outline-offset: 1px; }
    p { margin: 0.4rem 0; }
    .soft { color: var(--soft); }
    .fault { color: var(--fault); font-weight: 600; }
    .bars { list-style: none; margin: 0.3rem 0; padding: 0; }
    .bars li { display: grid; grid-template-columns: minmax(4.5rem, 7rem) 1fr 3.2rem; gap: 0.4rem; align-items: center; }
    .bars .name { white-space: pre; overflow: hidden; text-overflow: ellipsis; font-family: ui-monospace, monospace; }
    .bars .number { text-align: right; font-variant-numeric: tabular-nums; }
    .bars .bar { position: relative; height: 0.8rem; }
    .bars .bar::before, .bars .bar::after { content: ""; position: absolute; inset: 0 auto 0 0; border-radius: 2px;
      box-sizing: border-box; }
    .bars .bar::before { width: calc(100% * var(--share)); background: var(--strong); }
    .bars .bar::after { width: calc(100% * var(--of)); border: 1px solid var(--line); border-width: calc(1px * min(1, 999 * var(--of))); }
    .bars .faded { color: var(--soft); }
    .bars .faded .name { text-decoration: line-through; }
    .text { white-space: pre-wrap; border-left: 3px solid var(--line); padding-left: 0.6rem; min-height: 3rem; }
    .tokens { display: flex; flex-wrap: wrap; gap: 2px; }
    .tokens > * { white-space: pre; padding: 0.1rem 0.25rem; min-height: 26px; border-radius: 3px; border: 1px solid transparent;
      font-family: ui-monospace, monospace; }
    .tokens > button { background: color-mix(in srgb, var(--warm) calc(100% * var(--weight, 0)), var(--paper)); }
    .tokens > .odd { background: color-mix(in srgb, var(--line) 22%, var(--paper)); }
    .tokens sub { color: var(--soft); margin-left: 0.2rem; }
    .tokens > [aria-pressed="true"] { border-color: var(--ink); font-weight: 700; }
    .heads { display: grid; gap: 4px; justify-content: start; overflow-x: auto; padding: 4px; }
    .heads button { padding: 2px; line-height: 0; }
    .heads button[aria-pressed="true"] { outline: 3px solid var(--strong); }
    .heads canvas { width: 56px; height: 56px; image-rendering: pixelated; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: 0.2rem 0.45rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
    th, td.number, td.cell { white-space: nowrap; }
    td.cell { text-align: center; background: color-mix(in srgb, var(--warm) calc(100% * var(--weight, 0)), var(--paper)); }
    svg text { fill: var(--ink); font-size: 13px; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @container (max-width: 32rem) {
      .columns > section { flex-basis: 100%; }
      .stacked thead { display: none; }
      .stacked tr, .stacked th, .stacked td { display: block; border: 0; padding: 0; white-space: normal; }
      .stacked tr { border-bottom: 1px solid var(--line); padding: 0.3rem 0; }
    }
    @media (prefers-reduced-motion: no-preference) { .bars .bar::before { transition: width 0.15s; } }
    @media (forced-colors: active) {
      .bars .bar::before { forced-color-adjust: none; background: CanvasText; }
      .tokens > button, td.cell, .heads canvas { forced-color-adjust: none; color: var(--ink); }
      .tokens > [aria-pressed="true"] { outline: 3px solid Highlight; }
    }
    @media print {
      :host([dark]) { --paper: #ffffff; --ink: #1b1b1b; --soft: #595959; --line: #767676; --strong: #0b5cad; --warm: #ffb454; }
      .controls { display: none; }
      .box { border: 0; padding: 0; }
      .bars .bar::before, .tokens > button, td.cell, .heads canvas { print-color-adjust: exact; }
    }
  `;

  /** @param {ShadowRoot} root */
  function dress(root) {
    if ("adoptedStyleSheets" in root) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      root.adoptedStyleSheets = [sheet];
    } else {
      /** @type {ShadowRoot} */ (root).append(el("style", {}, CSS));
    }
  }

  /** Whether an element stands on a dark ground, whatever made it dark: its text is light then. @param {Element} element */
  function standsOnDark(element) {
    const [red, green, blue] = (getComputedStyle(element).color.match(/[\d.]+/g) ?? []).map(Number);
    return 0.3 * red + 0.6 * green + 0.1 * blue > 128;
  }

  // --- elements

  /** An element that shows models once they are there. A subclass says how. */
  class ModelElement extends HTMLElement {
    /** @type {Loaded[]} */
    loaded = [];
    /** @type {(() => void)[]} */
    watching = [];
    /** Counts what the reader asked for, so that work for an older question can end. */
    question = 0;

    connectedCallback() {
      const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      if (!root.firstChild) {
        dress(root);
        this.box = el("div", { class: "box" });
        this.status = el("p", { class: "hidden", role: "status" });
        root.append(this.box, this.status);
        this.box.append(el("p", { class: "soft" }, `Loading ${this.getAttribute("size") ?? "the model"} …`));
        this.box.append(el("slot"));
      }
      this.followTheGround();
      const nearby = new IntersectionObserver(
        (entries) => {
          if (!entries.some((entry) => entry.isIntersecting)) return;
          nearby.disconnect();
          this.open();
        },
        { rootMargin: "400px" },
      );
      nearby.observe(this);
      this.watching.push(() => nearby.disconnect());
      if (this.loaded.length) this.update(); // it was taken away, perhaps at work, and is back
    }

    disconnectedCallback() {
      this.question++;
      this.removeAttribute("busy");
      for (const stop of this.watching.splice(0)) stop();
    }

    followTheGround() {
      const follow = () => {
        const isDark = standsOnDark(this.parentElement ?? this);
        if (isDark === this.hasAttribute("dark")) return;
        this.toggleAttribute("dark", isDark);
        this.repaint();
      };
      const observer = new MutationObserver(follow);
      const attributeFilter = [
        "class",
        "style",
        "theme",
        "data-theme",
        "data-jp-theme-light",
        "data-vscode-theme-kind",
      ];
      for (const element of [document.documentElement, document.body]) observer.observe(element, { attributeFilter });
      const wish = matchMedia("(prefers-color-scheme: dark)");
      wish.addEventListener("change", follow);
      this.watching.push(
        () => observer.disconnect(),
        () => wish.removeEventListener("change", follow),
      );
      follow();
    }

    /** The first of its models. */
    get one() {
      return this.loaded[0];
    }

    async open() {
      if (this.loaded.length) return;
      try {
        const names = (this.getAttribute("models") ?? "").split(/\s+/).filter(Boolean);
        if (!names.length) throw new LMModelFile.ModelFileError("This element names no models.");
        this.loaded = await Promise.all(names.map((name) => LMModels.load(name)));
        this.box.replaceChildren(...this.build());
        this.update();
        this.setAttribute("ready", "");
        this.dispatchEvent(new Event("lm-ready"));
      } catch (error) {
        this.fail(/** @type {Error} */ (error));
      }
    }

    /** @param {Error} error */
    fail(error) {
      const known = error instanceof LMModelFile.ModelFileError;
      const words = known ? error.message : `Something went wrong here: ${error.message}`;
      this.box.replaceChildren(el("p", { class: "fault", role: "alert" }, words), el("slot"));
      this.setAttribute("failed", "");
    }

    /** The parts of the element, once its models are there. @returns {Node[]} */
    build() {
      return [];
    }

    /** Work out anew what is shown. */
    update() {}

    /** Draw again what takes the colours of the ground. */
    repaint() {}

    /** Ask for `work`; what an earlier question is still doing ends. @param {(isCurrent: () => boolean) => Promise<void>} work */
    async ask(work) {
      const question = ++this.question;
      this.setAttribute("busy", "");
      try {
        await work(() => question === this.question);
      } catch (error) {
        this.fail(/** @type {Error} */ (error));
      }
      if (question === this.question) this.removeAttribute("busy");
    }

    /** Tell a screen reader, once the reader of the page rests. @param {string} words */
    announce(words) {
      clearTimeout(this.announcing);
      this.announcing = setTimeout(() => (this.status.textContent = words), 700);
    }
  }

  /**
   * Read a text in slices.
   * @param {any} reader @param {number[]} ids @param {() => boolean} isCurrent
   * @returns {Promise<boolean>}
   */
  function readOn(reader, ids, isCurrent) {
    reader.goTo(ids);
    return inSlices(() => {
      if (reader.pending) reader.advance();
      return reader.pending > 0;
    }, isCurrent);
  }

  /** The ids of a text with the begin mark in front. @param {Loaded} loaded @param {string} text */
  const idsOf = ({ tokenizer, config }, text) => [config.bos_id, ...tokenizer.encode(text)];

  /** What a model gives to the tokens; the begin mark is never chosen. @param {any} reader @param {Loaded} loaded */
  function scoresOf(reader, { config }) {
    const scores = reader.scores();
    scores[config.bos_id] = -Infinity;
    return scores;
  }

  /** Where the heads of a transformer look: a picture of each head, and the tokens in the colour of one. */
  class AttentionView {
    /** @param {Loaded} loaded @param {(words: string) => void} announce */
    constructor(loaded, announce) {
      this.announce = announce;
      this.tokenizer = loaded.tokenizer;
      const { num_layers: layers, num_heads: heads } = loaded.config;
      this.heads = heads;
      this.head = 0;
      this.query = -1;
      this.grid = el("div", { class: "heads" });
      this.grid.style.gridTemplateColumns = `repeat(${heads}, 62px)`;
      for (let place = 0; place < layers * heads; place++) {
        const name = `Layer ${Math.floor(place / heads) + 1}, head ${(place % heads) + 1}`;
        const picture = el("canvas", { width: 1, height: 1, "aria-hidden": "true" });
        this.grid.append(el("button", { type: "button", "aria-label": name, title: name }, picture));
      }
      this.strip = el("div", { class: "tokens" });
      this.words = el("p");
      toolbar(this.grid, "Heads, a row for each layer", (place) => this.choose(place, this.query), heads);
      toolbar(this.strip, "Tokens; choose the one that looks", (place) => this.choose(this.head, place));
      this.element = el(
        "section",
        { "aria-label": "Where each head looks" },
        el("p", { class: "title" }, "Where each head looks"),
        el(
          "p",
          { class: "soft" },
          "One picture for each head, one row of pictures for each layer. In a picture, each row is a token that looks, " +
            "and each column one that it looks at. Choose a head, and then a token below: the stronger the " +
            "colour of another, the more this one takes from it.",
        ),
        this.grid,
        this.strip,
        this.words,
      );
    }

    /**
     * @param {any} reader that has read all of its window
     * @param {() => boolean} isCurrent
     */
    async show(reader, isCurrent) {
      this.leftOut = reader.start;
      this.ids = [...reader.done];
      this.weights = [...reader.weights];
      this.query = this.ids.length - 1;
      this.ids.forEach((/** @type {number} */ id, /** @type {number} */ place) => {
        if (!this.strip.children[place]) this.strip.append(el("button", { type: "button" }));
        this.strip.children[place].textContent = this.tokenizer.label(id);
      });
      while (this.strip.children.length > this.ids.length) this.strip.lastElementChild?.remove();
      this.choose(this.head, this.query);
      await pause();
      await this.paint(isCurrent);
    }

    /** Draw the pictures of all heads in the colours of the page. @param {() => boolean} isCurrent */
    async paint(isCurrent) {
      const style = getComputedStyle(this.element);
      const [ink, paper] = ["--ink", "--paper"].map((name) => toRgb(style.getPropertyValue(name)));
      const pictures = Array.from(this.grid.children);
      let place = 0;
      await inSlices(() => {
        this.draw(pictures[place].firstChild, place, ink, paper);
        return ++place < pictures.length;
      }, isCurrent);
    }

    /** One pixel for each pair of tokens. @param {any} canvas @param {number} place @param {number[]} ink @param {number[]} paper */
    draw(canvas, place, ink, paper) {
      const size = this.weights?.length ?? 0;
      if (size === 0) return; // the colours changed before there was anything to draw
      canvas.width = size;
      canvas.height = size;
      const context = canvas.getContext("2d");
      const image = context.createImageData(size, size);
      this.weights?.forEach((layers, row) => {
        const weights = layers[Math.floor(place / this.heads)][place % this.heads];
        for (let column = 0; column < size; column++) {
          const weight = Math.sqrt(weights[column] ?? 0); // so that small weights are seen, too
          const at = 4 * (row * size + column);
          for (let part = 0; part < 3; part++) image.data[at + part] = paper[part] + (ink[part] - paper[part]) * weight;
          image.data[at + 3] = 255;
        }
      });
      context.putImageData(image, 0, 0);
    }

    /** @param {number} head in the order of the pictures @param {number} query which token looks */
    choose(head, query) {
      this.head = head;
      this.query = query;
      markChosen(this.grid, head);
      markChosen(this.strip, query);
      const weights = this.weights?.[query]?.[Math.floor(head / this.heads)][head % this.heads] ?? new Float32Array(0);
      const most = Math.max(...weights);
      const labels = Array.from(this.strip.children, (button) => button.textContent);
      Array.from(this.strip.children).forEach((button, place) => {
        const weight = weights[place] ?? 0;
        /** @type {HTMLElement} */ (button).style.setProperty("--weight", String(weight / most || 0));
        const seen = place > query ? "not seen" : percent(weight);
        button.setAttribute("aria-label", `${labels[place]}, ${seen}`);
        button.setAttribute("title", seen);
      });
      const order = Array.from(weights.keys()).sort((one, other) => weights[other] - weights[one]);
      const named = order
        .slice(0, 3)
        .map((place) => `“${labels[place]}” (token ${place + 1}) ${percent(weights[place])}`);
      const layer = `Layer ${Math.floor(head / this.heads) + 1}, head ${(head % this.heads) + 1}`;
      const cut = this.leftOut ? ` The first ${this.leftOut} tokens no longer fit into the context of the model.` : "";
      const words = `${layer}: token ${query + 1}, “${labels[query]}”, looks at ${named.join(", ")}.${cut}`;
      this.words.textContent = words;
      this.announce(words);
    }
  }

  /** @param {string} colour as #rrggbb */
  const toRgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.trim().slice(at, at + 2), 16));

  /** Several models answer the same prompt side by side. */
  class Playground extends ModelElement {
    /** @override */
    build() {
      const update = () => this.update();
      this.prompt = textField("Your prompt", this.getAttribute("prompt") ?? "", update);
      this.choices = choiceSliders(update);
      this.length = slider("Tokens to write", { min: 10, max: 200, step: 10, value: 60 }, () => {});
      this.seed = slider("Seed", { min: 0, max: 99, step: 1, value: 0 }, () => {});
      this.go = el("button", { type: "button", class: "main", click: () => this.generate() }, "Write on");
      this.stop = el("button", { type: "button", disabled: true, click: () => this.update() }, "Stop");
      this.columns = this.loaded.map((loaded) => {
        const bars = el("ol", { class: "bars", "aria-label": `The next token by ${loaded.title}` });
        const hint = el("span", { class: "soft" }, "Nothing written yet; press “Write on”.");
        const text = el("div", { class: "text", dir: "auto" }, hint);
        const section = el(
          "section",
          { "aria-label": loaded.title },
          el("p", { class: "title" }, loaded.title),
          el("p", { class: "soft" }, "Next token:"),
          bars,
          text,
        );
        return { loaded, reader: loaded.model.startReading(), bars, text, section };
      });
      this.attentive = this.columns.find(({ reader }) => reader.weights);
      this.attention = this.attentive && new AttentionView(this.attentive.loaded, (words) => this.announce(words));
      return [
        el(
          "div",
          { class: "controls" },
          this.prompt.element,
          ...this.choices.elements,
          this.length.element,
          this.seed.element,
          this.go,
          this.stop,
        ),
        el("div", { class: "columns" }, ...this.columns.map(({ section }) => section)),
        ...(this.attention ? [this.attention.element] : []),
      ];
    }

    /** Read the prompt, and show what each model expects next. @override */
    update() {
      return this.ask(async (isCurrent) => {
        this.isWriting(false);
        const guesses = [];
        for (const { loaded, reader, bars } of this.columns ?? []) {
          if (!(await readOn(reader, idsOf(loaded, this.prompt?.value ?? ""), isCurrent))) return;
          const { ids, probabilities } = LMEngine.distribution(scoresOf(reader, loaded), this.choices?.choice);
          const rows = Array.from(ids.subarray(0, 6), (id, place) => ({
            name: loaded.tokenizer.label(id),
            share: probabilities[place],
          }));
          paintBars(bars, rows);
          guesses.push(`${loaded.title}: ${rows[0].name}, ${percent(rows[0].share)}`);
        }
        if (this.attention && this.attentive) await this.attention.show(this.attentive.reader, isCurrent);
        this.announce(`Next token by ${guesses.join("; by ")}.`);
      });
    }

    /** @override */
    repaint() {
      this.attention?.paint(() => true);
    }

    /** Let all models write on, a token of each in turn. */
    generate() {
      this.prompt?.settle();
      const prompt = this.prompt?.value ?? "";
      return this.ask(async (isCurrent) => {
        this.isWriting(true);
        const choice = this.choices?.choice;
        const writers = (this.columns ?? []).map((column) => ({
          ...column,
          ids: idsOf(column.loaded, prompt),
          written: /** @type {number[]} */ ([]),
          random: LMEngine.randomNumbers(this.seed?.value ?? 0),
          done: false,
        }));
        const paint = () => {
          for (const { text, loaded, written, done } of writers) {
            const end = done && written.length < (this.length?.value ?? 0) ? " ■" : "";
            text.replaceChildren(el("span", { class: "soft" }, prompt), loaded.tokenizer.decode(written) + end);
          }
        };
        const step = (/** @type {typeof writers[0]} */ writer) => {
          const { reader, loaded, ids, written, random } = writer;
          reader.goTo(ids);
          if (reader.pending) reader.advance();
          if (reader.pending) return;
          const id = LMEngine.draw(LMEngine.distribution(scoresOf(reader, loaded), choice), random);
          writer.done = id === loaded.config.eos_id || written.length + 1 >= (this.length?.value ?? 0);
          if (id === loaded.config.eos_id) return;
          written.push(id);
          ids.push(id);
        };
        const finished = await inSlices(
          () => {
            for (const writer of writers) if (!writer.done) step(writer);
            return writers.some(({ done }) => !done);
          },
          isCurrent,
          paint,
        );
        if (!finished) return;
        this.isWriting(false);
        this.announce(
          writers.map(({ loaded, written }) => `${loaded.title} wrote ${written.length} tokens`).join("; "),
        );
      });
    }

    /** @param {boolean} busy */
    isWriting(busy) {
      this.toggleAttribute("writing", busy);
      if (!busy && this.shadowRoot?.activeElement === this.stop) this.go.focus(); // a disabled button loses it
      this.stop.disabled = !busy;
      for (const { text } of this.columns ?? []) text.setAttribute("aria-busy", String(busy));
    }
  }

  /** @param {string} name @param {CustomElementConstructor} element */
  function define(name, element) {
    if (!customElements.get(name)) customElements.define(name, element);
  }

  const parts = {
    AttentionView,
    ModelElement,
    choiceSliders,
    define,
    el,
    idsOf,
    newId,
    paintBars,
    pause,
    readOn,
    scoresOf,
    textField,
  };
  define("lm-playground", Playground);
  return parts;
})();
