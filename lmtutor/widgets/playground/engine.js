/**
 * @file Runs the models of lmtutor: forward passes, a cache of keys and values, and the choice of the next token. It
 * knows nothing of pages.
 *
 * A classic script and no module, as all of these; all it brings is `LMEngine`. Each model computes what the Python
 * class of its name computes, and the tests hold the two against each other.
 *
 * Left out: training, batches, and BERT, which is no language model.
 *
 * Letters in the shapes: T positions, V vocabulary, E hidden size, H heads, G pairs of keys and values, D size of a
 * head, N n-grams of an order.
 */

/**
 * @typedef {Float32Array | Float64Array} Numbers
 * @typedef {{ temperature?: number, topK?: number, topP?: number }} Choice
 * @typedef {{ ids: Uint32Array, probabilities: Float64Array }} Distribution
 *   Tokens from the likeliest down, and their probabilities; what was cut is not there.
 * @typedef {{ hidden: Float32Array, cell: Float32Array, gates: Float32Array }} LayerState
 *   One layer of a recurrent network after a token. `gates` are the gates as they were applied, (4 H) for an LSTM:
 *   input, forget, candidate, output.
 */

// eslint-disable-next-line no-var -- a page may load this script twice, once for each notebook cell
var LMEngine = (() => {
  "use strict";

  const { ModelFileError, expected } = LMModelFile;

  // --- arithmetic

  /**
   * out = matrix · x + bias
   * @param {Numbers} matrix (rows, columns)
   * @param {Numbers} x (columns)
   * @param {Numbers} out (rows)
   * @param {Numbers | null} [bias] (rows)
   */
  function multiply(matrix, x, out, bias = null) {
    const rows = out.length;
    const columns = x.length;
    let row = 0;
    // Four rows at once: four sums that do not wait for one another, and each number of x is fetched once for them.
    for (; row + 3 < rows; row += 4) {
      const first = row * columns;
      const second = first + columns;
      const third = second + columns;
      const fourth = third + columns;
      let one = 0;
      let two = 0;
      let three = 0;
      let four = 0;
      for (let column = 0; column < columns; column++) {
        const value = x[column];
        one += matrix[first + column] * value;
        two += matrix[second + column] * value;
        three += matrix[third + column] * value;
        four += matrix[fourth + column] * value;
      }
      out[row] = one;
      out[row + 1] = two;
      out[row + 2] = three;
      out[row + 3] = four;
    }
    for (; row < rows; row++) {
      let sum = 0;
      for (let column = 0; column < columns; column++) sum += matrix[row * columns + column] * x[column];
      out[row] = sum;
    }
    if (bias) add(out, bias);
  }

  /** @param {Numbers} sum @param {Numbers} x */
  function add(sum, x) {
    for (let place = 0; place < sum.length; place++) sum[place] += x[place];
  }

  /**
   * Layer normalization, or without a bias normalization by the root mean square.
   * @param {Numbers} x
   * @param {Numbers} out
   * @param {{ weight: Numbers, bias: Numbers | null, epsilon: number }} norm
   * @param {number} [from] where to begin in both; as many numbers as the norm has weights
   */
  function normalize(x, out, { weight, bias, epsilon }, from = 0) {
    const size = weight.length;
    let mean = 0;
    if (bias) {
      for (let place = 0; place < size; place++) mean += x[from + place];
      mean /= size;
    }
    let square = 0;
    for (let place = 0; place < size; place++) square += (x[from + place] - mean) ** 2;
    const scale = 1 / Math.sqrt(square / size + epsilon);
    for (let place = 0; place < size; place++) {
      out[from + place] = (x[from + place] - mean) * scale * weight[place] + (bias ? bias[place] : 0);
    }
  }

  /** @param {number} x */
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  /** @type {Record<string, (x: number) => number>} */
  const ACTIVATIONS = {
    gelu_tanh: (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))) / 2,
    relu_squared: (x) => Math.max(x, 0) ** 2,
    silu: (x) => x * sigmoid(x),
  };

  // --- reading

  /**
   * A text that a model reads on, token by token. A change at its end leaves what stands before it as it was read,
   * and work can be done in small pieces: `goTo` says what is to be read, `advance` reads one token of it.
   */
  class Reader {
    /** @param {number | null} contextLength the most tokens that the model sees; null: no limit */
    constructor(contextLength) {
      this.contextLength = contextLength;
      /** What has been read of the window. @type {number[]} */
      this.done = [];
      /** What is to be read. @type {number[]} */
      this.window = [];
      /** Where the window begins in the whole text. */
      this.start = 0;
    }

    /** How many tokens are still to be read. */
    get pending() {
      return this.window.length - this.done.length;
    }

    /**
     * Where the window of a text of this many tokens begins. A text that fills the context goes on with its newer
     * half, as in Python.
     * @param {number} length
     */
    startOf(length) {
      if (this.contextLength === null || length <= this.contextLength) return 0;
      const half = Math.max(1, Math.floor(this.contextLength / 2));
      return Math.ceil((length - this.contextLength) / half) * half;
    }

    /** @param {ArrayLike<number>} ids the whole text, begin mark included; one token at least */
    goTo(ids) {
      const start = this.startOf(ids.length);
      const window = Array.from(ids).slice(start);
      // Positions count within the window, so it does not matter where in the text it begins.
      let same = 0;
      while (same < Math.min(this.done.length, window.length) && this.done[same] === window[same]) same++;
      // Scores are there for the last token that was read alone.
      if (same === window.length && same < this.done.length) same--;
      this.start = start;
      this.window = window;
      if (same < this.done.length) {
        this.done.length = same;
        this.rewind(same);
      }
    }

    /** Read one token. */
    advance() {
      this.read(this.window[this.done.length], this.done.length);
      this.done.push(this.window[this.done.length]);
    }

    /** Read all that is to be read, and score what comes next. @param {ArrayLike<number>} ids @returns {Numbers} */
    scoresAfter(ids) {
      this.goTo(ids);
      while (this.pending) this.advance();
      return this.scores();
    }

    /** Forget what came after the first `length` tokens. @param {number} length */
    rewind(length) {} // eslint-disable-line no-unused-vars

    /** @param {number} id @param {number} position in the window */
    read(id, position) {} // eslint-disable-line no-unused-vars

    /** @returns {Numbers} (V) logits of the token after the last one read; log-probabilities from an n-gram model */
    scores() {
      throw new Error("a reader says what comes next");
    }
  }

  // --- n-grams

  /**
   * Counts or back-off probabilities of n-grams. The n-grams that go on from one of an order lie together in the
   * table of the next order, from `firsts[i]` up to `firsts[i + 1]`.
   */
  class NgramModel {
    /** @param {ModelFile} file */
    constructor({ config, tensors }) {
      this.config = config;
      this.vocabSize = config.vocab_size;
      this.backsOff = config.smoothing === "backoff";
      /** @type {{ size: number, tokens: TensorData, values: TensorData, backoffs: TensorData | null, firsts: Uint32Array }[]} */
      this.tables = [];
      let size = this.vocabSize;
      for (let order = 1; order <= config.order; order++) {
        const isLast = order === config.order;
        const ids = order === 1 ? Uint32Array.from({ length: size }, (_, id) => id) : null;
        const tokens = ids ?? expected(tensors, `tokens_${order}`, [size]).data;
        const values = expected(tensors, `${this.backsOff ? "log_probs" : "counts"}_${order}`, [size]).data;
        const backoffs = this.backsOff && !isLast ? expected(tensors, `backoffs_${order}`, [size]).data : null;
        const firsts = new Uint32Array(size + 1);
        if (!isLast) {
          const sizes = expected(tensors, `sizes_${order}`, [size]).data;
          for (let place = 0; place < size; place++) firsts[place + 1] = firsts[place] + sizes[place];
        }
        this.tables.push({ size, tokens, values, backoffs, firsts });
        size = firsts[size];
      }
    }

    /** @returns {Reader} */
    startReading() {
      return new NgramReader(this);
    }

    /**
     * Where the n-gram of these tokens stands in the table of its order; -1 if it was never seen.
     * @param {number[]} ids
     */
    place(ids) {
      let place = ids[0];
      for (let length = 1; length < ids.length && place >= 0; length++) {
        const { tokens } = this.tables[length];
        const { firsts } = this.tables[length - 1];
        let low = firsts[place];
        const end = firsts[place + 1];
        let high = end;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (tokens[middle] < ids[length]) low = middle + 1;
          else high = middle;
        }
        place = low < end && tokens[low] === ids[length] ? low : -1;
      }
      return place;
    }

    /** @param {number[]} context at most order - 1 tokens @returns {Float64Array} (V) log-probabilities */
    logProbs(context) {
      const row = this.backsOff ? this.backoffRow(context) : this.countRow(context);
      row[this.config.bos_id] = -Infinity;
      return row;
    }

    /** @param {number[]} context */
    backoffRow(context) {
      const row = Float64Array.from(this.tables[0].values);
      for (let length = 1; length <= context.length; length++) {
        const place = this.place(context.slice(context.length - length));
        if (place < 0) continue;
        const { backoffs, firsts } = this.tables[length - 1];
        const weight = /** @type {TensorData} */ (backoffs)[place];
        for (let id = 0; id < row.length; id++) row[id] += weight;
        const { tokens, values } = this.tables[length];
        for (let entry = firsts[place]; entry < firsts[place + 1]; entry++) row[tokens[entry]] = values[entry];
      }
      return row;
    }

    /** @param {number[]} context */
    countRow(context) {
      const row = new Float64Array(this.vocabSize);
      const place = context.length ? this.place(context) : 0;
      const { tokens, values } = this.tables[context.length];
      let total = 0;
      if (place >= 0) {
        const first = context.length ? this.tables[context.length - 1].firsts[place] : 0;
        const past = context.length ? this.tables[context.length - 1].firsts[place + 1] : this.vocabSize;
        for (let entry = first; entry < past; entry++) {
          row[tokens[entry]] = values[entry];
          total += values[entry];
        }
      }
      const choices = this.vocabSize - 1;
      const { k } = this.config;
      const all = total + k * choices;
      return row.map((count) => Math.log(all > 0 ? (count + k) / all : 1 / choices));
    }
  }

  class NgramReader extends Reader {
    /** @param {NgramModel} model */
    constructor(model) {
      super(null);
      this.model = model;
    }

    /** @override */
    scores() {
      const longest = this.model.config.order - 1;
      return this.model.logProbs(longest ? this.done.slice(-longest) : []);
    }
  }

  // --- recurrent networks

  /** One layer: what it adds to the state for one token. @type {Record<string, number>} */
  const GATES = { RNNLanguageModel: 1, LSTMLanguageModel: 4, GRULanguageModel: 3 };

  /** RNN, LSTM or GRU with the gates in PyTorch's order. */
  class RecurrentModel {
    /** @param {ModelFile} file */
    constructor({ kind, config, tensors }) {
      this.kind = kind;
      this.config = config;
      this.vocabSize = config.vocab_size;
      const { vocab_size: V, embedding_size: M, hidden_size: H } = config;
      const numbers = (/** @type {string} */ name, /** @type {number[]} */ ...shape) =>
        /** @type {Numbers} */ (expected(tensors, name, shape).data);
      this.embedding = numbers("embedding.weight", V, M);
      const rows = GATES[kind] * H;
      this.layers = Array.from({ length: config.num_layers }, (_, layer) => ({
        input: numbers(`recurrent.weight_ih_l${layer}`, rows, layer ? H : M),
        inputBias: numbers(`recurrent.bias_ih_l${layer}`, rows),
        state: numbers(`recurrent.weight_hh_l${layer}`, rows, H),
        stateBias: numbers(`recurrent.bias_hh_l${layer}`, rows),
      }));
      const last = config.tied ? M : H;
      this.projection = last === H ? null : numbers("projection.weight", last, H);
      this.projectionBias = last === H ? null : numbers("projection.bias", last);
      this.output = config.tied ? this.embedding : numbers("output.weight", V, last);
      this.outputBias = numbers("output.bias", V);
    }

    /** @returns {RecurrentReader} */
    startReading() {
      return new RecurrentReader(this);
    }
  }

  /** Keeps the state after each token, so that a change at the end of a text costs what is new alone. */
  class RecurrentReader extends Reader {
    /** @param {RecurrentModel} model */
    constructor(model) {
      super(null);
      this.model = model;
      /** For each token read, the state of each layer. @type {LayerState[][]} */
      this.states = [];
      /** Whether gates are kept for whoever wants to look at them; they are most of a state. */
      this.keepsGates = false;
    }

    /** @override @param {number} length */
    rewind(length) {
      this.states.length = length;
    }

    /** @override @param {number} id */
    read(id) {
      const { config, embedding, layers, kind } = this.model;
      const before = this.states.at(-1);
      const rows = GATES[kind] * config.hidden_size;
      /** @type {Numbers} */
      let x = embedding.subarray(id * config.embedding_size, (id + 1) * config.embedding_size);
      const after = layers.map((layer, number) => {
        const hidden = before ? before[number].hidden : new Float32Array(config.hidden_size);
        const cell = before ? before[number].cell : new Float32Array(config.hidden_size);
        const fromInput = new Float32Array(rows);
        const fromState = new Float32Array(rows);
        multiply(layer.input, x, fromInput, layer.inputBias);
        multiply(layer.state, hidden, fromState, layer.stateBias);
        const state = STEPS[kind](fromInput, fromState, hidden, cell);
        if (!this.keepsGates) state.gates = new Float32Array(0);
        x = state.hidden;
        return state;
      });
      this.states.push(after);
    }

    /** @override */
    scores() {
      const { projection, projectionBias, output, outputBias, vocabSize } = this.model;
      /** @type {Numbers} */
      let last = this.states[this.states.length - 1].slice(-1)[0].hidden;
      if (projection && projectionBias) {
        const projected = new Float32Array(projectionBias.length);
        multiply(projection, last, projected, projectionBias);
        last = projected;
      }
      const scores = new Float32Array(vocabSize);
      multiply(output, last, scores, outputBias);
      return scores;
    }
  }

  /** @type {Record<string, (fromInput: Float32Array, fromState: Float32Array, hidden: Float32Array, cell: Float32Array) => LayerState>} */
  const STEPS = {
    RNNLanguageModel(fromInput, fromState, hidden, cell) {
      return { hidden: hidden.map((_, i) => Math.tanh(fromInput[i] + fromState[i])), cell, gates: new Float32Array(0) };
    },
    LSTMLanguageModel(fromInput, fromState, hidden, cell) {
      const size = hidden.length;
      const isCandidate = (/** @type {number} */ place) => Math.floor(place / size) === 2;
      const gates = fromInput.map((x, place) => (isCandidate(place) ? Math.tanh : sigmoid)(x + fromState[place]));
      const after = cell.map((c, i) => gates[size + i] * c + gates[i] * gates[2 * size + i]);
      return { hidden: after.map((c, i) => gates[3 * size + i] * Math.tanh(c)), cell: after, gates };
    },
    GRULanguageModel(fromInput, fromState, hidden, cell) {
      const size = hidden.length;
      const gates = new Float32Array(3 * size);
      for (let i = 0; i < 2 * size; i++) gates[i] = sigmoid(fromInput[i] + fromState[i]);
      for (let i = 2 * size; i < 3 * size; i++) gates[i] = Math.tanh(fromInput[i] + gates[i - 2 * size] * fromState[i]);
      const after = hidden.map((h, i) => (1 - gates[size + i]) * gates[2 * size + i] + gates[size + i] * h);
      return { hidden: after, cell, gates };
    },
  };

  // --- transformers

  /** In what the transformers differ besides their sizes. */
  const TRANSFORMERS = {
    GPT: { activation: "gelu_tanh", gated: false, bias: true, rotary: false, normsQueries: false, normsTokens: false },
    ModernGPT: {
      activation: "relu_squared",
      gated: false,
      bias: false,
      rotary: true,
      normsQueries: true,
      normsTokens: true,
    },
    Llama: { activation: "silu", gated: true, bias: false, rotary: true, normsQueries: false, normsTokens: false },
  };

  /** A stack of blocks, each with its norms in front, that never looks ahead. */
  class TransformerModel {
    /** @param {ModelFile} file */
    constructor({ kind, config, tensors }) {
      const parts = TRANSFORMERS[/** @type {keyof TRANSFORMERS} */ (kind)];
      this.parts = parts;
      this.config = config;
      const { vocab_size: V, hidden_size: E, num_heads: H, context_length: T } = config;
      this.vocabSize = V;
      this.contextLength = T;
      this.heads = H;
      this.groups = config.num_key_value_heads ?? H;
      this.headSize = E / H;
      const inner = config.inner_size;
      const epsilon = config.norm_epsilon;
      const numbers = (/** @type {string} */ name, /** @type {number[]} */ ...shape) =>
        /** @type {Numbers} */ (expected(tensors, name, shape).data);
      const linear = (/** @type {string} */ name, /** @type {number} */ rows, /** @type {number} */ columns) => ({
        weight: numbers(`${name}.weight`, rows, columns),
        bias: parts.bias ? numbers(`${name}.bias`, rows) : null,
      });
      const norm = (/** @type {string} */ name, size = E) => ({
        weight: numbers(`${name}.weight`, size),
        bias: parts.bias ? numbers(`${name}.bias`, size) : null,
        epsilon,
      });
      this.embedding = numbers("embedding.weight", V, E);
      this.embeddingNorm = parts.normsTokens ? norm("embedding_norm") : null;
      this.positions = parts.rotary ? null : numbers("positions.table", T, E);
      this.waves = parts.rotary ? waves(T, this.headSize, config.rope_theta) : null;
      const rows = (H + 2 * this.groups) * this.headSize;
      this.blocks = Array.from({ length: config.num_layers }, (_, layer) => {
        const name = `blocks.${layer}`;
        return {
          attentionNorm: norm(`${name}.attention_norm`),
          queryKeyValue: linear(`${name}.attention.query_key_value`, rows, E),
          queryNorm: parts.normsQueries ? norm(`${name}.attention.query_norm`, this.headSize) : null,
          keyNorm: parts.normsQueries ? norm(`${name}.attention.key_norm`, this.headSize) : null,
          mix: linear(`${name}.attention.output`, E, E),
          feedForwardNorm: norm(`${name}.feed_forward_norm`),
          gate: parts.gated ? linear(`${name}.feed_forward.gate`, inner, E) : null,
          inner: linear(`${name}.feed_forward.inner`, inner, E),
          output: linear(`${name}.feed_forward.output`, E, inner),
        };
      });
      this.norm = norm("norm");
      this.output = config.tied ? this.embedding : numbers("output.weight", V, E);
    }

    /** @returns {TransformerReader} */
    startReading() {
      return new TransformerReader(this);
    }
  }

  /**
   * cos and sin of the angles by which rotary positions turn, (T, D / 2) each.
   * @param {number} length @param {number} size @param {number} base
   */
  function waves(length, size, base) {
    const half = size / 2;
    const cos = new Float64Array(length * half);
    const sin = new Float64Array(length * half);
    for (let place = 0; place < cos.length; place++) {
      const angle = Math.floor(place / half) * base ** ((-2 * (place % half)) / size);
      cos[place] = Math.cos(angle);
      sin[place] = Math.sin(angle);
    }
    return { cos, sin };
  }

  /** Keeps keys and values of each position, and where each head looked from there. */
  class TransformerReader extends Reader {
    /** @param {TransformerModel} model */
    constructor(model) {
      super(model.contextLength);
      this.model = model;
      /** For each layer, (T, G D). @type {Float32Array[]} */
      this.keys = model.blocks.map(() => new Float32Array(0));
      /** @type {Float32Array[]} */
      this.values = model.blocks.map(() => new Float32Array(0));
      /** For each position read, layer and head: a weight for each position up to it. @type {Float32Array[][][]} */
      this.weights = [];
      /** After the last norm. */
      this.hidden = new Float32Array(model.config.hidden_size);
    }

    /** @override @param {number} length */
    rewind(length) {
      this.weights.length = length;
    }

    /** Make room for one more position. @param {number} position */
    makeRoom(position) {
      const { groups, headSize, contextLength } = this.model;
      const size = groups * headSize;
      if (this.keys[0].length > position * size) return;
      const room = Math.min(contextLength, Math.max(64, 2 * position)) * size;
      for (const caches of [this.keys, this.values]) {
        caches.forEach((old, layer) => {
          caches[layer] = new Float32Array(room);
          caches[layer].set(old);
        });
      }
    }

    /** @override @param {number} id @param {number} position */
    read(id, position) {
      this.makeRoom(position);
      const { config, embedding, embeddingNorm, positions, blocks, norm } = this.model;
      const size = config.hidden_size;
      const sum = new Float32Array(size);
      sum.set(embedding.subarray(id * size, (id + 1) * size));
      if (positions) add(sum, positions.subarray(position * size, (position + 1) * size));
      if (embeddingNorm) normalize(sum, sum, embeddingNorm);
      const normed = new Float32Array(size);
      /** @type {Float32Array[][]} */
      const looked = [];
      blocks.forEach((block, layer) => {
        normalize(sum, normed, block.attentionNorm);
        looked.push(this.attend(block, layer, normed, position, sum));
        normalize(sum, normed, block.feedForwardNorm);
        this.feedForward(block, normed, sum);
      });
      this.weights.push(looked);
      normalize(sum, this.hidden, norm);
    }

    /**
     * Add to the sum what attention brings to a position; say where its heads looked.
     * @param {TransformerModel["blocks"][0]} block
     * @param {number} layer
     * @param {Float32Array} normed (E)
     * @param {number} position
     * @param {Float32Array} sum (E)
     */
    attend(block, layer, normed, position, sum) {
      const { heads, groups, headSize } = this.model;
      const packed = new Float32Array((heads + 2 * groups) * headSize);
      multiply(block.queryKeyValue.weight, normed, packed, block.queryKeyValue.bias);
      for (let head = 0; head < heads + groups; head++) {
        const headNorm = head < heads ? block.queryNorm : block.keyNorm;
        if (headNorm) normalize(packed, packed, headNorm, head * headSize);
        this.turn(packed, head * headSize, position);
      }
      const stride = groups * headSize;
      const keys = this.keys[layer];
      const values = this.values[layer];
      keys.set(packed.subarray(heads * headSize, (heads + groups) * headSize), position * stride);
      values.set(packed.subarray((heads + groups) * headSize), position * stride);
      const mixed = new Float32Array(heads * headSize);
      const looked = [];
      for (let head = 0; head < heads; head++) {
        const from = head * headSize;
        const group = Math.floor(head / (heads / groups)) * headSize;
        const weights = new Float32Array(position + 1);
        for (let seen = 0; seen <= position; seen++) {
          const at = seen * stride + group;
          let product = 0;
          for (let i = 0; i < headSize; i++) product += packed[from + i] * keys[at + i];
          weights[seen] = product / Math.sqrt(headSize);
        }
        softmax(weights);
        for (let seen = 0; seen <= position; seen++) {
          const at = seen * stride + group;
          const weight = weights[seen];
          for (let i = 0; i < headSize; i++) mixed[from + i] += weight * values[at + i];
        }
        looked.push(weights);
      }
      const output = new Float32Array(sum.length);
      multiply(block.mix.weight, mixed, output, block.mix.bias);
      add(sum, output);
      return looked;
    }

    /** Rotary positions: turn the points (i, i + D / 2) of one head. @param {Float32Array} x @param {number} from @param {number} position */
    turn(x, from, position) {
      const { waves: angles, headSize } = this.model;
      if (!angles) return;
      const half = headSize / 2;
      for (let i = 0; i < half; i++) {
        const cos = angles.cos[position * half + i];
        const sin = angles.sin[position * half + i];
        const one = x[from + i];
        const other = x[from + half + i];
        x[from + i] = one * cos - other * sin;
        x[from + half + i] = one * sin + other * cos;
      }
    }

    /** @param {TransformerModel["blocks"][0]} block @param {Float32Array} normed (E) @param {Float32Array} sum (E) */
    feedForward({ gate, inner, output }, normed, sum) {
      const activation = ACTIVATIONS[this.model.parts.activation];
      const active = new Float32Array(inner.weight.length / normed.length);
      multiply(inner.weight, normed, active, inner.bias);
      if (gate) {
        const gates = new Float32Array(active.length);
        multiply(gate.weight, normed, gates, gate.bias);
        for (let i = 0; i < active.length; i++) active[i] *= activation(gates[i]);
      } else {
        for (let i = 0; i < active.length; i++) active[i] = activation(active[i]);
      }
      const result = new Float32Array(sum.length);
      multiply(output.weight, active, result, output.bias);
      add(sum, result);
    }

    /** @override */
    scores() {
      const scores = new Float32Array(this.model.vocabSize);
      multiply(this.model.output, this.hidden, scores);
      return scores;
    }
  }

  /** In place. @param {Numbers} x */
  function softmax(x) {
    let most = -Infinity;
    for (const value of x) if (value > most) most = value;
    let total = 0;
    for (let place = 0; place < x.length; place++) {
      x[place] = Math.exp(x[place] - most);
      total += x[place];
    }
    for (let place = 0; place < x.length; place++) x[place] /= total;
  }

  const RECURRENT = {
    sizes: ["embedding_size", "hidden_size", "num_layers"],
    build: (/** @type {ModelFile} */ file) => new RecurrentModel(file),
  };
  const TRANSFORMER = {
    sizes: ["context_length", "hidden_size", "num_layers", "num_heads", "inner_size"],
    build: (/** @type {ModelFile} */ file) => new TransformerModel(file),
  };

  /** Which numbers of its configuration each kind of model needs, and how it is built. @type {Record<string, { sizes: string[], build: (file: ModelFile) => any }>} */
  const KINDS = {
    NgramModel: { sizes: ["order"], build: (file) => new NgramModel(file) },
    RNNLanguageModel: RECURRENT,
    LSTMLanguageModel: RECURRENT,
    GRULanguageModel: RECURRENT,
    GPT: TRANSFORMER,
    ModernGPT: TRANSFORMER,
    Llama: TRANSFORMER,
  };

  /** Refuse numbers with which no model can be built. @param {any} config @param {string[]} sizes */
  function checkConfig(config, sizes) {
    const wrong = (/** @type {string} */ what) => {
      throw new ModelFileError(`The configuration of this model cannot be used: ${what}.`);
    };
    if (!config || typeof config !== "object") wrong("there is none");
    for (const name of ["vocab_size", ...sizes]) {
      if (!Number.isInteger(config[name]) || config[name] < 1) wrong(`${name} is ${config[name]}`);
    }
    for (const name of ["bos_id", "eos_id"]) {
      if (!Number.isInteger(config[name]) || !(config[name] >= 0 && config[name] < config.vocab_size)) {
        wrong(`${name} is ${config[name]}, with ${config.vocab_size} tokens`);
      }
    }
    if (!sizes.includes("num_heads")) return;
    const groups = config.num_key_value_heads ?? config.num_heads;
    if (config.hidden_size % config.num_heads || !(groups >= 1) || config.num_heads % groups) {
      wrong(`${config.hidden_size} numbers do not divide into ${config.num_heads} heads and ${groups} keys`);
    }
    if (!Number.isFinite(config.norm_epsilon)) wrong(`norm_epsilon is ${config.norm_epsilon}`);
  }

  /**
   * @param {ModelFile} file
   * @returns {NgramModel | RecurrentModel | TransformerModel}
   * @throws {ModelFileError} there is no such kind of model, or its tensors do not fit its sizes
   */
  function buildModel(file) {
    const kind = Object.hasOwn(KINDS, file.kind) ? KINDS[file.kind] : null;
    if (!kind) throw new ModelFileError(`There is no kind of model named ${file.kind}.`);
    checkConfig(file.config, kind.sizes);
    return kind.build(file);
  }

  // --- choosing a token

  /** Sums of probabilities that differ by less count as equal. */
  const ROUNDING = 1e-9;

  /**
   * What the next token is drawn from: as `lmtutor.decoding.Sample`, temperature, then top-k, then top-p.
   * @param {Numbers} scores (V) logits or log-probabilities
   * @param {Choice} [choice] a temperature of 0 leaves the likeliest token alone
   * @returns {Distribution}
   */
  function distribution(scores, { temperature = 1, topK = Infinity, topP = 1 } = {}) {
    const ids = Uint32Array.from({ length: scores.length }, (_, id) => id);
    const order = ids.sort((one, other) => scores[other] - scores[one] || one - other);
    const most = scores[order[0]];
    let count = Math.min(topK, order.length);
    if (temperature === 0) count = 1;
    while (count > 1 && scores[order[count - 1]] === -Infinity) count--;
    const kept = Float64Array.from(order.subarray(0, count), (id) =>
      Math.exp((scores[id] - most) / (temperature || 1)),
    );
    scaleToOne(kept);
    let needed = 1;
    for (let sum = kept[0]; needed < count && sum < topP - ROUNDING; needed++) sum += kept[needed];
    const probabilities = kept.subarray(0, topP < 1 ? needed : count);
    scaleToOne(probabilities);
    return { ids: order.subarray(0, probabilities.length), probabilities };
  }

  /** In place. @param {Float64Array} x */
  function scaleToOne(x) {
    let total = 0;
    for (const value of x) total += value;
    for (let place = 0; place < x.length; place++) x[place] /= total;
  }

  /**
   * Draw a token.
   * @param {Distribution} from
   * @param {() => number} random
   * @returns {number}
   */
  function draw({ ids, probabilities }, random) {
    let left = random();
    for (let place = 0; place < ids.length - 1; place++) {
      left -= probabilities[place];
      if (left < 0) return ids[place];
    }
    return ids[ids.length - 1];
  }

  /**
   * Random numbers from 0 up to 1, always the same after the same seed: the generator mulberry32 by T. Ettinger, one
   * addition and a few steps of mixing on 32 bits.
   * @param {number} seed
   * @returns {() => number}
   */
  function randomNumbers(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  return { buildModel, distribution, draw, randomNumbers };
})();
