/**
 * @file Smaller elements, each of which answers one question of a chapter with the models of the book. They are made of
 * the parts in component.js.
 */

(() => {
  "use strict";

  const {
    AttentionView,
    ModelElement,
    choiceSliders,
    define,
    el,
    idsOf,
    newId,
    paintBars,
    readOn,
    scoresOf,
    textField,
  } = LMPage;

  /** @param {number} number */
  const grouped = (number) => number.toLocaleString("en");

  /** <lm-attention>: which head looks where? One transformer. */
  class AttentionExplorer extends ModelElement {
    /** @override */
    build() {
      this.reader = this.one.model.startReading();
      this.prompt = textField("A text", this.getAttribute("prompt") ?? "", () => this.update());
      this.attention = new AttentionView(this.one, (words) => this.announce(words));
      return [el("div", { class: "controls" }, this.prompt.element), this.attention.element];
    }

    /** @override */
    update() {
      return this.ask(async (isCurrent) => {
        const ids = idsOf(this.one, this.prompt?.value ?? "");
        if (await readOn(this.reader, ids, isCurrent)) await this.attention?.show(this.reader, isCurrent);
      });
    }

    /** @override */
    repaint() {
      this.attention?.paint(() => true);
    }
  }

  /** <lm-distribution>: what do temperature, top-k and top-p do to the distribution? One model. */
  class DistributionExplorer extends ModelElement {
    /** @override */
    build() {
      this.reader = this.one.model.startReading();
      this.prompt = textField("A text", this.getAttribute("prompt") ?? "", () => this.update());
      this.choices = choiceSliders(() => this.paint());
      this.bars = el("ol", { class: "bars", "aria-label": "The likeliest next tokens" });
      this.words = el("p");
      return [
        el("div", { class: "controls" }, this.prompt.element, ...this.choices.elements),
        el(
          "p",
          { class: "soft" },
          "The 16 likeliest next tokens. The outline is the probability that the model gives, the bar and the number " +
            "what a token is drawn with. A name that is struck through was cut.",
        ),
        this.bars,
        this.words,
      ];
    }

    /** @override */
    update() {
      return this.ask(async (isCurrent) => {
        if (!(await readOn(this.reader, idsOf(this.one, this.prompt?.value ?? ""), isCurrent))) return;
        this.scores = scoresOf(this.reader, this.one);
        this.given = LMEngine.distribution(this.scores);
        this.paint();
      });
    }

    paint() {
      const before = this.given;
      if (!this.scores || !before) return;
      const after = LMEngine.distribution(this.scores, this.choices?.choice);
      const rows = Array.from(before.ids.subarray(0, 16), (id, place) => ({
        name: this.one.tokenizer.label(id),
        share: after.probabilities[place] ?? 0, // no setting changes the order
        of: before.probabilities[place],
        faded: place >= after.ids.length,
      }));
      paintBars(this.bars, rows);
      const [was, is] = [before, after].map(({ probabilities }) => entropy(probabilities).toFixed(2));
      this.words.textContent =
        `${grouped(after.ids.length)} of ${grouped(before.ids.length)} tokens can be drawn. ` +
        `The entropy is ${is} bits; as the model gives it, ${was} bits.`;
      this.announce(this.words.textContent);
    }
  }

  /** In bits. @param {Float64Array} probabilities */
  function entropy(probabilities) {
    return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
  }

  /** <lm-gates>: which gate is open? One LSTM. */
  class GateExplorer extends ModelElement {
    /** @override */
    build() {
      this.reader = this.one.model.startReading();
      this.reader.keepsGates = true;
      this.prompt = textField("A text", this.getAttribute("prompt") ?? "", () => this.update());
      const id = newId();
      this.unit = el("select", { id, change: () => this.paint() });
      this.table = el("table", {});
      return [
        el(
          "div",
          { class: "controls" },
          this.prompt.element,
          el("div", { class: "control" }, el("label", { for: id }, "Unit of the state"), this.unit),
        ),
        el(
          "p",
          { class: "soft" },
          "A gate is open at 1 and shut at 0. The units are in the order of their forget gates on this text, those that " +
            "keep their cell longest first.",
        ),
        el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Gates at each token" }, this.table),
      ];
    }

    /** @override */
    update() {
      return this.ask(async (isCurrent) => {
        const ids = idsOf(this.one, this.prompt?.value ?? "").slice(0, 61);
        if (!(await readOn(this.reader, ids, isCurrent))) return;
        this.labels = ids.map((id) => this.one.tokenizer.label(id));
        this.listUnits();
        this.paint();
      });
    }

    /** For each token the state of the first layer. @returns {LayerState[]} */
    get states() {
      return this.reader.states.map((/** @type {LayerState[]} */ layers) => layers[0]);
    }

    listUnits() {
      const size = this.one.config.hidden_size;
      const kept = Array.from({ length: size }, (_, unit) =>
        mean(this.states.map((state) => state.gates[size + unit])),
      );
      const order = Array.from(kept.keys()).sort((one, other) => kept[other] - kept[one]);
      const chosen = this.unit.value;
      this.unit.replaceChildren(
        el("option", { value: "all" }, `mean of all ${size} units`),
        ...order.map((unit) =>
          el("option", { value: unit }, `unit ${unit + 1}: forget gate ${kept[unit].toFixed(2)} on average`),
        ),
      );
      this.unit.value = chosen || (this.getAttribute("unit") ?? "all");
    }

    paint() {
      const size = this.one.config.hidden_size;
      const units =
        this.unit.value === "all" ? Array.from({ length: size }, (_, unit) => unit) : [Number(this.unit.value)];
      const row = (
        /** @type {string} */ name,
        /** @type {(state: LayerState, unit: number) => number} */ valueOf,
        isGate = true,
      ) => {
        const cells = this.states.map((state) => {
          const value = mean(units.map((unit) => valueOf(state, unit)));
          const cell = el("td", { class: "cell" }, value.toFixed(2));
          cell.style.setProperty("--weight", String(isGate ? value : Math.min(1, Math.abs(value))));
          return cell;
        });
        return el("tr", {}, el("th", { scope: "row" }, name), ...cells);
      };
      const heads = (this.labels ?? []).map((label) => el("th", { scope: "col" }, label));
      this.table.replaceChildren(
        el("thead", {}, el("tr", {}, el("td", {}), ...heads)),
        el(
          "tbody",
          {},
          row("forget gate", (state, unit) => state.gates[size + unit]),
          row("input gate", (state, unit) => state.gates[unit]),
          row("output gate", (state, unit) => state.gates[3 * size + unit]),
          row(
            units.length > 1 ? "size of the cell" : "cell",
            (state, unit) => (units.length > 1 ? Math.abs(state.cell[unit]) : state.cell[unit]),
            false,
          ),
        ),
      );
    }
  }

  /** @param {number[]} numbers */
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

  /** <lm-contexts>: what does a context of one to eight words predict? One text, cut into words. */
  class ContextExplorer extends ModelElement {
    /** @override */
    build() {
      this.text = this.one.tensors.get("tokens")?.data;
      this.prompt = textField("Words in front", this.getAttribute("prompt") ?? "", () => this.update());
      this.body = el("tbody", {});
      const heads = ["Context of", "which is", "seen", "what came next, and how often"];
      const head = el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name))));
      return [
        el("div", { class: "controls" }, this.prompt.element),
        el("table", { class: "stacked" }, head, this.body),
      ];
    }

    /** @override */
    update() {
      return this.ask(async () => this.look());
    }

    /** Walk through the text for what was typed. */
    look() {
      const { tokenizer, config } = this.one;
      const ids = tokenizer.encode(this.prompt?.value ?? "").slice(-config.longest);
      const found = continuations(this.text, ids);
      const rows = found.map((next, place) => {
        const length = place + 1;
        const context = tokenizer.decode(ids.slice(-length));
        const seen = Array.from(next.values()).reduce((sum, count) => sum + count, 0);
        const likeliest = Array.from(next).sort((one, other) => other[1] - one[1] || one[0] - other[0]);
        const shown = likeliest.slice(0, 5).map(([id, count]) => `${tokenizer.label(id)} ${grouped(count)}`);
        const more = likeliest.length - shown.length;
        if (more > 0) shown.push(`and ${grouped(more)} other words`);
        return el(
          "tr",
          {},
          el("th", { scope: "row" }, length === 1 ? "1 word" : `${length} words`),
          el("td", {}, context),
          el("td", { class: "number" }, seen > 1 ? `${grouped(seen)} times` : ["never", "once"][seen]),
          el("td", {}, seen ? shown.join(" · ") : "the text says nothing"),
        );
      });
      this.body.replaceChildren(...rows);
      const longest = found.findLastIndex((next) => next.size > 0) + 1;
      this.announce(`The longest context that the text has: ${longest === 1 ? "1 word" : `${longest} words`}.`);
    }
  }

  /**
   * What came after the last 1, 2, … of some tokens, and how often: one walk through the whole text.
   * @param {ArrayLike<number>} text @param {number[]} context
   * @returns {Map<number, number>[]} one for each length
   */
  function continuations(text, context) {
    const found = context.map(() => new Map());
    const last = context[context.length - 1];
    for (let place = 0; place + 1 < text.length; place++) {
      if (text[place] !== last) continue;
      for (
        let length = 1;
        length <= context.length && text[place - length + 1] === context[context.length - length];
        length++
      ) {
        const next = found[length - 1];
        next.set(text[place + 1], (next.get(text[place + 1]) ?? 0) + 1);
      }
    }
    return found;
  }

  /** <lm-tokens>: how do tokenizers cut a text, and at what price? Any number of tokenizers. */
  class TokenExplorer extends ModelElement {
    /** @override */
    build() {
      this.prompt = textField("A text in any language", this.getAttribute("prompt") ?? "", () => this.update(), 3);
      this.rows = this.loaded.map(({ title, tokenizer }) => {
        const pieces = el("div", { class: "tokens" });
        const words = el("p", { class: "soft" });
        return { title, tokenizer, pieces, words };
      });
      return [
        el("div", { class: "controls" }, this.prompt.element),
        ...this.rows.map(({ title, pieces, words }) =>
          el("section", { "aria-label": title }, el("p", { class: "title" }, title), pieces, words),
        ),
      ];
    }

    /** @override */
    update() {
      return this.ask(async () => this.cut());
    }

    /** Cut what was typed with each tokenizer. */
    cut() {
      const text = this.prompt?.value ?? "";
      const bytes = new TextEncoder().encode(text).length;
      const said = (this.rows ?? []).map(({ title, tokenizer, pieces, words }) => {
        const ids = tokenizer.encode(text);
        const chips = ids.slice(0, 400).map((id, place) => {
          const chip = el(
            "span",
            { class: place % 2 ? "odd" : "even", title: `id ${id}` },
            tokenizer.label(id),
            el("sub", {}, String(id)),
          );
          return chip;
        });
        pieces.replaceChildren(...chips, ids.length > 400 ? `… and ${ids.length - 400} more` : "");
        const unknown = ids.filter((id) => id === /** @type {any} */ (tokenizer).unknown).length;
        const rate = ids.length ? `, ${(bytes / ids.length).toFixed(2)} bytes per token` : "";
        words.textContent =
          `${grouped(ids.length)} tokens for ${grouped(bytes)} bytes${rate}` +
          (unknown ? `; ${unknown} unknown, and lost` : "");
        return `${title}: ${ids.length} tokens`;
      });
      this.announce(said.join("; "));
    }
  }

  const SVG = "http://www.w3.org/2000/svg";

  /** @param {string} tag @param {Record<string, any>} attributes @param {...(Node | string)} children @returns {any} */
  function svg(tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    element.append(...children);
    return element;
  }

  /** <lm-word-map>: which words lie near a word, on a map and in all dimensions? */
  class WordMap extends ModelElement {
    /** @override */
    build() {
      const [{ config, tensors }] = this.loaded;
      /** @type {string[]} */
      const names = config.words;
      this.names = names;
      this.places = tensors.get("places")?.data;
      this.vectors = tensors.get("vectors");
      const id = newId();
      const list = newId();
      this.field = el("input", {
        type: "search",
        id,
        list,
        autocomplete: "off",
        spellcheck: "false",
        input: () => this.update(),
      });
      this.field.value = this.getAttribute("prompt") ?? "";
      this.map = svg("svg", { viewBox: "-5 -5 310 310", role: "img" });
      this.bars = el("ol", { class: "bars" });
      this.words = el("p");
      const options = names.map((name) => el("option", { value: name }));
      const dots = names.map((_, place) => {
        const [x, y] = this.at(place);
        return svg("circle", { cx: x, cy: y, r: 1.3, fill: "currentColor", "fill-opacity": 0.35 });
      });
      this.marked = svg("g", {});
      this.map.append(...dots, this.marked);
      return [
        el(
          "div",
          { class: "controls" },
          el(
            "div",
            { class: "control" },
            el("label", { for: id }, "A word"),
            this.field,
            el("datalist", { id: list }, ...options),
          ),
        ),
        this.words,
        el(
          "div",
          { class: "columns" },
          el("section", {}, this.map),
          el("section", {}, el("p", { class: "title" }, "Nearest by cosine, in all dimensions"), this.bars),
        ),
      ];
    }

    /** Where a word stands in the picture. @param {number} place */
    at(place) {
      return [300 * this.places[2 * place], 300 * (1 - this.places[2 * place + 1])];
    }

    /** @override */
    update() {
      return this.ask(async () => this.find());
    }

    /** Find the word that was typed, and those near it. */
    find() {
      const wanted = this.field.value.trim();
      const names = /** @type {string[]} */ (this.names);
      const found = [wanted, wanted.toLowerCase()].map((word) => names.indexOf(word)).find((place) => place >= 0) ?? -1;
      if (found < 0) {
        this.words.textContent = wanted
          ? `“${wanted}” is not among the ${grouped(names.length)} words of this map.`
          : `Type one of the ${grouped(names.length)} words of this map.`;
        this.mark([]);
        paintBars(this.bars, []);
        this.say();
        return;
      }
      const near = this.nearest(found).slice(0, 10);
      paintBars(
        this.bars,
        near.map(([place, cosine]) => ({ name: names[place], share: Math.max(0, cosine), text: cosine.toFixed(2) })),
      );
      this.mark([found, ...near.map(([place]) => place)]);
      const listed = near.slice(0, 5).map(([place]) => names[place]);
      this.words.textContent = `Nearest to “${names[found]}”: ${listed.join(", ")}.`;
      this.say();
    }

    /** Tell what was found to those who do not see the map. */
    say() {
      const words = this.words.textContent;
      this.map.setAttribute("aria-label", `Map of ${grouped((this.names ?? []).length)} words. ${words}`);
      this.announce(words);
    }

    /** @param {number} word @returns {[number, number][]} places and cosines of all other words, the nearest first */
    nearest(word) {
      const { shape, data } = /** @type {{ shape: number[], data: Float32Array }} */ (this.vectors);
      const size = shape[1];
      const row = (/** @type {number} */ place) => data.subarray(place * size, (place + 1) * size);
      const product = (/** @type {Float32Array} */ one, /** @type {Float32Array} */ other) =>
        one.reduce((sum, x, i) => sum + x * other[i], 0);
      const length = (/** @type {Float32Array} */ one) => Math.sqrt(product(one, one)) || 1;
      const here = row(word);
      return Array.from(
        { length: shape[0] },
        (_, place) =>
          /** @type {[number, number]} */ ([place, product(here, row(place)) / length(here) / length(row(place))]),
      )
        .filter(([place]) => place !== word)
        .sort((one, other) => other[1] - one[1]);
    }

    /**
     * Name some words on the map, the first in bold. A name stands where it covers none that was placed before it, or
     * is left out; its dot is there all the same.
     * @param {number[]} places
     */
    mark(places) {
      /** @type {number[][]} left, top, right and bottom of the names placed so far */
      const taken = [];
      const marks = places.flatMap((place, rank) => {
        const [x, y] = this.at(place);
        const name = this.names?.[place] ?? "";
        const dot = svg("circle", { cx: x, cy: y, r: rank ? 3 : 5, fill: "currentColor" });
        const width = 7.5 * name.length;
        const spots = [0, -12, 12, -24, 24].flatMap((up) => [
          [x + 6, y + up],
          [x - 6 - width, y + up],
        ]);
        const free = spots.find(
          ([left, middle]) =>
            left >= -5 &&
            left + width <= 305 &&
            taken.every(([l, t, r, b]) => left > r || left + width < l || middle - 6 > b || middle + 6 < t),
        );
        if (!free) return [dot];
        const [left, middle] = free;
        taken.push([left, middle - 6, left + width, middle + 6]);
        const text = svg("text", { x: left, y: middle + 4, "font-weight": rank ? 400 : 700 }, name);
        return [dot, text];
      });
      this.marked.replaceChildren(...marks);
    }
  }

  define("lm-attention", AttentionExplorer);
  define("lm-distribution", DistributionExplorer);
  define("lm-gates", GateExplorer);
  define("lm-contexts", ContextExplorer);
  define("lm-tokens", TokenExplorer);
  define("lm-word-map", WordMap);
})();
