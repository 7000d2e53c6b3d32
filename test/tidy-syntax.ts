/**
 * What the tidy rules need to know of a TypeScript or JavaScript file's syntax: its imports, its
 * functions, and the places of constructs that the project doesn't use.
 */
import { parseAst } from "rolldown/parseAst";

/** A node of the syntax tree; children are found by walking its properties. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Something found, with its 1-based line. */
export interface Found {
  readonly line: number;
  readonly what: string;
}

export interface Syntax {
  /** Module names of static imports, re-exports, type imports and `import()` of a literal. */
  readonly imports: readonly Found[];
  /** Each function with its length in lines. */
  readonly functions: readonly { readonly line: number; readonly lines: number }[];
  /** Node types and, for calls and members, dotted names such as `Math.random`. */
  readonly constructs: readonly Found[];
}

/**
 * The facts of one file.
 * @throws {Error} when it doesn't parse.
 */
export function readSyntax(path: string, text: string): Syntax {
  const lineOf = lineIndex(text);
  const imports: Found[] = [];
  const functions: { line: number; lines: number }[] = [];
  const constructs: Found[] = [];
  const visit = (node: Node, parents: readonly Node[]): void => {
    const line = lineOf(node.start);
    const name = importedName(node);
    if (name !== undefined) imports.push({ line, what: name });
    if (FUNCTIONS.has(node.type) && !isSuite(parents)) {
      functions.push({ line, lines: lineOf(node.end) - line + 1 });
    }
    constructs.push({ line, what: node.type });
    if (node.type === "MemberExpression") constructs.push({ line, what: dottedName(node) });
    if (node["async"] === true) constructs.push({ line, what: "async" });
    for (const child of childrenOf(node)) visit(child, [node, ...parents]);
  };
  const lang = path.endsWith(".ts") ? "ts" : "js";
  visit(parseAst(text, { lang }) as unknown as Node, []);
  return { imports, functions, constructs };
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** A function whose only content is a group of tests may be as long as the group. */
function isSuite([parent]: readonly Node[]): boolean {
  if (parent?.type !== "CallExpression") return false;
  return /^(describe|suite)\b/.test(dottedName(parent["callee"] as Node));
}

function importedName(node: Node): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literal(node["source"] ?? node["argument"]);
    default:
      return undefined;
  }
}

/** The text of a string literal or of a template without holes. */
function literal(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === "Literal" && typeof value["value"] === "string") return value["value"];
  if (value.type === "TSLiteralType") return literal(value["literal"]);
  if (value.type !== "TemplateLiteral") return undefined;
  const quasis = value["quasis"] as readonly { value: { cooked: string } }[];
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined;
}

/** `a.b.c` of a member expression, `f()` chains included; empty for what isn't named. */
function dottedName(node: Node): string {
  if (node.type === "Identifier") return node["name"] as string;
  if (node.type === "CallExpression") return dottedName(node["callee"] as Node);
  if (node.type !== "MemberExpression" || node["computed"] === true) return "";
  return `${dottedName(node["object"] as Node)}.${dottedName(node["property"] as Node)}`;
}

function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) => {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return values.filter(isNode);
  });
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function lineIndex(text: string): (offset: number) => number {
  const ends: number[] = [];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) ends.push(at);
  return (offset) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}
