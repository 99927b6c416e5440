/**
 * @file The tokenizers of lmtutor for a page: the same ids as in Python for every text.
 *
 * They are built from what a model file says of its tokenizer. A classic script and no module; all it brings is
 * `LMTokenizers`. Python refuses a text with half a surrogate pair; here it becomes U+FFFD, as on every page.
 *
 * Left out: learning a vocabulary, and WordPiece.
 */

/**
 * @typedef {{
 *   vocabSize: number,
 *   encode: (text: string) => number[],
 *   decode: (ids: ArrayLike<number>) => string,
 *   bytesOf: (id: number) => Uint8Array | null,
 *   label: (id: number) => string,
 * }} PageTokenizer
 *   `bytesOf` gives the UTF-8 bytes of a token, null for marks and what is unknown; `label` what to show for it.
 */

// eslint-disable-next-line no-var -- a page may load this script twice, once for each notebook cell
var LMTokenizers = (() => {
  "use strict";

  const MARKS = ["<s>", "</s>"];
  const ENCODER = new TextEncoder();

  /** @param {string} text */
  const toBytes = (text) => ENCODER.encode(text);

  /** What is no valid UTF-8 becomes U+FFFD; a byte order mark is a character as any other. @param {number[]} bytes */
  const toText = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));

  /** Without halves of surrogate pairs. @param {string} text */
  const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

  /** Spaces, line feeds and what cannot be seen, made visible. @param {string} text */
  function visible(text) {
    return text
      .replace(/ /g, "␣")
      .replace(/\n/g, "⏎")
      .replace(/\t/g, "⇥")
      .replace(/[\p{C}\p{Z}]/gu, (character) => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`);
  }

  /** A token as a person reads it: its text, or its bytes where they are no whole characters. @param {Uint8Array} bytes */
  function readable(bytes) {
    try {
      return visible(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    } catch {
      return Array.from(bytes, (byte) => `‹${byte.toString(16).toUpperCase().padStart(2, "0")}›`).join("");
    }
  }

  /** Tokens that stand for bytes, with marks and special tokens in front. */
  class ByteTokenizer {
    /** @param {string[]} marks @param {Uint8Array[]} pieces the bytes of the ids after the marks */
    constructor(marks, pieces) {
      this.marks = marks;
      this.pieces = pieces;
      this.vocabSize = marks.length + pieces.length;
    }

    /** @param {number} id @returns {Uint8Array | null} */
    bytesOf(id) {
      return id < this.marks.length ? null : this.pieces[id - this.marks.length];
    }

    /** @param {number} id */
    label(id) {
      const bytes = this.bytesOf(id);
      return bytes ? readable(bytes) : this.marks[id];
    }

    /** @param {ArrayLike<number>} ids */
    decode(ids) {
      return toText(Array.from(ids).flatMap((id) => Array.from(this.bytesOf(id) ?? [])));
    }
  }

  /** One id for each known character, and the UTF-8 bytes of the others. */
  class CharacterTokenizer extends ByteTokenizer {
    /** @param {{ characters: string[] }} settings */
    constructor({ characters }) {
      const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
      super(MARKS, [...bytes, ...characters.map(toBytes)]);
      this.firstByte = MARKS.length;
      this.ids = new Map(characters.map((character, place) => [character, this.firstByte + 256 + place]));
    }

    /** @param {string} text @returns {number[]} */
    encode(text) {
      return Array.from(wellFormed(text)).flatMap((character) => {
        const id = this.ids.get(character);
        return id === undefined ? Array.from(toBytes(character), (byte) => this.firstByte + byte) : [id];
      });
    }
  }

  /** The order in which GPT-2 numbers the bytes: those with a visible letter in Latin-1, then the others. */
  const BYTES = (() => {
    const isVisible = (/** @type {number} */ byte) =>
      (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad && byte < 0x100);
    const all = Array.from({ length: 256 }, (_, byte) => byte);
    return [...all.filter(isVisible), ...all.filter((byte) => !isVisible(byte))];
  })();

  /** Byte-pair encoding; pairs are joined within chunks of the text, the earliest learnt first. */
  class BytePairTokenizer extends ByteTokenizer {
    /**
     * @param {{ special_tokens: string[], merges: [number, number][], letters: string, numbers: string, spaces: string }} settings
     *   `letters` and so on are ranges of code points in hexadecimal: what a letter is must not depend on the browser
     */
    constructor({ special_tokens: special, merges, letters, numbers, spaces }) {
      const marks = [...MARKS, ...special];
      const pieces = BYTES.map((byte) => Uint8Array.of(byte));
      const idOf = new Map(pieces.map((piece, place) => [piece.join(), marks.length + place]));
      /** For a pair (left · 2^26 + right) its rank and the id of the two together. @type {Map<number, [number, number]>} */
      const joined = new Map();
      merges.forEach(([left, right], rank) => {
        const piece = Uint8Array.of(...pieces[left - marks.length], ...pieces[right - marks.length]);
        const known = idOf.get(piece.join());
        const id = known ?? marks.length + pieces.length;
        if (known === undefined) {
          idOf.set(piece.join(), id);
          pieces.push(piece);
        }
        joined.set(left * 2 ** 26 + right, [rank, id]);
      });
      super(marks, pieces);
      this.joined = joined;
      this.chunks = chunkPattern(inside(letters), inside(numbers), inside(spaces));
      this.idOfByte = new Map(BYTES.map((byte, place) => [byte, marks.length + place]));
      /** @type {Map<string, number[]>} */
      this.known = new Map();
    }

    /** @param {string} text @returns {number[]} */
    encode(text) {
      return (wellFormed(text).match(this.chunks) ?? []).flatMap((chunk) => this.encodeChunk(chunk));
    }

    /** @param {string} chunk @returns {number[]} */
    encodeChunk(chunk) {
      const known = this.known.get(chunk);
      if (known) return known;
      let ids = Array.from(toBytes(chunk), (byte) => /** @type {number} */ (this.idOfByte.get(byte)));
      for (;;) {
        let lowest = Infinity;
        ids.forEach((id, place) => (lowest = Math.min(lowest, this.rank(id, ids[place + 1]))));
        if (lowest === Infinity) break;
        ids = this.joinAll(ids, lowest);
      }
      if (this.known.size > 20000) this.known.clear();
      this.known.set(chunk, ids);
      return ids;
    }

    /** How early a pair was learnt; Infinity for one that was not. @param {number} left @param {number | undefined} right */
    rank(left, right) {
      return this.joined.get(left * 2 ** 26 + (right ?? -1))?.[0] ?? Infinity;
    }

    /**
     * Join all pairs of a rank, from left to right. Two pairs may spell the same and share an id, so a join can make a
     * pair of a lower rank, which has to be joined first: then the rest is left for the next round.
     * @param {number[]} ids @param {number} lowest
     */
    joinAll(ids, lowest) {
      /** @type {number[]} */
      const result = [];
      for (let place = 0; place < ids.length; place++) {
        if (this.rank(ids[place], ids[place + 1]) !== lowest) {
          result.push(ids[place]);
          continue;
        }
        const [, id] = /** @type {[number, number]} */ (this.joined.get(ids[place] * 2 ** 26 + ids[place + 1]));
        const before = result[result.length - 1];
        result.push(id);
        place++;
        const made = Math.min(this.rank(before, id), this.rank(id, ids[place + 1]));
        if (made < lowest) return [...result, ...ids.slice(place + 1)];
      }
      return result;
    }
  }

  /** Ranges such as "41-5A AA" as they stand in a class of a regular expression. @param {string} ranges */
  function inside(ranges) {
    return ranges
      .trim()
      .split(/\s+/)
      .map((range) => range.replace(/[0-9A-F]+/g, (code) => `\\u{${code}}`))
      .join("");
  }

  /** The pattern of splitting.py. @param {string} letters @param {string} numbers @param {string} spaces */
  function chunkPattern(letters, numbers, spaces) {
    const parts = [
      "'(?:[sdmt]|ll|ve|re)",
      ` ?[${letters}]+`,
      ` ?[${numbers}]+`,
      ` ?[^${spaces}${letters}${numbers}]+`,
      `[${spaces}]+(?![^${spaces}])`,
      `[${spaces}]+`,
    ];
    return new RegExp(parts.join("|"), "gu");
  }

  // What Python's \s stands for; JavaScript's own differs.
  const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
  const WORD = new RegExp(`[A-Za-z]+(?:['-][A-Za-z]+)*|[^${SPACES}A-Za-z]`, "gu");

  /** Words and punctuation marks; what is unknown is `<unk>`. */
  class WordTokenizer {
    /** @param {{ tokens: string[] }} settings all tokens, marks and `<unk>` in front */
    constructor({ tokens }) {
      this.tokens = tokens;
      this.vocabSize = tokens.length;
      this.unknown = 2;
      this.ids = new Map(tokens.map((token, id) => [token, id]));
    }

    /** @param {string} text @returns {string[]} the tokens, known or not */
    split(text) {
      return wellFormed(text).match(WORD) ?? [];
    }

    /** @param {string} text @returns {number[]} */
    encode(text) {
      return this.split(text).map((token) => this.ids.get(token) ?? this.unknown);
    }

    /** @param {number} id @returns {Uint8Array | null} */
    bytesOf(id) {
      return id <= this.unknown ? null : toBytes(this.tokens[id]);
    }

    /** @param {number} id */
    label(id) {
      return id <= this.unknown ? this.tokens[id] : visible(this.tokens[id]);
    }

    /** @param {ArrayLike<number>} ids */
    decode(ids) {
      let text = "";
      for (const id of Array.from(ids)) {
        if (id < MARKS.length) continue;
        const token = this.tokens[id];
        const isGlued = !text || ".,;:!?)".includes(token) || text.endsWith("(");
        text += isGlued ? token : ` ${token}`;
      }
      return text;
    }
  }

  /** @type {Record<string, new (settings: any) => PageTokenizer>} */
  const KINDS = { character: CharacterTokenizer, "byte-pair": BytePairTokenizer, word: WordTokenizer };

  /**
   * @param {any} settings the `tokenizer` of a model file
   * @returns {PageTokenizer}
   */
  function build(settings) {
    const Kind = Object.hasOwn(KINDS, settings?.kind) ? KINDS[settings.kind] : null;
    if (!Kind) throw new LMModelFile.ModelFileError(`There is no kind of tokenizer named ${settings?.kind}.`);
    return new Kind(settings);
  }

  return { build };
})();
