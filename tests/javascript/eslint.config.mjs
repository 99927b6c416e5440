import js from "@eslint/js";

const page = Object.fromEntries(
  [
    "CSSStyleSheet",
    "Event",
    "HTMLElement",
    "IntersectionObserver",
    "MessageChannel",
    "MutationObserver",
    "TextDecoder",
    "TextEncoder",
    "URL",
    "atob",
    "clearTimeout",
    "customElements",
    "document",
    "getComputedStyle",
    "matchMedia",
    "performance",
    "setTimeout",
  ].map((name) => [name, "readonly"]),
);
const ours = {
  LMModelFile: "writable",
  LMEngine: "writable",
  LMTokenizers: "writable",
  LMModels: "writable",
  LMPage: "writable",
};

export default [
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-shadow": "error",
      "no-var": "error",
      "no-redeclare": ["error", { builtinGlobals: false }],
      "no-unused-vars": ["error", { varsIgnorePattern: "^LM[A-Z]" }],
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "text is never read as HTML" },
        { property: "outerHTML", message: "text is never read as HTML" },
        { property: "insertAdjacentHTML", message: "text is never read as HTML" },
      ],
    },
  },
  {
    files: ["lmtutor/widgets/playground/*.js"],
    languageOptions: { sourceType: "script", ecmaVersion: 2023, globals: { ...page, ...ours } },
  },
  {
    files: ["tests/javascript/*.js"],
    languageOptions: {
      sourceType: "commonjs",
      ecmaVersion: 2023,
      globals: { require: "readonly", process: "readonly" },
    },
  },
];
