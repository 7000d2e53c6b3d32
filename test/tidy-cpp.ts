/**
 * Lengths of C++ functions, told by braces: a brace after a parenthesis whose parents are all
 * namespaces or types opens a function. Enough for this code base; it isn't a parser.
 */

/** Each function with its first line (1-based) and its length in lines. */
export function cppFunctions(text: string): { line: number; lines: number }[] {
  const code = blank(text);
  const functions: { line: number; lines: number }[] = [];
  const open: { isFunction: boolean; line: number }[] = [];
  let line = 1;
  let head = "";
  let headLine = 1;
  for (const character of code) {
    if (character === "{") {
      const isFunction = !open.some((one) => one.isFunction) && isSignature(head);
      open.push({ isFunction, line: headLine });
    } else if (character === "}") {
      const closed = open.pop();
      if (closed?.isFunction) functions.push({ line: closed.line, lines: line - closed.line + 1 });
    }
    if (character === "\n") line += 1;
    if ("{};".includes(character)) head = "";
    else {
      if (head.trim() === "") headLine = line;
      head += character;
    }
  }
  return functions;
}

/** What stands before a brace, since the last `{`, `}` or `;`. */
function isSignature(head: string): boolean {
  return (
    head.includes(")") &&
    !/^\s*(template\s*<[^{]*>\s*)?(namespace|struct|class)\b[^()]*$/.test(head)
  );
}

/** Comments, raw strings, strings, characters, preprocessor lines. */
const HIDDEN = [
  /\/\*[\s\S]*?\*\//,
  /\/\/[^\n]*/,
  /R"\([\s\S]*?\)"/,
  /"(?:\\.|[^"\\\n])*"/,
  // Not the separators of 4'096.
  /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'/,
  /^[ \t]*#(?:[^\n\\]|\\[\s\S])*/,
];

/** The text with all of these as spaces; lines stay where they were. */
function blank(text: string): string {
  const hidden = new RegExp(HIDDEN.map(({ source }) => source).join("|"), "gm");
  return text.replaceAll(hidden, (found) => found.replaceAll(/[^\n]/g, " "));
}
