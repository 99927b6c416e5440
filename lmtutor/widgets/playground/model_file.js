/**
 * @file Reads the model files of lmtutor, whose format is described in model_file.py, which writes them.
 *
 * A classic script and no module, since a browser loads no modules from a folder (file://). All it brings is
 * `LMModelFile`.
 */

/**
 * @typedef {Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array} TensorData
 * @typedef {{ shape: number[], data: TensorData }} Tensor
 * @typedef {Map<string, Tensor>} Tensors
 * @typedef {{ kind: string, title: string, config: any, tokenizer: any, tensors: Tensors }} ModelFile
 */

// eslint-disable-next-line no-var -- a page may load this script twice, once for each notebook cell
var LMModelFile = (() => {
  "use strict";

  const MAGIC = 0x46544d4c; // "LMTF", read as a little-endian number
  const VERSION = 1;
  const HEADER_AT = 16;

  /** A model file that cannot be used; the message is for the reader of the page. */
  class ModelFileError extends Error {}

  /** How many bytes a number of each type takes in a file. @type {Record<string, number>} */
  const BYTES = { float32: 4, float16: 2, int8: 1, uint8: 1, uint16: 2, uint32: 4, steps8: 1, steps16: 2 };

  /** @param {string} text in base64 @returns {Uint8Array} */
  function fromBase64(text) {
    let characters;
    try {
      characters = atob(text);
    } catch {
      throw new ModelFileError("This model file is not written in base64; load the page again.");
    }
    const bytes = new Uint8Array(characters.length);
    for (let place = 0; place < bytes.length; place++) bytes[place] = characters.charCodeAt(place);
    return bytes;
  }

  const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });

  /** CRC-32 as in zlib. @param {Uint8Array} bytes */
  function crc32(bytes) {
    let value = 0xffffffff;
    for (let place = 0; place < bytes.length; place++) {
      value = (value >>> 8) ^ CRC_TABLE[(value ^ bytes[place]) & 255];
    }
    return (value ^ 0xffffffff) >>> 0;
  }

  /**
   * @param {Uint8Array} bytes a whole model file
   * @returns {ModelFile}
   * @throws {ModelFileError} it is none, is cut short or changed, or of another version
   */
  function readModelFile(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_AT || view.getUint32(0, true) !== MAGIC) {
      throw new ModelFileError("This is no model file of lmtutor.");
    }
    const version = view.getUint32(4, true);
    if (version !== VERSION) {
      throw new ModelFileError(
        `This model file is of version ${version}, and this page reads version ${VERSION}; export the model again.`,
      );
    }
    if (crc32(bytes.subarray(12)) !== view.getUint32(8, true)) {
      throw new ModelFileError("This model file is cut short or was changed (wrong checksum); export the model again.");
    }
    const headerEnd = HEADER_AT + view.getUint32(12, true);
    let header;
    try {
      header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(HEADER_AT, headerEnd)));
    } catch {
      throw new ModelFileError("The header of this model file cannot be read; export the model again.");
    }
    if (!header || typeof header !== "object" || !Array.isArray(header.tensors)) {
      throw new ModelFileError("The header of this model file lists no tensors; export the model again.");
    }
    const content = bytes.subarray(Math.ceil(headerEnd / 8) * 8);
    /** @type {Tensors} */
    const tensors = new Map();
    for (const entry of header.tensors) tensors.set(entry.name, readTensor(entry, content));
    applyFactors(tensors, header.tensors);
    return { ...header, tensors };
  }

  /**
   * @param {{ name: string, dtype: string, shape: number[], offset: number, low?: number, step?: number }} entry
   * @param {Uint8Array} content
   * @returns {Tensor}
   */
  function readTensor({ name, dtype, shape, offset, low = 0, step = 0 }, content) {
    const isPlace = (/** @type {unknown} */ value) => Number.isInteger(value) && Number(value) >= 0;
    if (typeof name !== "string" || !Object.hasOwn(BYTES, dtype) || !Array.isArray(shape) || !shape.every(isPlace)) {
      throw new ModelFileError(
        `A tensor of this model file is described as ${name}, ${dtype}, ${shape}; nobody knows such.`,
      );
    }
    if (!isPlace(offset) || offset % 8) throw new ModelFileError(`The tensor ${name} cannot begin at ${offset}.`);
    const count = shape.reduce((product, size) => product * size, 1);
    const end = offset + count * BYTES[dtype];
    if (end > content.length) {
      throw new ModelFileError(`The tensor ${name} (${dtype}, ${shape.join(" x ")}) reaches beyond the model file.`);
    }
    const start = content.byteOffset + offset;
    const raw = content.buffer.slice(start, start + count * BYTES[dtype]);
    switch (dtype) {
      case "float32":
        return { shape, data: new Float32Array(raw) };
      case "float16":
        return { shape, data: decoded(new Uint16Array(raw), (half) => halves()[half]) };
      case "int8":
        return { shape, data: new Float32Array(new Int8Array(raw)) };
      case "steps8":
        return { shape, data: decoded(new Uint8Array(raw), (code) => (code === 0xff ? -Infinity : low + step * code)) };
      case "steps16":
        return {
          shape,
          data: decoded(new Uint16Array(raw), (code) => (code === 0xffff ? -Infinity : low + step * code)),
        };
      case "uint8":
        return { shape, data: new Uint8Array(raw) };
      case "uint16":
        return { shape, data: new Uint16Array(raw) };
      default:
        return { shape, data: new Uint32Array(raw) };
    }
  }

  /** @type {Float32Array | undefined} */
  let halfTable;

  /** The value of each of the 65,536 numbers of 16 bits (IEEE 754 binary16). */
  function halves() {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => {
      const sign = bits >> 15 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      if (exponent === 0) return sign * fraction * 2 ** -24;
      return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    });
    return halfTable;
  }

  /** @param {Uint8Array | Uint16Array} codes @param {(code: number) => number} valueOf */
  function decoded(codes, valueOf) {
    const data = new Float32Array(codes.length);
    for (let place = 0; place < data.length; place++) data[place] = valueOf(codes[place]);
    return data;
  }

  /** Multiply the rows of each int8 matrix by their factors. @param {Tensors} tensors @param {{ name: string, dtype: string }[]} entries */
  function applyFactors(tensors, entries) {
    for (const { name } of entries.filter(({ dtype }) => dtype === "int8")) {
      const { shape, data } = expected(tensors, name);
      const [rows, columns = 1] = shape;
      const factors = expected(tensors, `${name}.factors`, [rows, 1]).data;
      for (let row = 0; row < rows; row++) {
        for (let at = row * columns; at < (row + 1) * columns; at++) data[at] *= factors[row];
      }
    }
  }

  /**
   * @param {Tensors} tensors
   * @param {string} name
   * @param {number[]} [shape] what it must be
   * @returns {Tensor}
   */
  function expected(tensors, name, shape) {
    const tensor = tensors.get(name);
    if (!tensor) throw new ModelFileError(`The model file has no tensor ${name}.`);
    if (shape && tensor.shape.join() !== shape.join()) {
      throw new ModelFileError(
        `The tensor ${name} is ${tensor.shape.join(" x ")}, and its model needs ${shape.join(" x ")}.`,
      );
    }
    return tensor;
  }

  return { ModelFileError, crc32, expected, fromBase64, readModelFile };
})();
